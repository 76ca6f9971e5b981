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

/// A request that takes longer is answered with 408, so that slow clients do not hold resources.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Time limit for a client to send a complete request head. It is longer than gateways keep an idle
/// connection (nginx one minute, Caddy two), so that the gateway is the one that closes it.
const HEAD_TIMEOUT: Duration = Duration::from_secs(150);
/// The module is unready if the database does not answer within this time.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// Time limit for requests in progress to end after the stop; the module contract gives a module 30 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);
/// Time limit for closing the database connections after that; the network may not deliver the close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);

/// What [`serve`] needs of a module.
pub struct Module {
    /// Routes of the public interface.
    pub routes: Router,
    /// Pool of the module's database, which the readiness probe queries.
    pub pool: PgPool,
    /// Metrics that are served at `/metrics`.
    pub metrics: Registry,
}

struct AdminState {
    pool: PgPool,
    metrics: Registry,
}

/// Serves the public interface, the probes and the metrics until `stop` is cancelled. It then waits for
/// the requests in progress, for at most 25 s, and closes the database connections.
///
/// # Errors
/// Fails if it cannot listen on one of the two addresses.
pub async fn serve<C: clap::Subcommand>(
    args: &Args<C>,
    module: Module,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let admin = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(Arc::new(AdminState { pool: module.pool.clone(), metrics: module.metrics }));
    let public = module
        .routes
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_TIMEOUT))
        .layer(default_header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(default_header(header::REFERRER_POLICY, "no-referrer"))
        .layer(default_header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"))
        .layer(default_header(header::CACHE_CONTROL, "no-store"));
    let listen = async |address| {
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))
    };
    let (public_listener, admin_listener) = (listen(args.listen).await?, listen(args.admin_listen).await?);
    tracing::info!(public = %public_listener.local_addr()?, admin = %admin_listener.local_addr()?, "serving");
    let public = connections::serve_http1(public_listener, public, HEAD_TIMEOUT, stop.clone());
    // Probes and metrics are answered until the last public request has ended.
    let admin = tokio::spawn(async move { axum::serve(admin_listener, admin).await });
    tokio::select! {
        () = public => {}
        () = async { stop.cancelled().await; tokio::time::sleep(SHUTDOWN_TIMEOUT).await } => {
            tracing::warn!("requests did not end within {} s", SHUTDOWN_TIMEOUT.as_secs());
        }
    }
    admin.abort();
    if tokio::time::timeout(CLOSE_TIMEOUT, module.pool.close()).await.is_err() {
        tracing::warn!("the database connections did not close within {} s", CLOSE_TIMEOUT.as_secs());
    }
    Ok(())
}

/// Sets a header on responses that do not have it yet.
fn default_header(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}

async fn readyz(State(admin): State<Arc<AdminState>>) -> (StatusCode, &'static str) {
    let query = sqlx::query("SELECT 1").execute(&admin.pool);
    match tokio::time::timeout(PROBE_TIMEOUT, query).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer"),
    }
}

async fn metrics(State(admin): State<Arc<AdminState>>) -> Response {
    let mut text = String::new();
    match encode(&mut text, &admin.metrics) {
        Ok(()) => {
            let media_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, media_type)], text).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Returns a token that is cancelled on SIGTERM and SIGINT. Pass it to [`serve`] and to the module's
/// background tasks.
///
/// # Errors
/// Fails if the signal handlers cannot be installed.
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
