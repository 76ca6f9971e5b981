// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! An HTTP/1.1 server with a time limit for request heads. `axum::serve` has none, so that a client could
//! hold connections open without sending anything.

use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Accepts connections until `stop` is cancelled and then waits until the requests in progress have
/// ended. A connection on which no complete request head arrives within `head_timeout` is closed.
pub async fn serve_http1(
    mut listener: TcpListener,
    routes: Router,
    head_timeout: Duration,
    stop: CancellationToken,
) {
    let mut server = Builder::new(TokioExecutor::new()).http1_only();
    server.http1().timer(TokioTimer::new()).header_read_timeout(head_timeout);
    let connections = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            (stream, _) = Listener::accept(&mut listener) => stream,
            () = stop.cancelled() => break,
        };
        let service = TowerToHyperService::new(routes.clone());
        let connection =
            connections.watch(server.serve_connection(TokioIo::new(stream), service).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection failed");
            }
        });
    }
    drop(listener);
    connections.shutdown().await;
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
    const TEST_TIMEOUT: Duration = Duration::from_secs(10);

    async fn start_and_connect(
        routes: Router,
        stop: &CancellationToken,
    ) -> (TcpStream, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve_http1(listener, routes, HEAD_TIMEOUT, stop.clone()));
        (TcpStream::connect(address).await.unwrap(), server)
    }

    async fn read_to_end(client: &mut TcpStream) -> String {
        let mut text = String::new();
        timeout(TEST_TIMEOUT, client.read_to_string(&mut text))
            .await
            .expect("the connection stays open")
            .unwrap();
        text
    }

    #[tokio::test]
    async fn a_connection_without_a_complete_request_head_is_closed() {
        for sent in ["", "GET / HTTP/1.1\r\nHost: a"] {
            let stop = CancellationToken::new();
            let (mut client, _server) = start_and_connect(Router::new(), &stop).await;
            client.write_all(sent.as_bytes()).await.unwrap();
            let start = Instant::now();
            read_to_end(&mut client).await;
            assert!(start.elapsed() >= HEAD_TIMEOUT / 2, "{sent:?} was closed at once");
        }
    }

    #[tokio::test]
    async fn a_request_in_progress_is_answered_after_the_stop() {
        let slow = get(|| async {
            sleep(HEAD_TIMEOUT).await;
            "answered"
        });
        let stop = CancellationToken::new();
        let (mut client, server) = start_and_connect(Router::new().route("/", slow), &stop).await;
        client.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
        sleep(HEAD_TIMEOUT / 3).await;
        stop.cancel();
        assert!(read_to_end(&mut client).await.ends_with("answered"));
        timeout(TEST_TIMEOUT, server).await.expect("the server does not end").unwrap();
    }
}
