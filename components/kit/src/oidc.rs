// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Login of people by OpenID Connect (Core 1.0, authorization code flow with PKCE, state and nonce), and
//! verification of bearer tokens of the same issuer that programs send.

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

/// The metadata and keys of an issuer are fetched again when they are older than this.
const METADATA_MAX_AGE: Duration = Duration::from_secs(60 * 60);
/// A token with an unknown key makes the module fetch the keys again, unless they are newer than this:
/// otherwise everyone could make it send a request to the issuer for each request of theirs.
const UNKNOWN_KEY_MAX_AGE: Duration = Duration::from_secs(60);
/// Time limit for each request to the issuer. A login may take three of them, while a person waits.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// The scopes that a login requests besides `openid`. An issuer ignores scopes that it does not know.
const SCOPES: [&str; 3] = ["profile", "email", "groups"];

/// The accepted signature algorithms: asymmetric ones only, since a symmetric signature (HS256) could be made
/// by everyone who has the client secret.
const SIGNATURE_ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
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

/// Why a login or a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The issuer cannot be reached, or its answer is not valid. Trying again later may help.
    #[error("the issuer does not answer: {0}")]
    Unreachable(String),
    /// The issuer refused the login, or the token is not a valid one of the issuer.
    #[error("the login or the token is not valid: {0}")]
    Refused(String),
}

/// The person or program that a verified token identifies.
#[derive(Clone, Debug, PartialEq)]
pub struct Person {
    /// The claim `sub`: an identifier that the issuer never assigns to anyone else.
    pub subject: String,
    /// The name to display: `name`, else `preferred_username`, else `email`, else the subject.
    pub name: String,
    extra_claims: Map<String, Value>,
}

impl Person {
    /// Returns whether the claim `claim` is the string `role`, or a list that contains it.
    pub fn has_role(&self, claim: &str, role: &str) -> bool {
        match self.extra_claims.get(claim) {
            Some(Value::String(single)) => single == role,
            Some(Value::Array(roles)) => roles.iter().any(|entry| entry == role),
            _ => false,
        }
    }
}

/// The state of a login that has been started, which the browser keeps in a cookie until the login ends.
#[derive(Debug, Serialize, Deserialize)]
pub struct LoginState {
    state: String,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

/// The query parameters with which the issuer sends the browser back to the redirect URL (RFC 6749,
/// sections 4.1.2 and 4.1.2.1).
#[derive(Debug, Deserialize)]
pub struct CallbackParams {
    state: String,
    code: Option<String>,
    error: Option<String>,
}

/// The claims of a token for which the crate `openidconnect` has no field.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct ExtraClaims(Map<String, Value>);
impl AdditionalClaims for ExtraClaims {}

type Token =
    IdToken<ExtraClaims, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
type Claims = IdTokenClaims<ExtraClaims, CoreGenderClaim>;
type TokenFields = IdTokenFields<
    ExtraClaims,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type OidcClient = Client<
    ExtraClaims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    StandardTokenResponse<TokenFields, CoreTokenType>,
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

/// The metadata and keys that an issuer published, and when they were fetched.
struct CachedMetadata {
    metadata: CoreProviderMetadata,
    fetched_at: Instant,
}

/// An OpenID Connect issuer, with this module as its client. The issuer's metadata and keys are fetched
/// (OpenID Connect Discovery 1.0) on first use and again after an hour.
pub struct Issuer {
    url: Url,
    client_id: ClientId,
    redirect_url: RedirectUrl,
    http: HttpAdapter,
    cached: RwLock<Option<Arc<CachedMetadata>>>,
}

impl Issuer {
    /// Creates a client of the issuer at `url`, where this module is registered as `client_id` with
    /// `redirect_url`. It sends no request yet.
    pub fn new(url: Url, client_id: &str, redirect_url: Url, http: reqwest::Client) -> Self {
        Self {
            url,
            client_id: ClientId::new(client_id.to_owned()),
            redirect_url: RedirectUrl::from_url(redirect_url),
            http: HttpAdapter(http),
            cached: RwLock::new(None),
        }
    }

