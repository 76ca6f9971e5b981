// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A proxy in front of the real program that seeds one fault.

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

const LARGEST: usize = 20_000_000;

/// Ends with the test.
pub struct Proxy {
    pub url: String,
    server: JoinHandle<()>,
}

/// What the proxy knows.
pub struct Inner {
    pub fault: Fault,
    upstream: String,
    own: String,
    http: Client,
    /// What faults remember.
    pub seen: Mutex<Seen>,
    /// For a fault that serves one at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
pub struct Seen {
    /// Bodies of creates.
    pub bodies: BTreeSet<Vec<u8>>,
    /// requestIds of refused requests.
    pub refused: BTreeSet<String>,
    /// Path of each transaction.
    pub paths: BTreeMap<String, String>,
    /// How often each path was polled.
    pub polls: BTreeMap<String, u32>,
    /// Transactions that were cancelled first, and those of them that were confirmed later.
    pub canceled: BTreeSet<String>,
    pub confirmed: BTreeSet<String>,
}

/// What the runner sent, on its way to the program.
pub struct Sent {
    pub method: Method,
    pub path: String,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Sent {
    pub fn creates(&self) -> bool {
        self.method == Method::POST && self.path.starts_with("/paymenttransaction/")
    }

    pub fn polls(&self) -> bool {
        self.method == Method::GET && self.path.matches('/').count() == 4
    }

    /// The last part of the path.
    pub fn id(&self) -> String {
        self.path.rsplit('/').next().unwrap_or_default().to_owned()
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    pub fn set(&mut self, json: &Value) {
        self.body = json.to_string().into_bytes();
    }
}

/// What the program answered, on its way back.
pub struct Reply {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Reply {
    pub fn problem(status: u16, code: &str) -> Self {
        let body = json!({"status": status, "title": "Seeded", "functionalCode": code});
        let kind = (header::CONTENT_TYPE, "application/problem+json".parse().unwrap());
        Self { status, headers: HeaderMap::from_iter([kind]), text: body.to_string() }
    }

    /// Changes the body, if it is JSON.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
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
        let (seen, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        let inner = Arc::new(Inner { fault, upstream, own: url.clone(), http, seen, turn });
        let routes = Router::new().fallback(pass).with_state(inner);
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, server }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn pass(State(proxy): State<Arc<Inner>>, request: Request) -> Response {
    let turn = match proxy.fault {
        Fault::OneAtATime => Some(proxy.turn.lock().await),
        _ => None,
    };
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return StatusCode::BAD_REQUEST.into_response() };
    let path = parts.uri.path().to_owned();
    let mut sent = Sent { method: parts.method, path, headers: parts.headers, body: body.into() };
    let reply = match proxy.before(&mut sent).await {
        Some(reply) => reply,
        None => {
            let mut reply = proxy.forward(&sent).await;
            proxy.after(&sent, &mut reply).await;
            reply
        }
    };
    drop(turn);
    let mut answer = Response::new(Body::from(reply.text.replace(&proxy.upstream, &proxy.own)));
    *answer.status_mut() = StatusCode::from_u16(reply.status).unwrap();
    *answer.headers_mut() = reply.headers;
    answer
}

impl Inner {
    /// Asks the program.
    pub async fn forward(&self, sent: &Sent) -> Reply {
        let mut headers = sent.headers.clone();
        headers.remove(header::HOST);
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        let url = format!("{}{}", self.upstream, sent.path);
        let call = self.http.request(sent.method.clone(), url).headers(headers).body(sent.body.clone());
        // It may close the connection on a body that is too large.
        let Ok(answer) = call.send().await else { return Reply::problem(413, "VALIDATION_ERROR") };
        let (status, mut headers) = (answer.status().as_u16(), answer.headers().clone());
        headers.remove(header::CONTENT_LENGTH);
        headers.remove(header::TRANSFER_ENCODING);
        Reply { status, headers, text: answer.text().await.unwrap_or_default() }
    }
}
