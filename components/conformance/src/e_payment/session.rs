// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Asking the service: the calls of the standard, and what was sent and answered, for the report.

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

/// A service that takes longer does not answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// As much of a body as a report shows, in characters.
const SHOWN: usize = 600;

/// One run against one service.
pub struct Session {
    pub http: Client,
    pub base: Url,
    pub originator: String,
    pub end_point: String,
    /// What proves who asks, as it stands in the header.
    pub authorization: Option<String>,
    /// What every item needs.
    pub booking_data: Map<String, Value>,
    /// The pay page's buttons, where it is a sandbox's.
    pub sandbox: Option<Buttons>,
    run: String,
    count: AtomicU32,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// What was sent, as the report tells it.
    pub sent: String,
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    /// Null where the text is no JSON.
    pub json: Value,
}

impl Options {
    /// An HTTP client for the service.
    ///
    /// # Errors
    /// The authority's file cannot be read or holds no certificate.
    pub fn client(&self) -> anyhow::Result<Client> {
        let mut builder = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
        if let Some(file) = &self.ca {
            let pem = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
            let authority = Certificate::from_pem_bundle(&pem);
            let authority = authority.with_context(|| format!("{} holds no certificates", file.display()))?;
            builder = builder.tls_certs_merge(authority);
        }
        // A service on this machine is not behind a proxy.
        let local =
            self.url.host_str().is_some_and(|host| ["127.0.0.1", "[::1]", "localhost"].contains(&host));
        Ok(if local { builder.no_proxy() } else { builder }.build()?)
    }
}

impl Session {
    /// Fetches a token if that is how it is proved who asks. Fails where nobody answers, so that not
    /// every rule waits for that.
    pub async fn start(options: &Options, http: Client) -> anyhow::Result<Self> {
        ensure!(!options.url.cannot_be_a_base(), "{} must be an http or https URL", options.url);
        let mut base = options.url.clone();
        base.set_path(&format!("{}/", options.url.path().trim_end_matches('/')));
        http.get(base.clone()).send().await.with_context(|| format!("{base} does not answer"))?;
        let authorization = authorization(&http, options.login.credentials()?).await?;
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
            run: Alphanumeric.sample_string(&mut rand::rng(), 12),
            count: AtomicU32::new(0),
        })
    }

    /// A requestId that nobody has used.
    pub fn request_id(&self) -> String {
        format!("c-{}-{}", self.run, self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// Path of the call that creates, relative to the base.
    pub fn creating(&self) -> String {
        format!("paymenttransaction/{}/{}", self.originator, self.end_point)
    }

    /// Path of the call that polls.
    pub fn polling(&self, id: &str) -> String {
        format!("{}/{id}", self.creating())
    }

    /// Path of the call that asks whether the pair can be paid.
    pub fn asking(&self) -> String {
        format!("status/{}/{}", self.originator, self.end_point)
    }

    pub async fn create(&self, request: &Value) -> Result<Answer, Finding> {
        self.create_from(request.to_string()).await
    }

    /// The same from any bytes, right or wrong.
    pub async fn create_from(&self, body: impl Into<Vec<u8>>) -> Result<Answer, Finding> {
        let body = body.into();
        let shown = shorten(&String::from_utf8_lossy(&body));
        let call = self.call(Method::POST, &self.creating())?.header(CONTENT_TYPE, "application/json");
        self.answer(call.body(body), &format!("POST {} {shown}", self.creating())).await
    }

    pub async fn poll(&self, id: &str) -> Result<Answer, Finding> {
        self.get(&self.polling(id)).await
    }

    pub async fn get(&self, path: &str) -> Result<Answer, Finding> {
        self.answer(self.call(Method::GET, path)?, &format!("GET {path}")).await
    }

    /// A call of this path below the base, as the one who may.
    pub fn call(&self, method: Method, path: &str) -> Result<RequestBuilder, Finding> {
        let call = self.anonymous(method, path)?;
        Ok(match &self.authorization {
            Some(value) => call.header(AUTHORIZATION, value),
            None => call,
        })
    }

    /// The same as nobody.
    pub fn anonymous(&self, method: Method, path: &str) -> Result<RequestBuilder, Finding> {
        let url =
            self.base.join(path).map_err(|wrong| Finding::not_applicable(&format!("{path}: {wrong}")))?;
        Ok(self.http.request(method, url))
    }

    /// Sends a call; `sent` is what the report says of it.
    pub async fn answer(&self, call: RequestBuilder, sent: &str) -> Result<Answer, Finding> {
        let silence = |wrong: reqwest::Error| {
            Finding::Failed(Failure {
                sent: sent.to_owned(),
                expected: format!("an answer within {} s", PATIENCE.as_secs()),
                seen: format!("{:#}", anyhow::Error::from(wrong)),
            })
        };
        let answer = call.send().await.map_err(silence)?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.map_err(silence)?;
        let json = serde_json::from_str(&text).unwrap_or_default();
        Ok(Answer { sent: sent.to_owned(), status, headers, text, json })
    }

    /// A call whose body begins and never goes on.
    pub fn unfinished(&self) -> Result<RequestBuilder, Finding> {
        let begin = futures::stream::iter([Ok::<_, std::io::Error>("{\"requestId\":")]);
        let body = Body::wrap_stream(futures::StreamExt::chain(begin, futures::stream::pending()));
        let call = self.call(Method::POST, &self.creating())?;
        Ok(call.header(CONTENT_TYPE, "application/json").body(body))
    }
}

impl Answer {
    /// What it says of the payment, by the standard's name.
    pub fn information(&self, field: &str) -> &Value {
        &self.json["paymentInformation"][field]
    }

    /// A header's value; empty where it is missing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// That this is not what was expected.
    pub fn unlike(&self, expected: impl Into<String>) -> Finding {
        let kind = self.header("content-type");
        let seen = format!("{} {kind} {}", self.status, shorten(&self.text));
        Finding::Failed(Failure { sent: self.sent.clone(), expected: expected.into(), seen })
    }

    /// Fails unless it is as expected.
    pub fn demand(&self, holds: bool, expected: impl Into<String>) -> Result<(), Finding> {
        if holds { Ok(()) } else { Err(self.unlike(expected)) }
    }
}

async fn authorization(http: &Client, credentials: Credentials) -> anyhow::Result<Option<String>> {
    Ok(match credentials {
        Credentials::None => None,
        Credentials::Token(token) => Some(format!("Bearer {token}")),
        Credentials::Basic { user, password } => {
            // What the client would write, taken from a request that is not sent.
            let request = http.get("http://localhost").basic_auth(user, Some(password)).build()?;
            request.headers().get(AUTHORIZATION).map(|value| value.to_str().map(str::to_owned)).transpose()?
        }
        Credentials::Client { id, secret, token_url } => {
            let grant = [("grant_type", "client_credentials")];
            let asked = http.post(token_url.clone()).basic_auth(id, Some(secret)).form(&grant).send().await;
            let answer = asked.and_then(reqwest::Response::error_for_status);
            let answer: Value = answer.with_context(|| format!("no token from {token_url}"))?.json().await?;
            let token = answer["access_token"].as_str();
            Some(format!("Bearer {}", token.with_context(|| format!("{token_url} gave no access_token"))?))
        }
    })
}

/// A text as a report shows it: short and on one line.
pub fn shorten(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { '␣' } else { c }).collect();
    if let Some(more) = text.chars().count().checked_sub(SHOWN).filter(|more| *more > 0) {
        shown.push_str(&format!("… ({more} characters more)"));
    }
    shown
}