    /// Starts a login. Returns the URL to redirect the browser to, and the state that the browser must bring
    /// back for [`Issuer::finish_login`].
    ///
    /// # Errors
    /// Fails with [`Error::Unreachable`] if the metadata of the issuer cannot be fetched.
    pub async fn start_login(&self) -> Result<(Url, LoginState), Error> {
        let cached = self.metadata(METADATA_MAX_AGE).await?;
        let client = self.oidc_client(&cached, None);
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let (url, state, nonce) = client
            .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
            .add_scopes(SCOPES.map(|scope| Scope::new(scope.to_owned())))
            .set_pkce_challenge(challenge)
            .url();
        Ok((url, LoginState { state: state.into_secret(), nonce, verifier }))
    }

    /// Finishes a login that this browser started: exchanges the authorization code for an ID token and
    /// verifies it. `secret` is the client secret.
    ///
    /// # Errors
    /// Fails with [`Error::Unreachable`] if the issuer does not answer, and with [`Error::Refused`] if
    /// `params` do not belong to `login`, if the issuer refused the login or if the ID token is not valid.
    pub async fn finish_login(
        &self,
        login: LoginState,
        params: CallbackParams,
        secret: &str,
    ) -> Result<Person, Error> {
        let LoginState { state, nonce, verifier } = login;
        if params.state != state {
            return Err(Error::Refused("another login was started meanwhile".to_owned()));
        }
        let code = params.code.ok_or_else(|| Error::Refused(params.error.unwrap_or_default()))?;
        let cached = self.metadata(METADATA_MAX_AGE).await?;
        let client = self.oidc_client(&cached, Some(secret));
        let response = client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| Error::Unreachable(describe_error(&error)))?
            .set_pkce_verifier(verifier)
            .request_async(&self.http)
            .await
            .map_err(|error| match error {
                openidconnect::RequestTokenError::ServerResponse(refusal) => {
                    Error::Refused(refusal.to_string())
                }
                other => Error::Unreachable(describe_error(&other)),
            })?;
        let token =
            response.id_token().ok_or_else(|| Error::Refused("the issuer sent no ID token".to_owned()))?;
        self.verify_claims(token, |cached| self.token_verifier(cached), &nonce).await
    }

    /// Verifies the bearer token of a program and returns whom it identifies. The token must be an ID token or
    /// a JWT access token (RFC 9068) of this issuer with this client as audience.
    ///
    /// # Errors
    /// Fails with [`Error::Unreachable`] if the metadata of the issuer cannot be fetched, and with
    /// [`Error::Refused`] if the token is not valid.
    pub async fn verify_token(&self, token: &str) -> Result<Person, Error> {
        let token = Token::from_str(token).map_err(|error| Error::Refused(describe_error(&error)))?;
        let types = ["JWT", "at+jwt"].map(|kind| JsonWebTokenType::new(kind.to_owned()).normalize());
        let verifier = |cached: &CachedMetadata| {
            self.token_verifier(cached).set_allowed_jose_types(types.iter().flatten().cloned())
        };
        // This module did not start a login for the token, so there is no nonce to compare.
        self.verify_claims(&token, verifier, |_: Option<&Nonce>| Ok(())).await
    }

