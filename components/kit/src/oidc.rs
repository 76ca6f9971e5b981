// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Login by OpenID Connect (Core 1.0, authorization code flow with PKCE, state and nonce), and tokens of
//! the same issuer that a program brings.

use std::pin::Pin;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AsyncHttpClient, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, DiscoveryError, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, HttpRequest, HttpResponse, IdToken, IdTokenClaims, IdTokenFields, IdTokenVerifier,
    IssuerUrl, JsonWebTokenType, Nonce, NonceVerifier, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl,
    Scope, SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, TokenResponse,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

/// How long what an issuer says of itself is believed.
const KNOWN_FOR: Duration = Duration::from_secs(60 * 60);
/// How often an unknown key may make it be asked again.
const ASKED_AGAIN: Duration = Duration::from_secs(60);
/// For each of the three requests that a login may take, while somebody waits.
const TIMEOUT: Duration = Duration::from_secs(5);
/// What a login asks for beside `openid`. An issuer ignores scopes that it does not know.
const SCOPES: [&str; 3] = ["profile", "email", "groups"];

/// Signatures by which an issuer vouches; none that could be made with the client's secret.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Why somebody is not let in.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The issuer does not answer as one; trying again later may help.
    #[error("the issuer does not answer: {0}")]
    Away(String),
    /// What was brought is not what the issuer vouches for.
    #[error("not vouched for by the issuer: {0}")]
    Refused(String),
}

/// Whom the issuer vouches for.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// Who it is, never given to another (`sub`).
    pub subject: String,
    /// As people call it: `name`, else `preferred_username`, else `email`, else the subject.
    pub name: String,
    claims: Map<String, Value>,
}

impl Person {
    /// Whether the claim `claim`, a text or a list of texts, has `role`.
    pub fn holds(&self, claim: &str, role: &str) -> bool {
        match self.claims.get(claim) {
            Some(Value::String(only)) => only == role,
            Some(Value::Array(roles)) => roles.iter().any(|held| held == role),
            _ => false,
        }
    }
}

/// What the browser keeps from the start of a login to its end.
#[derive(Debug, Serialize, Deserialize)]
pub struct Pending {
    state: String,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// With what the issuer sends the browser back.
#[derive(Debug, Deserialize)]
pub struct Returned {
    state: String,
    code: Option<String>,
    error: Option<String>,
}

/// Claims beyond those that the crate knows.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Others(Map<String, Value>);
impl AdditionalClaims for Others {}

type Token = IdToken<Others, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Claims = IdTokenClaims<Others, CoreGenderClaim>;
type Fields = IdTokenFields<
    Others,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Flow = Client<
    Others,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<Fields, CoreTokenType>,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What an issuer says of itself, and since when that is known.
struct Known {
    metadata: CoreProviderMetadata,
    since: Instant,
}

/// An issuer, and this module as its client. It is asked who it is (Discovery 1.0) when that is needed
/// first, and again each hour.
pub struct Issuer {
    url: Url,
    client_id: ClientId,
    redirect_url: RedirectUrl,
    http: Http,
    known: RwLock<Option<Arc<Known>>>,
}

impl Issuer {
    /// The issuer at `url`, which knows this module as `client_id` and sends browsers back to
    /// `redirect_url`. Nothing is asked yet.
    pub fn new(url: Url, client_id: &str, redirect_url: Url, http: reqwest::Client) -> Self {
        Self {
            url,
            client_id: ClientId::new(client_id.to_owned()),
            redirect_url: RedirectUrl::from_url(redirect_url),
            http: Http(http),
            known: RwLock::new(None),
        }
    }

    /// Starts a login: where to send the browser, and what it has to keep.
    ///
    /// # Errors
    /// The issuer does not answer.
    pub async fn start(&self) -> Result<(Url, Pending), Error> {
        let known = self.known(KNOWN_FOR).await?;
        let flow = self.flow(&known, None);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow_kind = CoreAuthenticationFlow::AuthorizationCode;
        let (url, state, nonce) = flow
            .authorize_url(flow_kind, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, Pending { state: state.into_secret(), nonce, verifier }))
    }

