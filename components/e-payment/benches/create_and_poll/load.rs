// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Generates load over HTTP/1.1: each client creates and polls payments on one persistent connection.

use std::fmt;
use std::time::{Duration, Instant};

use futures::future::join_all;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, header};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;

use super::support::{ARS, Service, TOKEN, payment};

/// The result of one run: its duration and the latencies of all requests.
pub struct LoadResult {
    elapsed: Duration,
    create_latencies: Vec<Duration>,
    poll_latencies: Vec<Duration>,
}

impl LoadResult {
    pub fn pairs_per_second(&self) -> f64 {
        self.poll_latencies.len() as f64 / self.elapsed.as_secs_f64()
    }
}

impl fmt::Display for LoadResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let percentile_ms = |latencies: &[Duration], share: f64| {
            1000.0 * latencies[(latencies.len() as f64 * share) as usize].as_secs_f64()
        };
        write!(f, "{:8.0} pairs/s", self.pairs_per_second())?;
        for (name, latencies) in [("create", &self.create_latencies), ("poll", &self.poll_latencies)] {
            let (p50, p99) = (percentile_ms(latencies, 0.5), percentile_ms(latencies, 0.99));
            write!(f, ", {name} p50 {p50:.1} ms p99 {p99:.1} ms")?;
        }
        Ok(())
    }
}

/// Creates and polls payments with this number of clients for this duration.
pub async fn run(service: &Service<'_>, clients: u16, duration: Duration) -> LoadResult {
    let start = Instant::now();
    let clients = (0..clients).map(|_| run_client(service, start + duration));
    let (mut create_latencies, mut poll_latencies) = (Vec::new(), Vec::new());
    for (creates, polls) in join_all(clients).await {
        create_latencies.extend(creates);
        poll_latencies.extend(polls);
    }
    let elapsed = start.elapsed();
    create_latencies.sort();
    poll_latencies.sort();
    LoadResult { elapsed, create_latencies, poll_latencies }
}

/// Creates and polls payments until `deadline`. Returns the latencies of the creates and of the polls.
async fn run_client(service: &Service<'_>, deadline: Instant) -> (Vec<Duration>, Vec<Duration>) {
    let base = service.url("");
    let stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let path = format!("/paymenttransaction/parkausweis/{ARS}");
    let mut request = payment("");
    let (mut create_latencies, mut poll_latencies) = (Vec::new(), Vec::new());
    while Instant::now() < deadline {
        request["requestId"] = format!("{:032x}", rand::random::<u128>()).into();
        let start = Instant::now();
        let created = send(&mut sender, Method::POST, &path, request.to_string()).await;
        create_latencies.push(start.elapsed());
        let created: Value = serde_json::from_slice(&created).unwrap();
        let id = created["paymentInformation"]["transactionId"].as_str().unwrap();
        let start = Instant::now();
        send(&mut sender, Method::GET, &format!("{path}/{id}"), String::new()).await;
        poll_latencies.push(start.elapsed());
    }
    (create_latencies, poll_latencies)
}

/// Sends a request and returns the body of the response, whose status must be 200.
async fn send(sender: &mut SendRequest<Full<Bytes>>, method: Method, path: &str, body: String) -> Bytes {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .unwrap();
    sender.ready().await.unwrap();
    let response = sender.send_request(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    body
}