    /// Verifies signature and claims of a token. A token with an unknown key may be signed with a new key of
    /// the issuer, so the metadata is fetched again and the token verified once more.
    async fn verify_claims<N: NonceVerifier + Clone>(
        &self,
        token: &Token,
        verifier: impl Fn(&CachedMetadata) -> IdTokenVerifier<'static, CoreJsonWebKey>,
        nonce: N,
    ) -> Result<Person, Error> {
        let cached = self.metadata(METADATA_MAX_AGE).await?;
        let mut claims = token.claims(&verifier(&cached), nonce.clone());
        let unknown_key =
            ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey);
        if claims.as_ref().is_err_and(|error| *error == unknown_key) {
            let cached = self.metadata(UNKNOWN_KEY_MAX_AGE).await?;
            claims = token.claims(&verifier(&cached), nonce);
        }
        claims.map(person_from_claims).map_err(|error| Error::Refused(describe_error(&error)))
    }

    fn oidc_client(&self, cached: &CachedMetadata, secret: Option<&str>) -> OidcClient {
        let secret = secret.map(|secret| ClientSecret::new(secret.to_owned()));
        OidcClient::from_provider_metadata(cached.metadata.clone(), self.client_id.clone(), secret)
            .set_redirect_uri(self.redirect_url.clone())
    }

    fn token_verifier(&self, cached: &CachedMetadata) -> IdTokenVerifier<'static, CoreJsonWebKey> {
        let CachedMetadata { metadata, .. } = cached;
        let (issuer, keys) = (metadata.issuer().clone(), metadata.jwks().clone());
        IdTokenVerifier::new_public_client(self.client_id.clone(), issuer, keys)
            .set_allowed_algs(SIGNATURE_ALGORITHMS)
    }

    /// Returns the cached metadata of the issuer, or fetches it if it is older than `max_age`.
    async fn metadata(&self, max_age: Duration) -> Result<Arc<CachedMetadata>, Error> {
        let cached = self.cached.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(cached) = cached.filter(|cached| cached.fetched_at.elapsed() < max_age) {
            return Ok(cached);
        }
        // The lock is not held here: several requests may fetch the metadata at the same time, and none
        // waits for another.
        let cached =
            Arc::new(CachedMetadata { metadata: self.fetch_metadata().await?, fetched_at: Instant::now() });
        *self.cached.write().unwrap_or_else(PoisonError::into_inner) = Some(cached.clone());
        Ok(cached)
    }

    async fn fetch_metadata(&self) -> Result<CoreProviderMetadata, Error> {
        let url = self.url.as_str();
        // The identifier of an issuer is compared as text (Discovery 1.0, section 4.3). `Url` always writes a
        // slash after the host, which the issuer may leave out, so both spellings are tried.
        let without_slash = (self.url.path() == "/").then(|| url.trim_end_matches('/'));
        let mut outcome = Err(Error::Unreachable(String::new()));
        for name in without_slash.into_iter().chain([url]) {
            let name = IssuerUrl::new(name.to_owned())
                .map_err(|error| Error::Unreachable(describe_error(&error)))?;
            match CoreProviderMetadata::discover_async(name, &self.http).await {
                Err(DiscoveryError::Validation(reason)) => outcome = Err(Error::Unreachable(reason)),
                result => return result.map_err(|error| Error::Unreachable(describe_error(&error))),
            }
        }
        outcome
    }
}

fn person_from_claims(claims: &Claims) -> Person {
    let subject = claims.subject().to_string();
    let name = claims.name().and_then(|names| names.get(None)).map(|name| name.to_string());
    let name = name
        .or_else(|| claims.preferred_username().map(|name| name.to_string()))
        .or_else(|| claims.email().map(|email| email.to_string()))
        .unwrap_or_else(|| subject.clone());
    Person { subject, name, extra_claims: claims.additional_claims().0.clone() }
}

/// Lets the crate `openidconnect` send its requests by the HTTP client of the module.
struct HttpAdapter(reqwest::Client);

impl<'c> AsyncHttpClient<'c> for HttpAdapter {
    type Error = reqwest::Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, reqwest::Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mut request: reqwest::Request = request.try_into()?;
            *request.timeout_mut() = Some(REQUEST_TIMEOUT);
            let response = self.0.execute(request).await?;
            let (status, headers) = (response.status(), response.headers().clone());
            let mut converted = HttpResponse::new(response.bytes().await?.to_vec());
            *converted.status_mut() = status;
            *converted.headers_mut() = headers;
            Ok(converted)
        })
    }
}

/// Returns the message of an error with those of its causes: the errors of `openidconnect` say only
/// together what went wrong.
fn describe_error(error: &dyn std::error::Error) -> String {
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
    fn a_role_is_a_string_claim_or_an_entry_of_a_list_claim() {
        let has_role = |claim: Value| {
            let extra_claims = Map::from_iter([("roles".to_owned(), claim)]);
            Person { subject: String::new(), name: String::new(), extra_claims }.has_role("roles", "kasse")
        };
        assert!(has_role(json!("kasse")) && has_role(json!(["other", "kasse"])));
        for claim in [
            json!("kassenwart"),
            json!([]),
            json!(["kassenwart"]),
            json!({"kasse": true}),
            json!(true),
            Value::Null,
        ] {
            assert!(!has_role(claim.clone()), "{claim}");
        }
    }
}