    /// Ends a login that this browser started. `secret` is the client's.
    ///
    /// # Errors
    /// The issuer does not answer, or does not vouch for anybody.
    pub async fn finish(&self, pending: Pending, returned: Returned, secret: &str) -> Result<Person, Error> {
        let Pending { state, nonce, verifier } = pending;
        if returned.state != state {
            return Err(Error::Refused("another login was started meanwhile".to_owned()));
        }
        let code = returned.code.ok_or_else(|| Error::Refused(returned.error.unwrap_or_default()))?;
        let known = self.known(KNOWN_FOR).await?;
        let flow = self.flow(&known, Some(secret));
        let answer = flow
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| Error::Away(told(&error)))?
            .set_pkce_verifier(verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::ServerResponse(refusal) => {
                    Error::Refused(refusal.to_string())
                }
                other => Error::Away(told(&other)),
            })?;
        let token = answer.id_token().ok_or_else(|| Error::Refused("there is no ID token".to_owned()))?;
        self.checked(token, |known| self.verifier(known), &nonce).await
    }

    /// Whom a token that a program brings stands for: an ID token, or a JWT access token (RFC 9068), of
    /// this issuer for this client.
    ///
    /// # Errors
    /// The issuer does not answer, or the token is not valid.
    pub async fn verify(&self, token: &str) -> Result<Person, Error> {
        let token = Token::from_str(token).map_err(|error| Error::Refused(told(&error)))?;
        let types = ["JWT", "at+jwt"].map(|kind| JsonWebTokenType::new(kind.to_owned()).normalize());
        let verifier =
            |known: &Known| self.verifier(known).set_allowed_jose_types(types.iter().flatten().cloned());
        // Nobody logged in here, so that there is nothing of ours that the token could answer to.
        self.checked(&token, verifier, |_: Option<&Nonce>| Ok(())).await
    }

    /// A key that is not known may be a new one: then the issuer is asked again, but not at every turn.
    async fn checked<N: NonceVerifier + Clone>(
        &self,
        token: &Token,
        verifier: impl Fn(&Known) -> IdTokenVerifier<'static, CoreJsonWebKey>,
        nonce: N,
    ) -> Result<Person, Error> {
        let known = self.known(KNOWN_FOR).await?;
        let mut claims = token.claims(&verifier(&known), nonce.clone());
        let unknown_key =
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey);
        if claims.as_ref().is_err_and(|error| *error == unknown_key) {
            let known = self.known(ASKED_AGAIN).await?;
            claims = token.claims(&verifier(&known), nonce);
        }
        claims.map(person).map_err(|error| Error::Refused(told(&error)))
    }

    fn flow(&self, known: &Known, secret: Option<&str>) -> Flow {
        let secret = secret.map(|secret| ClientSecret::new(secret.to_owned()));
        Flow::from_provider_metadata(known.metadata.clone(), self.client_id.clone(), secret)
            .set_redirect_uri(self.redirect_url.clone())
    }

    fn verifier(&self, known: &Known) -> IdTokenVerifier<'static, CoreJsonWebKey> {
        let Known { metadata, .. } = known;
        let (issuer, keys) = (metadata.issuer().clone(), metadata.jwks().clone());
        IdTokenVerifier::new_public_client(self.client_id.clone(), issuer, keys).set_allowed_algs(ALGORITHMS)
    }

    async fn known(&self, at_most: Duration) -> Result<Arc<Known>, Error> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.since.elapsed() < at_most) {
            return Ok(known);
        }
        // Several may ask at a time; none waits for another's answer.
        let known = Arc::new(Known { metadata: self.discover().await?, since: Instant::now() });
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
        Ok(known)
    }

    async fn discover(&self) -> Result<CoreProviderMetadata, Error> {
        let written = self.url.as_str();
        // An issuer's name is compared as text, and a URL without a path is written in two ways.
        let bare = (self.url.path() == "/").then(|| written.trim_end_matches('/'));
        let mut outcome = Err(Error::Away(String::new()));
        for name in bare.into_iter().chain([written]) {
            let name = IssuerUrl::new(name.to_owned()).map_err(|error| Error::Away(told(&error)))?;
            match CoreProviderMetadata::discover_async(name, &self.http).await {
                Err(DiscoveryError::Validation(other)) => outcome = Err(Error::Away(other)),
                done => return done.map_err(|error| Error::Away(told(&error))),
            }
        }
        outcome
    }
}

fn person(claims: &Claims) -> Person {
    let subject = claims.subject().to_string();
    let name = claims.name().and_then(|names| names.get(None)).map(|name| name.to_string());
    let name = name
        .or_else(|| claims.preferred_username().map(|name| name.to_string()))
        .or_else(|| claims.email().map(|email| email.to_string()))
        .unwrap_or_else(|| subject.clone());
    Person { subject, name, claims: claims.additional_claims().0.clone() }
}

/// The crate's requests by our client.
struct Http(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut request: reqwest::Request = request.try_into()?;
            *request.timeout_mut() = Some(TIMEOUT);
            let answer = self.0.execute(request).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let mut told = HttpResponse::new(answer.bytes().await?.to_vec());
            *told.status_mut() = status;
            *told.headers_mut() = headers;
            Ok(told)
        })
    }
}

/// An error with its causes; this crate's say little alone.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_role_is_held_as_the_only_one_or_as_one_of_a_list_and_not_otherwise() {
        let holds = |claim: Value| {
            let claims = Map::from_iter([("roles".to_owned(), claim)]);
            Person { subject: String::new(), name: String::new(), claims }.holds("roles", "kasse")
        };
        assert!(holds(json!("kasse")) && holds(json!(["other", "kasse"])));
        for claim in [
            json!("kassenwart"),
            json!([]),
            json!(["kassenwart"]),
            json!({"kasse": true}),
            json!(true),
            Value::Null,
        ] {
            assert!(!holds(claim.clone()), "{claim}");
        }
    }
}
