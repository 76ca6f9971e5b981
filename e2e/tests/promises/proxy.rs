// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A proxy between one operator and the API server, which can be told to fail.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, Uri, header};
use futures::StreamExt;
use kube::Client;

/// The kinds whose lists and watches across all namespaces can be refused: one that people write, and one that the
/// operator makes.
const REFUSED: [&str; 2] = ["/apis/rathaus.dev/v1alpha1/servicemodules", "/apis/apps/v1/deployments"];

/// What the proxy does wrong.
#[derive(Default)]
pub struct Faults {
    /// Answers 500 to lists and watches of ServiceModules and Deployments.
    pub refuse: AtomicBool,
    /// Lets watches stay open, and passes on nothing that they bring.
    pub silence: AtomicBool,
}

struct Proxy {
    client: Client,
    faults: Arc<Faults>,
}

/// Starts a proxy that passes on requests through this client, as long as the runtime of the promise lives; returns
/// its address.
pub async fn start(client: Client, faults: Arc<Faults>) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().fallback(pass_on).with_state(Arc::new(Proxy { client, faults }));
    tokio::spawn(async { axum::serve(listener, routes).await });
    address
}

async fn pass_on(State(proxy): State<Arc<Proxy>>, request: Request<Body>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    if REFUSED.contains(&parts.uri.path()) && proxy.faults.refuse.load(Ordering::Relaxed) {
        return failure("the promise refuses this");
    }
    let is_watch = is_watch(&parts.uri);
    parts.headers.remove(header::HOST);
    let Ok(body) = to_bytes(body, usize::MAX).await else { return failure("the request ended early") };
    match proxy.client.send(Request::from_parts(parts, Vec::from(body).into())).await {
        Ok(response) if is_watch => {
            let faults = proxy.faults.clone();
            response.map(|body| {
                let frames = Body::new(body).into_data_stream().then(move |frame| {
                    let is_silent = faults.silence.load(Ordering::Relaxed);
                    async move { if is_silent { std::future::pending().await } else { frame } }
                });
                Body::from_stream(frames)
            })
        }
        Ok(response) => response.map(Body::new),
        Err(error) => failure(&error.to_string()),
    }
}

fn is_watch(uri: &Uri) -> bool {
    uri.query().unwrap_or_default().split('&').any(|pair| pair == "watch=true")
}

fn failure(reason: &str) -> Response<Body> {
    let status = serde_json::json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": 500,
        "reason": "InternalError", "message": reason, "metadata": {}});
    let mut response = Response::new(Body::from(status.to_string()));
    *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    response
}
