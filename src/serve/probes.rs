// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;

use super::{Freshness, Metrics};

/// What the probe endpoints report.
#[derive(Debug, Default)]
pub struct Health {
    /// Whether the API server has answered and the CustomResourceDefinitions are established. A replica that
    /// does not lead is ready as well: it is ready to become the leader.
    pub ready: AtomicBool,
    /// What the leader has seen of the watched kinds. A leader that has not listed all of them, or no longer
    /// hears of one, is not ready. It stays the leader, and alive: a restart would see no more.
    pub freshness: Arc<Freshness>,
    /// The operator's metrics, served as `/metrics`.
    pub metrics: Arc<Metrics>,
}

/// Serves `/livez`, `/readyz` and `/metrics` until `stop` is cancelled.
///
/// # Errors
/// The server cannot listen on the address.
pub async fn serve(address: SocketAddr, health: Arc<Health>, stop: CancellationToken) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    let listener = tokio::net::TcpListener::bind(address).await?;
    axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned()).await
}

async fn readyz(State(health): State<Arc<Health>>) -> (StatusCode, String) {
    readiness(&health, Instant::now())
}

fn readiness(health: &Health, now: Instant) -> (StatusCode, String) {
    if !health.ready.load(Ordering::Relaxed) {
        return (StatusCode::SERVICE_UNAVAILABLE, "the API server has not answered yet".to_owned());
    }
    let complaints = health.freshness.complaints(now);
    if complaints.is_empty() {
        return (StatusCode::OK, "ok".to_owned());
    }
    let message = format!(
        "the operator does not see the cluster's current state: {}; check that the API server answers, and the operator's log",
        complaints.join("; ")
    );
    (StatusCode::SERVICE_UNAVAILABLE, message)
}

async fn metrics(State(health): State<Arc<Health>>) -> Response {
    health.metrics.set_watch_ages(&health.freshness.ages(Instant::now()));
    match health.metrics.render() {
        Ok(text) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use k8s_openapi::api::core::v1::Service;
    use kube::core::ApiResource;

    use super::*;

    #[test]
    fn a_leader_is_ready_while_it_sees_the_cluster_and_a_standby_always() {
        let freshness = Arc::new(Freshness::new([ApiResource::erase::<Service>(&())]));
        let health = Health { freshness: freshness.clone(), ..Health::default() };
        let start = Instant::now();
        let at = |seconds| readiness(&health, start + Duration::from_secs(seconds));
        assert_eq!(at(0).0, StatusCode::SERVICE_UNAVAILABLE, "the API server has not answered yet");
        health.ready.store(true, Ordering::Relaxed);
        assert_eq!(at(600).0, StatusCode::OK, "a standby watches nothing");

        freshness.start(start);
        assert_eq!(at(0).0, StatusCode::SERVICE_UNAVAILABLE, "nothing is listed yet");
        freshness.record_list("services", start);
        assert_eq!(at(0).0, StatusCode::OK);
        let (status, message) = at(200);
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(message.contains("Service: no event, bookmark or list for 200 s"), "{message}");
    }
}
