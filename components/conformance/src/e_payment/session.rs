// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Sends the calls of the standard and records request and answer for the report.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use rand::distr::{Alphanumeric, SampleString};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{Body, Certificate, Client, Method, RequestBuilder};
use serde_json::{Map, Value};
use url::Url;

use super::options::{Buttons, Credentials, Options};
use crate::Finding;
use crate::report::Failure;

/// A service that takes longer counts as not answering.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Maximum length of a body in the report, in characters.
const MAX_SHOWN_CHARS: usize = 600;

/// One run of the tests against one service.
pub struct Session {
    pub http: Client,
    /// Base URL of the service; its path ends with a slash.
    pub base: Url,
    pub originator: String,
    pub end_point: String,
    /// Value of the header `Authorization`, if there are credentials.
    pub authorization: Option<String>,
    /// bookingData that every item needs.
    pub booking_data: Map<String, Value>,
    /// The buttons of the pay page; `None` without `--sandbox`.
    pub sandbox: Option<Buttons>,
    run_id: String,
    request_count: AtomicU32,
}

/// An answer of the service.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The request, as the report shows it.
    pub sent: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// The parsed body; null if it is not JSON.
    pub json: Value,
}

impl Options {
    /// Returns an HTTP client for the service.
    ///
    /// # Errors
    /// Fails if the file of the certificate authority cannot be read or holds no certificate.
    pub fn client(&self) -> anyhow::Result<Client> {
        let mut builder =
            Client::builder().timeout(REQUEST_TIMEOUT).redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &self.ca {
            let pem = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let authorities = Certificate::from_pem_bundle(&pem);
            let authorities =
                authorities.with_context(|| format!("{} holds no certificates", file.display()))?;
            builder = builder.tls_certs_merge(authorities);
        }
        // A proxy of the environment cannot reach a service on this machine.
        let is_local =
            self.url.host_str().is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host));
        Ok(if is_local { builder.no_proxy() } else { builder }.build()?)
    }
}

impl Session {
    /// Starts a run; fetches a token if the credentials are those of an OAuth client. Fails if the service
    /// does not answer, since otherwise every rule would wait for its timeout.
    pub async fn start(options: &Options, http: Client) -> anyhow::Result<Self> {
        ensure!(!options.url.cannot_be_a_base(), "{} must be an http or https URL", options.url);
        let mut base = options.url.clone();
        base.set_path(&format!("{}/", options.url.path().trim_end_matches('/')));
        http.get(base.clone()).send().await.with_context(|| format!("{base} does not answer"))?;
        let authorization = authorization_header(&http, options.login.credentials()?).await?;
        let booking_data =
            options.booking_data.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
        Ok(Self {
            http,
            base,
            originator: options.originator.clone(),
            end_point: options.end_point.clone(),
            authorization,
            booking_data,
            sandbox: options.sandbox.then(|| options.buttons.clone()),
            run_id: Alphanumeric.sample_string(&mut rand::rng(), 12),
            request_count: AtomicU32::new(0),
        })
    }

    /// Returns a new requestId. A random part per run makes it unique across runs.
    pub fn request_id(&self) -> String {
        format!("c-{}-{}", self.run_id, self.request_count.fetch_add(1, Ordering::Relaxed))
    }

    /// Path of the call that creates a payment, relative to the base URL.
    pub fn create_path(&self) -> String {
        format!("paymenttransaction/{}/{}", self.originator, self.end_point)
    }

    /// Path of the call that polls a payment.
    pub fn poll_path(&self, id: &str) -> String {
        format!("{}/{id}", self.create_path())
    }

    /// Path of the call that asks whether the pair of originator and end point can receive payments.
    pub fn status_path(&self) -> String {
        format!("status/{}/{}", self.originator, self.end_point)
    }

    pub async fn create(&self, request: &Value) -> Result<Answer, Finding> {
        self.create_raw(request.to_string()).await
    }

    /// Sends a create call with any body, valid or not.
    pub async fn create_raw(&self, body: impl Into<Vec<u8>>) -> Result<Answer, Finding> {
        let body = body.into();
        let shown = shorten(&String::from_utf8_lossy(&body));
        let request =
            self.request(Method::POST, &self.create_path())?.header(CONTENT_TYPE, "application/json");
        self.send(request.body(body), &format!("POST {} {shown}", self.create_path())).await
    }

