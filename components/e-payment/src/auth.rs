// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Who calls: online services by a token of their own, siblings by the platform's tokens. XBezahldienste
//! leaves the way open; platforms in use ask for HTTP Basic or OAuth 2.0, so both are understood.

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

/// What a 401 asks for (RFC 9110, section 11.6.1).
pub const CHALLENGE: &str = r#"Bearer realm="e-payment", Basic realm="e-payment", charset="UTF-8""#;
/// How long a token of the token endpoint holds, in seconds.
pub const TOKEN_SECONDS: u64 = 3600;
/// How long a Secret that changed may still be taken for what it was.
const REREAD: Duration = Duration::from_secs(5);
/// RFC 6750 and 7617 want visible characters; shorter ones could be guessed.
const TOKEN_LENGTH: std::ops::RangeInclusive<usize> = 32..=256;

/// The client whose call this is.
#[derive(Clone, Debug)]
pub struct Caller(pub Arc<Client>);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        app.clients.authenticate(&parts.headers).map_err(Problem::unauthenticated)
    }
}

/// All that may call, and how they prove it.
#[derive(Debug)]
pub struct Clients {
    /// Clients with a token of their own.
    registered: Vec<(Arc<Client>, String)>,
    siblings: Option<Siblings>,
    secrets: Secrets,
    /// The `aud` of tokens that this module makes: itself.
    audience: String,
    known: Mutex<Option<(Instant, Arc<Vec<Known>>)>>,
}

/// A client with the token that its Secret held last.
#[derive(Debug)]
struct Known {
    client: Arc<Client>,
    token: String,
}

#[derive(Debug)]
struct Siblings {
    keys: JwkSet,
    issuer: String,
    audience: String,
    by_subject: BTreeMap<String, Arc<Client>>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    aud: String,
    exp: u64,
}

#[derive(Deserialize)]
struct Subject {
    sub: String,
}

impl Clients {
    /// Those of the e-payment block.
    ///
    /// # Errors
    /// The keys that siblings' tokens are checked by are none.
    pub fn new(config: &ModuleConfig, clients: &[Client], secrets: Secrets) -> anyhow::Result<Self> {
        let clients = clients.iter().cloned().map(Arc::new);
        let registered = clients.clone().filter_map(|client| match &client.credential {
            ClientCredential::Secret(secret) => Some((client.clone(), secret.clone())),
            ClientCredential::Module(_) => None,
        });
        let siblings = config.callers.as_ref().map(|callers| Siblings::new(callers, clients.clone()));
        Ok(Self {
            registered: registered.collect(),
            siblings: siblings.transpose()?,
            secrets,
            audience: config.public_url.to_string(),
            known: Mutex::default(),
        })
    }

