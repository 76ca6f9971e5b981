// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A proxy in front of the real program that introduces one fault.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::faults::Fault;

/// The largest request body that the proxy forwards.
const MAX_BODY_BYTES: usize = 20_000_000;

/// A running proxy, which is stopped when it is dropped.
pub struct Proxy {
    pub url: String,
    server: JoinHandle<()>,
}

/// The state of the proxy.
pub struct ProxyState {
    pub fault: Fault,
    upstream: String,
    own_url: String,
    http: Client,
    /// What faults need to know of earlier requests.
    pub observations: Mutex<Observations>,
    /// Held while a request is handled, for the fault that handles one request at a time.
    request_lock: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub struct Observations {
    /// Bodies of create requests.
    pub bodies: BTreeSet<Vec<u8>>,
    /// requestIds of refused requests.
    pub refused: BTreeSet<String>,
    /// Path of each transaction, by its id.
    pub paths: BTreeMap<String, String>,
    /// How often each path was polled.
    pub polls: BTreeMap<String, u32>,
    /// Transactions that were cancelled.
    pub canceled: BTreeSet<String>,
    /// Transactions that were confirmed after they had been cancelled.
    pub confirmed: BTreeSet<String>,
}

/// A request of the conformance runner on its way to the program.
pub struct ForwardedRequest {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl ForwardedRequest {
    pub fn is_create(&self) -> bool {
        self.method == Method::POST && self.path.starts_with("/paymenttransaction/")
    }

    pub fn is_poll(&self) -> bool {
        self.method == Method::GET && self.path.matches('/').count() == 4
    }

    /// The last segment of the path.
    pub fn id(&self) -> String {
        self.path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// The body as JSON; `null` if it is not JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn set_body(&mut self, json: &Value) {
        self.body = json.to_string().into_bytes();
    }
}

/// A response of the program on its way back to the conformance runner.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn problem(status: u16, code: &str) -> Self {
        let body = json!({"status": status, "title": "Seeded", "functionalCode": code});
        let content_type = (header::CONTENT_TYPE, "application/problem+json".parse().unwrap());
        Self { status, headers: HeaderMap::from_iter([content_type]), text: body.to_string() }
    }

    /// Changes the body, if it is JSON.
    pub fn change_body(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut json) = serde_json::from_str(&self.text) {
            change(&mut json);
            self.text = json.to_string();
        }
    }
}

impl Proxy {
    pub async fn start(fault: Fault, upstream: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let (observations, request_lock) = (Mutex::default(), tokio::sync::Mutex::default());
        let own_url = url.clone();
        let state = Arc::new(ProxyState { fault, upstream, own_url, http, observations, request_lock });
        let routes = Router::new().fallback(handle).with_state(state);
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, server }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(State(proxy): State<Arc<ProxyState>>, request: Request) -> Response {
    let lock = match proxy.fault {
        Fault::RequestsAreSerialized => Some(proxy.request_lock.lock().await),
        _ => None,
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY_BYTES).await else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let path = parts.uri.path().to_owned();
    let mut request =
        ForwardedRequest { method: parts.method, path, headers: parts.headers, body: body.into() };
    let reply = match proxy.alter_request(&mut request).await {
        Some(reply) => reply,
        None => {
            let mut reply = proxy.forward(&request).await;
            proxy.alter_reply(&request, &mut reply).await;
            reply
        }
    };
    drop(lock);
    let mut answer = Response::new(Body::from(reply.text.replace(&proxy.upstream, &proxy.own_url)));
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    *answer.headers_mut() = reply.headers;
    answer
}

impl ProxyState {
    /// Sends a request to the program and returns its response.
    pub async fn forward(&self, request: &ForwardedRequest) -> Reply {
        let mut headers = request.headers.clone();
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let url = format!("{}{}", self.upstream, request.path);
        let call = self.http.request(request.method.clone(), url).headers(headers).body(request.body.clone());
        // The program may close the connection if the body is too large.
        let Ok(answer) = call.send().await else { return Reply::problem(413, "VALIDATION_ERROR") };
        let (status, mut headers) = (answer.status().as_u16(), answer.headers().clone());
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        Reply { status, headers, text: answer.text().await.unwrap_or_default() }
    }
}
