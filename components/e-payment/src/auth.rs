// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Authentication of API clients. Online services send the token of their Secret; other modules of the
//! municipality (sibling modules) send a token that the platform issued. XBezahldienste does not prescribe
//! a scheme. Payment platforms in use require HTTP Basic or OAuth 2.0, so both are accepted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rathaus_contract::{Callers, Client, ClientCredential, ModuleConfig};
use rathaus_kit::Secrets;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::problem::Problem;

/// Value of the header `WWW-Authenticate` of responses with status 401 (RFC 9110, section 11.6.1).
pub const CHALLENGE: &str = r#"Bearer realm="e-payment", Basic realm="e-payment", charset="UTF-8""#;
/// Lifetime of the tokens that the token endpoint issues, in seconds.
pub const TOKEN_LIFETIME_SECONDS: u64 = 3600;
/// How long loaded tokens are used before the Secrets are read again.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);
/// Allowed lengths of a client's token in characters. Shorter tokens could be guessed.
const ALLOWED_TOKEN_LENGTHS: std::ops::RangeInclusive<usize> = 32..=256;

/// The authenticated API client that sent a request.
#[derive(Clone, Debug)]
pub struct ApiClient(pub Arc<Client>);

impl FromRequestParts<App> for ApiClient {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.clients.authenticate(&parts.headers).map_err(Problem::unauthenticated)
    }
}

/// All configured API clients and the means to authenticate them.
#[derive(Debug)]
pub struct Clients {
    /// Clients with a token in a Secret, and the name of the Secret.
    registered: Vec<(Arc<Client>, String)>,
    siblings: Option<SiblingModules>,
    secrets: Secrets,
    /// The claim `aud` of issued tokens: the public URL of this module.
    audience: String,
    /// The tokens that were read last, and when.
    token_cache: Mutex<Option<(Instant, Arc<Vec<LoadedToken>>)>>,
}

/// A client and the token that was last read from its Secret.
#[derive(Debug)]
struct LoadedToken {
    client: Arc<Client>,
    token: String,
}

/// Clients that are modules of the same municipality, and what their platform tokens are checked against.
#[derive(Debug)]
struct SiblingModules {
    keys: JwkSet,
    issuer: String,
    audience: String,
    by_subject: BTreeMap<String, Arc<Client>>,
}

/// The claims of the tokens that [`Clients::issue_token`] issues.
#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    exp: u64,
}

#[derive(Deserialize)]
struct SubjectClaim {
    sub: String,
}

impl Clients {
    /// Creates the clients that the `ePayment` object of `module.json` lists. No Secret is read yet.
    ///
    /// # Errors
    /// Fails if `callers.keys` in `module.json` is not a JWK Set.
    pub fn new(config: &ModuleConfig, clients: &[Client], secrets: Secrets) -> anyhow::Result<Self> {
        let clients = clients.iter().cloned().map(Arc::new);
        let registered = clients.clone().filter_map(|client| match &client.credential {
            ClientCredential::Secret(secret) => Some((client.clone(), secret.clone())),
            ClientCredential::Module(_) => None,
        });
        let siblings = config.callers.as_ref().map(|callers| SiblingModules::new(callers, clients.clone()));
        Ok(Self {
            registered: registered.collect(),
            siblings: siblings.transpose()?,
            secrets,
            audience: config.public_url.to_string(),
            token_cache: Mutex::default(),
        })
    }