    pub async fn poll(&self, id: &str) -> Result<Answer, Finding> {
        self.get(&self.poll_path(id)).await
    }

    pub async fn get(&self, path: &str) -> Result<Answer, Finding> {
        self.send(self.request(Method::GET, path)?, &format!("GET {path}")).await
    }

    /// Returns a request for this path below the base URL, with the credentials of the run.
    pub fn request(&self, method: Method, path: &str) -> Result<RequestBuilder, Finding> {
        let request = self.anonymous_request(method, path)?;
        Ok(match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        })
    }

    /// Returns a request for this path below the base URL, without credentials.
    pub fn anonymous_request(&self, method: Method, path: &str) -> Result<RequestBuilder, Finding> {
        let url =
            self.base.join(path).map_err(|error| Finding::not_applicable(&format!("{path}: {error}")))?;
        Ok(self.http.request(method, url))
    }

    /// Sends a request; `sent` describes it in the report.
    pub async fn send(&self, request: RequestBuilder, sent: &str) -> Result<Answer, Finding> {
        let no_answer = |error: reqwest::Error| {
            Finding::Failed(Failure {
                sent: sent.to_owned(),
                expected: format!("an answer within {} s", REQUEST_TIMEOUT.as_secs()),
                seen: format!("{:#}", anyhow::Error::from(error)),
            })
        };
        let answer = request.send().await.map_err(no_answer)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(no_answer)?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { sent: sent.to_owned(), status, headers, text, json })
    }

    /// Returns a request whose body starts but never ends.
    pub fn unfinished_request(&self) -> Result<RequestBuilder, Finding> {
        let start = futures::stream::iter([Ok::<_, std::io::Error>("{\"requestId\":")]);
        let body = Body::wrap_stream(futures::StreamExt::chain(start, futures::stream::pending()));
        let request = self.request(Method::POST, &self.create_path())?;
        Ok(request.header(CONTENT_TYPE, "application/json").body(body))
    }
}

impl Answer {
    /// Returns a field of `paymentInformation`; null if it is missing.
    pub fn payment_information(&self, field: &str) -> &Value {
        &self.json["paymentInformation"][field]
    }

    /// Returns the value of a header; empty if it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Returns the finding that this answer is not the expected one.
    pub fn mismatch(&self, expected: impl Into<String>) -> Finding {
        let kind = self.header("content-type");
        let seen = format!("{} {kind} {}", self.status, shorten(&self.text));
        Finding::Failed(Failure { sent: self.sent.clone(), expected: expected.into(), seen })
    }

    /// Fails unless `condition` holds; `expected` says in the report what the answer should have been.
    pub fn ensure(&self, condition: bool, expected: impl Into<String>) -> Result<(), Finding> {
        if condition { Ok(()) } else { Err(self.mismatch(expected)) }
    }
}

async fn authorization_header(http: &Client, credentials: Credentials) -> anyhow::Result<Option<String>> {
    Ok(match credentials {
        Credentials::None => None,
        Credentials::Token(token) => Some(format!("Bearer {token}")),
        Credentials::Basic { user, password } => {
            // Lets reqwest encode the header, in a request that is not sent.
            let request = http.get("http://localhost").basic_auth(user, Some(password)).build()?;
            request.headers().get(AUTHORIZATION).map(|value| value.to_str().map(str::to_owned)).transpose()?
        }
        Credentials::Client { id, secret, token_url } => {
            let grant = [("grant_type", "client_credentials")];
            let sent = http.post(token_url.clone()).basic_auth(id, Some(secret)).form(&grant).send().await;
            let answer = sent.and_then(reqwest::Response::error_for_status);
            let answer: Value = answer.with_context(|| format!("no token from {token_url}"))?.json().await?;
            let token = answer["access_token"].as_str();
            Some(format!("Bearer {}", token.with_context(|| format!("{token_url} gave no access_token"))?))
        }
    })
}

/// Shortens a text for the report and puts it on one line.
pub fn shorten(text: &str) -> String {
    let mut shown: String =
        text.chars().take(MAX_SHOWN_CHARS).map(|c| if c.is_control() { '␣' } else { c }).collect();
    if let Some(more) = text.chars().count().checked_sub(MAX_SHOWN_CHARS).filter(|more| *more > 0) {
        shown.push_str(&format!("… ({more} more characters)"));
    }
    shown
}
