// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Calls to the outside: never for longer than a few seconds, never an answer longer than a megabyte.

use anyhow::Context;
use reqwest::header::HeaderMap;
use reqwest::{Client, ClientBuilder, Identity, RequestBuilder, StatusCode};

use super::Error;

const LARGEST_ANSWER: usize = 1024 * 1024;

/// An HTTP client, and what is needed for another with an identity of its own.
#[derive(Clone)]
pub struct Http {
    /// For who needs no certificate of ours.
    pub client: Client,
    authorities: Option<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Of HTTP.
    pub status: StatusCode,
    /// Of HTTP.
    pub headers: HeaderMap,
    /// As it came.
    pub body: Vec<u8>,
}

impl Http {
    /// With the public authorities and `authorities` (PEM).
    ///
    /// # Errors
    /// `authorities` is not what it should be.
    pub fn new(authorities: Option<&str>) -> anyhow::Result<Self> {
        let client = builder(authorities)?.build().context("authorities of module.json cannot be used")?;
        Ok(Self { client, authorities: authorities.map(str::to_owned) })
    }

    /// A client that shows a certificate of its own: chain and key, in PEM.
    ///
    /// # Errors
    /// It is none; what is in it is not repeated.
    pub fn with_identity(&self, chain: &str, key: &str) -> anyhow::Result<Client> {
        let identity = Identity::from_pem(format!("{chain}\n{key}\n").as_bytes())?;
        Ok(builder(self.authorities.as_deref())?.identity(identity).build()?)
    }
}

fn builder(authorities: Option<&str>) -> anyhow::Result<ClientBuilder> {
    let agent = concat!("rathaus-e-payment/", env!("CARGO_PKG_VERSION"));
    Ok(rathaus_kit::http_client_builder(authorities)?.user_agent(agent))
}

/// Sends a request and reads the answer, whatever its status is.
///
/// # Errors
/// There is none, or one that is too large.
pub async fn send(request: RequestBuilder) -> Result<Answer, Error> {
    let mut response = request.send().await.map_err(unavailable)?;
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(unavailable)? {
        if body.len() + part.len() > LARGEST_ANSWER {
            let told = format!("the answer is longer than {LARGEST_ANSWER} bytes");
            return Err(Error::Unavailable(told));
        }
        body.extend_from_slice(&part);
    }
    Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body })
}

/// With all causes, and without the URL, which may hold ids.
fn unavailable(error: reqwest::Error) -> Error {
    Error::Unavailable(format!("{:#}", anyhow::Error::from(error.without_url())))
}

/// A Secret that cannot be read keeps payments waiting until the town has put it right.
pub fn secret(error: anyhow::Error) -> Error {
    Error::Unavailable(format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authorities_must_be_certificates() {
        assert!(Http::new(None).is_ok());
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let told = Http::new(Some(broken)).err().map(|error| error.to_string());
        assert_eq!(told.as_deref(), Some("authorities of module.json cannot be used"));
    }

    #[test]
    fn an_identity_that_is_none_is_not_repeated() {
        let error = Http::new(None).unwrap().with_identity("chain", "very secret").unwrap_err();
        assert!(!format!("{error:?}").contains("very secret"));
    }

    #[tokio::test]
    async fn who_does_not_answer_is_told_without_the_url() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let client = Http::new(None).unwrap().client;
        let url = format!("http://127.0.0.1:{port}/paymenttransaction/o/e/T-1");
        let Err(Error::Unavailable(told)) = send(client.get(url)).await else { panic!("nobody listens") };
        assert!(told.contains("onnection refused") && !told.contains("T-1"), "{told}");
    }
}