    /// Authenticates a request by its header `Authorization`.
    ///
    /// # Errors
    /// Fails if the header is missing or its credentials are not valid. The message says what is wrong and
    /// never repeats the credentials.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<ApiClient, &'static str> {
        let authorization = headers.get(header::AUTHORIZATION).ok_or(
            "the request has no credentials; send the header Authorization with a bearer token or HTTP Basic",
        )?;
        let (scheme, credentials) = authorization
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .ok_or("the header Authorization is neither Bearer nor Basic")?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => self.authenticate_by_token(credentials.trim()),
            "basic" => {
                let (name, token) = parse_basic_credentials(credentials.trim())
                    .ok_or("the header Authorization is not the base64 encoding of NAME:TOKEN (RFC 7617)")?;
                self.authenticate_by_name(&name, &token)
            }
            _ => Err("the header Authorization is neither Bearer nor Basic"),
        }
    }

    /// Authenticates a client by its name and its token.
    ///
    /// # Errors
    /// Fails if there is no client with this name or if it has another token.
    pub fn authenticate_by_name(&self, name: &str, token: &str) -> Result<ApiClient, &'static str> {
        let tokens = self.loaded_tokens();
        let loaded =
            tokens.iter().find(|loaded| loaded.client.name == name && tokens_equal(&loaded.token, token));
        loaded
            .map(|loaded| ApiClient(loaded.client.clone()))
            .ok_or("no client has this name and token; ask the administrators of the municipality for both")
    }

    /// Issues an access token to an authenticated client (RFC 6749, section 4.4). It is a JWT signed with
    /// the client's own token: every pod can verify it, and it becomes invalid when that token changes.
    ///
    /// # Errors
    /// Fails if the client's Secret was removed in the meantime.
    pub fn issue_token(&self, client: &ApiClient) -> anyhow::Result<String> {
        let tokens = self.loaded_tokens();
        let loaded = tokens.iter().find(|loaded| loaded.client.name == client.0.name);
        let loaded = loaded.context("the Secret of the client no longer has a usable token")?;
        let key = EncodingKey::from_secret(loaded.token.as_bytes());
        let header = Header { kid: Some(client.0.name.clone()), ..Header::new(Algorithm::HS256) };
        let exp = jsonwebtoken::get_current_timestamp() + TOKEN_LIFETIME_SECONDS;
        let claims = Claims { sub: client.0.name.clone(), aud: self.audience.clone(), exp };
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    fn authenticate_by_token(&self, token: &str) -> Result<ApiClient, &'static str> {
        let invalid = "the bearer token belongs to no client, or it has expired";
        let tokens = self.loaded_tokens();
        let mut matching = tokens.iter().filter(|loaded| tokens_equal(&loaded.token, token));
        match (matching.next(), matching.next()) {
            (Some(loaded), None) => return Ok(ApiClient(loaded.client.clone())),
            (Some(_), Some(_)) => {
                return Err("several clients have this bearer token; each needs its own");
            }
            _ => {}
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| invalid)?;
        let kid = header.kid.ok_or(invalid)?;
        let client = if header.alg == Algorithm::HS256 {
            let loaded = tokens.iter().find(|loaded| loaded.client.name == kid).ok_or(invalid)?;
            is_issued_token_valid(token, loaded, &self.audience).then(|| loaded.client.clone())
        } else {
            self.siblings.as_ref().and_then(|siblings| siblings.authenticate(token, &kid, header.alg))
        };
        client.map(ApiClient).ok_or(invalid)
    }

    /// The tokens of all clients whose Secrets have a valid one, at most [`RELOAD_INTERVAL`] old.
    fn loaded_tokens(&self) -> Arc<Vec<LoadedToken>> {
        let mut cache = self.token_cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((loaded_at, tokens)) = cache.as_ref()
            && loaded_at.elapsed() < RELOAD_INTERVAL
        {
            return tokens.clone();
        }
        let loaded = self.registered.iter().filter_map(|(client, secret)| {
            let token = self.secrets.read(secret, "token").and_then(check_token_strength);
            let token = token.inspect_err(|error| {
                let error = format!("{error:#}");
                tracing::warn!(
                    client = client.name,
                    error,
                    "the client has no usable token and cannot authenticate"
                );
            });
            Some(LoadedToken { client: client.clone(), token: token.ok()? })
        });
        let tokens = Arc::new(loaded.collect::<Vec<_>>());
        *cache = Some((Instant::now(), tokens.clone()));
        tokens
    }
}

impl SiblingModules {
    fn new(callers: &Callers, clients: impl Iterator<Item = Arc<Client>>) -> anyhow::Result<Self> {
        let with_subject = |client: Arc<Client>| match &client.credential {
            ClientCredential::Module(module) => Some((callers.subjects.get(module)?.clone(), client)),
            ClientCredential::Secret(_) => None,
        };
        Ok(Self {
            keys: serde_json::from_value(callers.keys.clone())
                .context("module.json: callers.keys is not a JWK Set (RFC 7517)")?,
            issuer: callers.issuer.clone(),
            audience: callers.audience.clone(),
            by_subject: clients.filter_map(with_subject).collect(),
        })
    }

    /// The client whose platform token this is; `None` if the token is not valid for this module.
    fn authenticate(&self, token: &str, kid: &str, algorithm: Algorithm) -> Option<Arc<Client>> {
        let key = DecodingKey::from_jwk(self.keys.find(kid)?).ok()?;
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        let subject = jsonwebtoken::decode::<SubjectClaim>(token, &key, &validation).ok()?.claims.sub;
        self.by_subject.get(&subject).cloned()
    }
}

/// Whether [`Clients::issue_token`] issued this token to the client of `loaded` and it has not expired.
fn is_issued_token_valid(token: &str, loaded: &LoadedToken, audience: &str) -> bool {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    validation.leeway = 0;
    let key = DecodingKey::from_secret(loaded.token.as_bytes());
    jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .is_ok_and(|token| token.claims.sub == loaded.client.name)
}

/// Returns the token if it is long enough and consists of visible ASCII characters, which is what bearer
/// tokens (RFC 6750) and passwords of HTTP Basic (RFC 7617) can have in common.
fn check_token_strength(token: String) -> anyhow::Result<String> {
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(
        visible && ALLOWED_TOKEN_LENGTHS.contains(&token.len()),
        "the token must be {} to {} visible ASCII characters",
        ALLOWED_TOKEN_LENGTHS.start(),
        ALLOWED_TOKEN_LENGTHS.end()
    );
    Ok(token)
}

/// Compares the hashes of two tokens, so that the duration of the comparison reveals nothing about them.
fn tokens_equal(left: &str, right: &str) -> bool {
    Sha256::digest(left) == Sha256::digest(right)
}

/// Decodes the credentials of HTTP Basic (RFC 7617), base64 of `NAME:PASSWORD`, into name and password.
pub fn parse_basic_credentials(credentials: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
