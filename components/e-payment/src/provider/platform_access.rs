// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! How a platform lets us in: HTTP Basic, OAuth 2.0 or mutual TLS. Credentials are read when they are
//! used, so that new ones need no restart.

use std::time::{Duration, Instant};

use rathaus_contract::Authentication;
use rathaus_kit::Secrets;
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::Error;
use super::http::{self, Answer, Http, secret};

/// A token is not used for longer than this before its end: clocks differ, and calls take time.
const MARGIN: Duration = Duration::from_secs(30);

/// Sends requests that the platform lets in.
pub struct PlatformAccess {
    http: Http,
    secrets: Secrets,
    proof: Proof,
}

enum Proof {
    Basic { secret: String },
    OAuth2 { secret: String, token_url: Url, token: Mutex<Option<Token>> },
    MutualTls { secret: String, client: Mutex<Option<Identified>> },
}

struct Token {
    text: String,
    until: Instant,
}

/// A client and the Secret's text that it was made from.
struct Identified {
    chain: String,
    key: String,
    client: Client,
}

/// RFC 6749, section 5.1.
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    token_type: String,
    /// Seconds. Without it a token is used once.
    #[serde(default)]
    expires_in: u64,
}

impl PlatformAccess {
    /// By the means that the town named.
    pub fn new(authentication: &Authentication, http: Http, secrets: Secrets) -> Self {
        let proof = match authentication.clone() {
            Authentication::Basic { secret } => Proof::Basic { secret },
            Authentication::OAuth2 { secret, token_url } => {
                Proof::OAuth2 { secret, token_url, token: Mutex::default() }
            }
            Authentication::MutualTLS { secret } => Proof::MutualTls { secret, client: Mutex::default() },
        };
        Self { http, secrets, proof }
    }

    /// Sends the request that `make` makes, again where that is needed for being let in.
    ///
    /// # Errors
    /// Credentials are missing or wrong, or there is no answer.
    pub async fn send(&self, make: impl Fn(&Client) -> RequestBuilder) -> Result<Answer, Error> {
        let read = |name: &str, key| self.secrets.read(name, key).map_err(secret);
        let client = &self.http.client;
        match &self.proof {
            Proof::Basic { secret } => {
                let (user, password) = (read(secret, "username")?, read(secret, "password")?);
                http::send(make(client).basic_auth(user, Some(password))).await
            }
            Proof::OAuth2 { secret, token_url, token } => {
                let credentials = || Ok((read(secret, "client-id")?, read(secret, "client-secret")?));
                let first = self.token(token_url, token, credentials, None).await?;
                let answer = http::send(make(client).bearer_auth(&first)).await?;
                if answer.status != StatusCode::UNAUTHORIZED {
                    return Ok(answer);
                }
                // The platform may forget its tokens before their time, such as with its restart.
                let second = self.token(token_url, token, credentials, Some(&first)).await?;
                http::send(make(client).bearer_auth(&second)).await
            }
            Proof::MutualTls { secret, client } => {
                let (chain, key) = (read(secret, "tls.crt")?, read(secret, "tls.key")?);
                let client = self.identified(client, chain, key).await.map_err(|error| {
                    Error::Unavailable(format!(
                        "tls.crt and tls.key of Secret {secret} cannot be used: {error:#}"
                    ))
                })?;
                http::send(make(&client)).await
            }
        }
    }

    /// A token that holds for a while and is not `refused`. Who comes while one is asked for waits for it.
    async fn token(
        &self,
        token_url: &Url,
        kept: &Mutex<Option<Token>>,
        credentials: impl Fn() -> Result<(String, String), Error>,
        refused: Option<&str>,
    ) -> Result<String, Error> {
        let mut kept = kept.lock().await;
        if let Some(token) = &*kept
            && Instant::now() < token.until
            && refused != Some(&token.text)
        {
            return Ok(token.text.clone());
        }
        let (id, secret) = credentials()?;
        // RFC 6749, section 2.3.1: encoded before they are put together.
        let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        let request = self
            .http
            .client
            .post(token_url.clone())
            .basic_auth(encoded(&id), Some(encoded(&secret)))
            .form(&[("grant_type", "client_credentials")]);
        let answer = http::send(request).await?;
        let granted = Some(&answer).filter(|answer| answer.status.is_success());
        let token = granted
            .and_then(|answer| serde_json::from_slice::<TokenAnswer>(&answer.body).ok())
            .filter(|token| token.token_type.eq_ignore_ascii_case("bearer"))
            .ok_or_else(|| {
                let status = answer.status.as_u16();
                Error::Unavailable(format!("{token_url} answers {status} and gives no bearer token"))
            })?;
        let lifetime = Duration::from_secs(token.expires_in).saturating_sub(MARGIN);
        let until = Instant::now().checked_add(lifetime).unwrap_or_else(Instant::now);
        *kept = Some(Token { text: token.access_token.clone(), until });
        Ok(token.access_token)
    }

    async fn identified(
        &self,
        kept: &Mutex<Option<Identified>>,
        chain: String,
        key: String,
    ) -> anyhow::Result<Client> {
        let mut kept = kept.lock().await;
        if let Some(known) = &*kept
            && (&known.chain, &known.key) == (&chain, &key)
        {
            return Ok(known.client.clone());
        }
        let client = self.http.with_identity(&chain, &key)?;
        *kept = Some(Identified { chain, key, client: client.clone() });
        Ok(client)
    }
}
