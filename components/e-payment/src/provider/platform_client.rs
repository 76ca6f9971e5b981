// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Authenticated requests to a platform, by HTTP Basic, OAuth 2.0 or mutual TLS. Credentials are read when
//! they are used, so that rotating them needs no restart.

use std::time::{Duration, Instant};

use rathaus_contract::Authentication;
use rathaus_kit::Secrets;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::Error;
use super::http::{self, HttpClient, Response, secret_error};

/// Tokens are replaced this long before they expire, because clocks differ and calls take time.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// Sends requests to the platform with the credentials that the town configured.
pub struct PlatformClient {
    http: HttpClient,
    secrets: Secrets,
    auth: AuthMethod,
}

/// How requests are authenticated. `secret` is the name of the Secret that holds the credentials.
enum AuthMethod {
    Basic { secret: String },
    OAuth2 { secret: String, token_url: Url, cached_token: Mutex<Option<AccessToken>> },
    MutualTls { secret: String, cached_client: Mutex<Option<CertificateClient>> },
}

struct AccessToken {
    value: String,
    usable_until: Instant,
}

/// A client with a client certificate, and the PEM texts from which it was built.
struct CertificateClient {
    chain: String,
    key: String,
    client: Client,
}

/// The token endpoint's successful response (RFC 6749, section 5.1).
#[derive(Deserialize)]
struct TokenResponse {
    access_token: String,
    token_type: String,
    /// Lifetime in seconds. A token without it is used once.
    #[serde(default)]
    expires_in: u64,
}

impl PlatformClient {
    /// Creates a client that authenticates as `authentication` says.
    pub fn new(authentication: &Authentication, http: HttpClient, secrets: Secrets) -> Self {
        let auth = match authentication.clone() {
            Authentication::Basic { secret } => AuthMethod::Basic { secret },
            Authentication::OAuth2 { secret, token_url } => {
                AuthMethod::OAuth2 { secret, token_url, cached_token: Mutex::default() }
            }
            Authentication::MutualTLS { secret } => {
                AuthMethod::MutualTls { secret, cached_client: Mutex::default() }
            }
        };
        Self { http, secrets, auth }
    }

    /// Sends the request that `build_request` builds. It is built and sent a second time if the platform
    /// does not accept a cached OAuth 2.0 token.
    ///
    /// # Errors
    /// [`Error::Unavailable`] if credentials are missing, cannot be used or yield no token, or if there is
    /// no response.
    pub async fn send(&self, build_request: impl Fn(&Client) -> RequestBuilder) -> Result<Response, Error> {
        let read = |name: &str, key| self.secrets.read(name, key).map_err(secret_error);
        let client = &self.http.client;
        match &self.auth {
            AuthMethod::Basic { secret } => {
                let (user, password) = (read(secret, "username")?, read(secret, "password")?);
                http::send(build_request(client).basic_auth(user, Some(password))).await
            }
            AuthMethod::OAuth2 { secret, token_url, cached_token } => {
                let credentials = || Ok((read(secret, "client-id")?, read(secret, "client-secret")?));
                let first = self.access_token(token_url, cached_token, credentials, None).await?;
                let response = http::send(build_request(client).bearer_auth(&first)).await?;
                if response.status != StatusCode::UNAUTHORIZED {
                    return Ok(response);
                }
                // The platform may invalidate tokens before they expire, for example when it restarts.
                let second = self.access_token(token_url, cached_token, credentials, Some(&first)).await?;
                http::send(build_request(client).bearer_auth(&second)).await
            }
            AuthMethod::MutualTls { secret, cached_client } => {
                let (chain, key) = (read(secret, "tls.crt")?, read(secret, "tls.key")?);
                let client = self.certificate_client(cached_client, chain, key).await.map_err(|error| {
                    Error::Unavailable(format!(
                        "tls.crt and tls.key of Secret {secret} cannot be used: {error:#}"
                    ))
                })?;
                http::send(build_request(&client)).await
            }
        }
    }

    /// Returns the cached token, or requests a new one if the cached one expires soon or is `rejected`.
    /// Concurrent callers wait for the same request.
    async fn access_token(
        &self,
        token_url: &Url,
        cache: &Mutex<Option<AccessToken>>,
        credentials: impl Fn() -> Result<(String, String), Error>,
        rejected: Option<&str>,
    ) -> Result<String, Error> {
        let mut cached = cache.lock().await;
        if let Some(token) = &*cached
            && Instant::now() < token.usable_until
            && rejected != Some(&token.value)
        {
            return Ok(token.value.clone());
        }
        let (id, secret) = credentials()?;
        // RFC 6749, section 2.3.1: both are form-urlencoded before they become Basic credentials.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let request = self
            .http
            .client
            .post(token_url.clone())
            .basic_auth(encoded(&id), Some(encoded(&secret)))
            .form(&[("grant_type", "client_credentials")]);
        let response = http::send(request).await?;
        let granted = Some(&response).filter(|response| response.status.is_success());
        let token = granted
            .and_then(|response| serde_json::from_slice::<TokenResponse>(&response.body).ok())
            .filter(|token| token.token_type.eq_ignore_ascii_case("bearer"))
            .ok_or_else(|| {
                let status = response.status.as_u16();
                Error::Unavailable(format!("{token_url} answers {status} without a bearer token"))
            })?;
        let lifetime = Duration::from_secs(token.expires_in).saturating_sub(EXPIRY_MARGIN);
        let usable_until = Instant::now().checked_add(lifetime).unwrap_or_else(Instant::now);
        *cached = Some(AccessToken { value: token.access_token.clone(), usable_until });
        Ok(token.access_token)
    }

    /// Returns the cached client, or builds a new one if the certificate or the key has changed.
    async fn certificate_client(
        &self,
        cache: &Mutex<Option<CertificateClient>>,
        chain: String,
        key: String,
    ) -> anyhow::Result<Client> {
        let mut cached = cache.lock().await;
        if let Some(unchanged) = &*cached
            && (&unchanged.chain, &unchanged.key) == (&chain, &key)
        {
            return Ok(unchanged.client.clone());
        }
        let client = self.http.with_identity(&chain, &key)?;
        *cached = Some(CertificateClient { chain, key, client: client.clone() });
        Ok(client)
    }
}
