// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! HTTP calls to payment providers, with limits: the client of `rathaus-kit` sets the timeouts, and
//! response bodies are limited to 1 MiB.

use anyhow::Context;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Identity, RequestBuilder, StatusCode};

use super::Error;

const MAX_RESPONSE_BYTES: usize = 1024 * 1024;

/// An HTTP client, and the trusted authorities for building another one with a client certificate.
#[derive(Clone)]
pub struct HttpClient {
    /// The client without a client certificate.
    pub client: Client,
    authorities: Option<String>,
}

/// A response with its complete body.
#[derive(Debug)]
pub struct Response {
    /// HTTP status code.
    pub status: StatusCode,
    /// Response headers.
    pub headers: HeaderMap,
    /// The body, at most [`MAX_RESPONSE_BYTES`] long.
    pub body: Vec<u8>,
}

impl HttpClient {
    /// Creates a client that trusts the public certificate authorities and `authorities` (PEM).
    ///
    /// # Errors
    /// Fails if `authorities` is not a certificate bundle in PEM.
    pub fn new(authorities: Option<&str>) -> anyhow::Result<Self> {
        let client =
            client_builder(authorities)?.build().context("authorities of module.json cannot be used")?;
        Ok(Self { client, authorities: authorities.map(str::to_owned) })
    }

    /// Builds a client that authenticates with a client certificate: `chain` and `key` are PEM.
    ///
    /// # Errors
    /// Fails if the chain or the key cannot be parsed. The error does not repeat their content.
    pub fn with_identity(&self, chain: &str, key: &str) -> anyhow::Result<Client> {
        let identity = Identity::from_pem(format!("{chain}\n{key}\n").as_bytes())?;
        Ok(client_builder(self.authorities.as_deref())?.identity(identity).build()?)
    }
}

fn client_builder(authorities: Option<&str>) -> anyhow::Result<ClientBuilder> {
    let agent = concat!("rathaus-e-payment/", env!("CARGO_PKG_VERSION"));
    Ok(rathaus_kit::http_client_builder(authorities)?.user_agent(agent))
}

/// Sends a request and reads the response, whatever its status is.
///
/// # Errors
/// [`Error::Unavailable`] if there is no response or its body is longer than 1 MiB.
pub async fn send(request: RequestBuilder) -> Result<Response, Error> {
    let mut response = request.send().await.map_err(request_error)?;
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(request_error)? {
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let message = format!("the response is longer than {MAX_RESPONSE_BYTES} bytes");
            return Err(Error::Unavailable(message));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Response { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

/// Describes the error with all its causes, but without the URL, which may contain transaction ids.
fn request_error(error: reqwest::Error) -> Error {
    Error::Unavailable(format!("{:#}", anyhow::Error::from(error.without_url())))
}

/// A Secret that cannot be read counts as unavailable: payments wait until the town has fixed it.
pub fn secret_error(error: anyhow::Error) -> Error {
    Error::Unavailable(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_must_be_certificates() {
        assert!(HttpClient::new(None).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let message = HttpClient::new(Some(broken)).err().map(|error| error.to_string());
        assert_eq!(message.as_deref(), Some("authorities of module.json cannot be used"));
    }

    #[test]
    fn errors_do_not_repeat_an_invalid_client_certificate() {
        let error = HttpClient::new(None).unwrap().with_identity("chain", "very secret").unwrap_err();
        assert!(!format!("{error:?}").contains("very secret"));
    }

    #[tokio::test]
    async fn errors_do_not_contain_the_url() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = HttpClient::new(None).unwrap().client;
        let url = format!("http://127.0.0.1:{port}/paymenttransaction/o/e/T-1");
        let Err(Error::Unavailable(message)) = send(client.get(url)).await else {
            panic!("the port is closed")
        };
        assert!(message.contains("onnection refused") && !message.contains("T-1"), "{message}");
    }
}