    /// Whose call it is, by its `Authorization`.
    ///
    /// # Errors
    /// Says what is wrong with it, without repeating it.
    pub fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, &'static str> {
        let sent = headers.get(header::AUTHORIZATION).ok_or(
            "the call has no credentials; send the header Authorization with a bearer token or HTTP Basic",
        )?;
        let (scheme, credentials) = sent
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .ok_or("the header Authorization is neither Bearer nor Basic")?;
        match scheme.to_ascii_lowercase().as_str() {
            "bearer" => self.by_token(credentials.trim()),
            "basic" => {
                let (name, token) = basic(credentials.trim())
                    .ok_or("the header Authorization is not base64 of NAME:TOKEN as RFC 7617 has it")?;
                self.by_name(&name, &token)
            }
            _ => Err("the header Authorization is neither Bearer nor Basic"),
        }
    }

    /// The client of this name, if this is its token.
    ///
    /// # Errors
    /// It is not.
    pub fn by_name(&self, name: &str, token: &str) -> Result<Caller, &'static str> {
        let known = self.known();
        let client = known.iter().find(|known| known.client.name == name && same(&known.token, token));
        client
            .map(|known| Caller(known.client.clone()))
            .ok_or("there is no such client, or its token is another one; the town's administrators know it")
    }

    /// A token for a client that proved who it is (RFC 6749, section 4.4): a JWT signed with the client's
    /// own token, so that any pod can check it and a new token ends it.
    ///
    /// # Errors
    /// The client's Secret is gone.
    pub fn issue(&self, caller: &Caller) -> anyhow::Result<String> {
        let known = self.known();
        let token = known.iter().find(|known| known.client.name == caller.0.name);
        let key = EncodingKey::from_secret(token.context("the client's Secret is gone")?.token.as_bytes());
        let header = Header { kid: Some(caller.0.name.clone()), ..Header::new(Algorithm::HS256) };
        let exp = jsonwebtoken::get_current_timestamp() + TOKEN_SECONDS;
        let claims = Claims { sub: caller.0.name.clone(), aud: self.audience.clone(), exp };
        Ok(jsonwebtoken::encode(&header, &claims, &key)?)
    }

    fn by_token(&self, token: &str) -> Result<Caller, &'static str> {
        let wrong = "the bearer token is not one of a client's, or it has expired";
        let known = self.known();
        let mut with_it = known.iter().filter(|known| same(&known.token, token));
        match (with_it.next(), with_it.next()) {
            (Some(known), None) => return Ok(Caller(known.client.clone())),
            (Some(_), Some(_)) => {
                return Err("the bearer token is that of several clients; each needs its own");
            }
            _ => {}
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| wrong)?;
        let kid = header.kid.ok_or(wrong)?;
        let client = if header.alg == Algorithm::HS256 {
            let known = known.iter().find(|known| known.client.name == kid).ok_or(wrong)?;
            issued(token, known, &self.audience).then(|| known.client.clone())
        } else {
            self.siblings.as_ref().and_then(|siblings| siblings.client(token, &kid, header.alg))
        };
        client.map(Caller).ok_or(wrong)
    }

    /// The tokens as their Secrets hold them, not older than [`REREAD`].
    fn known(&self) -> Arc<Vec<Known>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, tokens)) = known.as_ref()
            && at.elapsed() < REREAD
        {
            return tokens.clone();
        }
        let read = self.registered.iter().filter_map(|(client, secret)| {
            let token = self.secrets.read(secret, "token").and_then(sound);
            let token = token.inspect_err(|error| {
                tracing::warn!(client = client.name, error = format!("{error:#}"), "client cannot call");
            });
            Some(Known { client: client.clone(), token: token.ok()? })
        });
        let tokens = Arc::new(read.collect::<Vec<_>>());
        *known = Some((Instant::now(), tokens.clone()));
        tokens
    }
}

impl Siblings {
    fn new(callers: &Callers, clients: impl Iterator<Item = Arc<Client>>) -> anyhow::Result<Self> {
        let subject = |client: Arc<Client>| match &client.credential {
            ClientCredential::Module(module) => Some((callers.subjects.get(module)?.clone(), client)),
            ClientCredential::Secret(_) => None,
        };
        Ok(Self {
            keys: serde_json::from_value(callers.keys.clone())
                .context("module.json: callers.keys is not a JWK Set (RFC 7517)")?,
            issuer: callers.issuer.clone(),
            audience: callers.audience.clone(),
            by_subject: clients.filter_map(subject).collect(),
        })
    }

    fn client(&self, token: &str, kid: &str, algorithm: Algorithm) -> Option<Arc<Client>> {
        let key = DecodingKey::from_jwk(self.keys.find(kid)?).ok()?;
        let mut validation = Validation::new(algorithm);
        validation.set_audience(&[&self.audience]);
        validation.set_issuer(&[&self.issuer]);
        validation.set_required_spec_claims(&["exp", "aud", "iss", "sub"]);
        validation.validate_nbf = true;
        let subject = jsonwebtoken::decode::<Subject>(token, &key, &validation).ok()?.claims.sub;
        self.by_subject.get(&subject).cloned()
    }
}

fn issued(token: &str, known: &Known, audience: &str) -> bool {
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "aud", "sub"]);
    validation.leeway = 0;
    let key = DecodingKey::from_secret(known.token.as_bytes());
    jsonwebtoken::decode::<Claims>(token, &key, &validation)
        .is_ok_and(|token| token.claims.sub == known.client.name)
}

fn sound(token: String) -> anyhow::Result<String> {
    let visible = token.bytes().all(|byte| byte.is_ascii_graphic());
    anyhow::ensure!(
        visible && TOKEN_LENGTH.contains(&token.len()),
        "the token must be {} to {} visible ASCII characters",
        TOKEN_LENGTH.start(),
        TOKEN_LENGTH.end()
    );
    Ok(token)
}

/// Hashes are compared: how long that takes tells nothing about the token.
fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

/// User name and password of HTTP Basic (RFC 7617).
pub fn basic(credentials: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(credentials).ok()?).ok()?;
    text.split_once(':').map(|(name, password)| (name.to_owned(), password.to_owned()))
}

#[cfg(test)]
#[path = "auth_tests.rs"]
mod tests;
