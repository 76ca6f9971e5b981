// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Connections of HTTP/1.1 that cannot be held open by saying nothing, which `axum::serve` allows.

use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Serves until it is told to stop, and then until the requests under way have ended. A connection
/// on which no whole request head comes within `head_timeout` is closed.
pub async fn serve(
    mut listener: TcpListener,
    routes: Router,
    head_timeout: Duration,
    stop: CancellationToken,
) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let open = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            (stream, _) = Listener::accept(&mut listener) => stream,
            () = stop.cancelled() => break,
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection = open.watch(server.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection");
            }
        });
    }
    drop(listener);
    open.shutdown().await;
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::time::{sleep, timeout};

    use super::*;

    const HEAD_TIMEOUT: Duration = Duration::from_millis(300);
    const PATIENCE: Duration = Duration::from_secs(10);

    async fn started(routes: Router, stop: &CancellationToken) -> (TcpStream, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, routes, HEAD_TIMEOUT, stop.clone()));
        (TcpStream::connect(address).await.unwrap(), server)
    }

    async fn rest(client: &mut TcpStream) -> String {
        let mut text = String::new();
        timeout(PATIENCE, client.read_to_string(&mut text)).await.expect("it stays open").unwrap();
        text
    }

    #[tokio::test]
    async fn a_client_that_says_nothing_or_half_a_head_is_let_go() {
        for said in ["", "GET / HTTP/1.1\r\nHost: a"] {
            let stop = CancellationToken::new();
            let (mut client, _server) = started(Router::new(), &stop).await;
            client.write_all(said.as_bytes()).await.unwrap();
            let since = Instant::now();
            rest(&mut client).await;
            assert!(since.elapsed() >= HEAD_TIMEOUT / 2, "{said:?} ended at once");
        }
    }

    #[tokio::test]
    async fn a_request_under_way_is_answered_after_the_stop() {
        let slow = get(|| async {
            sleep(HEAD_TIMEOUT).await;
            "answered"
        });
        let stop = CancellationToken::new();
        let (mut client, server) = started(Router::new().route("/", slow), &stop).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        sleep(HEAD_TIMEOUT / 3).await;
        stop.cancel();
        assert!(rest(&mut client).await.ends_with("answered"));
        timeout(PATIENCE, server).await.expect("it does not end").unwrap();
    }
}
