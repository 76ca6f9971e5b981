// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;

use crate::{Args, connections};

/// A request that takes longer is given up, so that slow clients hold nobody up.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The head of a request must be there by then. Longer than gateways keep a connection without
/// requests (nginx one minute, Caddy two), so that the gateway is the one to close it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);
/// A database that does not answer within this time makes the module unready.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// The contract gives a module 30 s to stop.
const GRACE: Duration = Duration::from_secs(25);
/// What is left of it for giving back the database's connections, which a network may swallow.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What a module serves.
pub struct Module {
    /// The public interface.
    pub routes: Router,
    /// Its database.
    pub pool: PgPool,
    /// What it counts.
    pub metrics: Registry,
}

struct Admin {
    pool: PgPool,
    metrics: Registry,
}

/// Serves a module until `stop`, and lets requests under way end.
///
/// # Errors
/// An address cannot be listened on.
pub async fn serve<C: clap::Subcommand>(
    args: &Args<C>,
    module: Module,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let admin = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(Admin { pool: module.pool.clone(), metrics: module.metrics }));
    let public = module
        .routes
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(no_change(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(no_change(header::REFERRER_POLICY, "no-referrer"))
        .layer(no_change(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
        .layer(no_change(header::CACHE_CONTROL, "no-store"));
    let listen = async |address| {
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    let (public_listener, admin_listener) = (listen(args.listen).await?, listen(args.admin_listen).await?);
    tracing::info!(public = %public_listener.local_addr()?, admin = %admin_listener.local_addr()?, "serving");
    let public = connections::serve(public_listener, public, HEAD_TIMEOUT, stop.clone());
    // Probes and metrics answer until the last request has ended.
    let probes = tokio::spawn(async move { axum::serve(admin_listener, admin).await });
    tokio::select! {
        () = public => {}
        () = async { stop.cancelled().await; tokio::time::sleep(GRACE).await } => {
            tracing::warn!("requests did not end within {} s", GRACE.as_secs());
        }
    }
    probes.abort();
    if tokio::time::timeout(CLOSE_TIMEOUT, module.pool.close()).await.is_err() {
        tracing::warn!("the database did not take back its connections within {} s", CLOSE_TIMEOUT.as_secs());
    }
    Ok(())
}

fn no_change(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn ready(State(admin): State<Arc<Admin>>) -> (StatusCode, &'static str) {
    let query = sqlx::query("SELECT 1").execute(&admin.pool);
    match tokio::time::timeout(PROBE_TIMEOUT, query).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
    }
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &admin.metrics) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What SIGTERM and SIGINT stop: serving, and whatever a module does beside.
///
/// # Errors
/// Signals cannot be listened to.
pub fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            signals.recv().await;
            stop.cancel();
        });
    }
    Ok(stop)
}
