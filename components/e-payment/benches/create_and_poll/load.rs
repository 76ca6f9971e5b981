// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Payments over HTTP/1.1, each client on a connection of its own that stays open.

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

/// What was done in one turn.
pub struct Load {
    elapsed: Duration,
    created: Vec<Duration>,
    polled: Vec<Duration>,
}

impl Load {
    pub fn pairs_per_second(&self) -> f64 {
        self.polled.len() as f64 / self.elapsed.as_secs_f64()
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |times: &[Duration], share: f64| {
            1000.0 * times[(times.len() as f64 * share) as usize].as_secs_f64()
        };
        write!(f, "{:8.0} pairs/s", self.pairs_per_second())?;
        for (name, times) in [("create", &self.created), ("poll", &self.polled)] {
            write!(f, ", {name} p50 {:.1} ms p99 {:.1} ms", at(times, 0.5), at(times, 0.99))?;
        }
        Ok(())
    }
}

/// Creates and polls for this long.
pub async fn run(service: &Service<'_>, clients: u16, length: Duration) -> Load {
    let began = Instant::now();
    let clients = (0..clients).map(|_| client(service, began + length));
    let mut load = Load { elapsed: Duration::ZERO, created: Vec::new(), polled: Vec::new() };
    for (created, polled) in join_all(clients).await {
        load.created.extend(created);
        load.polled.extend(polled);
    }
    load.elapsed = began.elapsed();
    load.created.sort();
    load.polled.sort();
    load
}

async fn client(service: &Service<'_>, until: Instant) -> (Vec<Duration>, Vec<Duration>) {
    let base = service.url("");
    let stream = TcpStream::connect(base.trim_start_matches("http://")).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let path = format!("/paymenttransaction/parkausweis/{ARS}");
    let mut request = payment("");
    let (mut created, mut polled) = (Vec::new(), Vec::new());
    while Instant::now() < until {
        request["requestId"] = format!("{:032x}", rand::random::<u128>()).into();
        let began = Instant::now();
        let answer = ask(&mut sender, Method::POST, &path, request.to_string()).await;
        created.push(began.elapsed());
        let answer: Value = serde_json::from_slice(&answer).unwrap();
        let id = answer["paymentInformation"]["transactionId"].as_str().unwrap();
        let began = Instant::now();
        ask(&mut sender, Method::GET, &format!("{path}/{id}"), String::new()).await;
        polled.push(began.elapsed());
    }
    (created, polled)
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, method: Method, path: &str, body: String) -> Bytes {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header(header::CONTENT_TYPE, "application/json")
        .body(Full::from(body))
        .unwrap();
    sender.ready().await.unwrap();
    let answer = sender.send_request(request).await.unwrap();
    let status = answer.status();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    body
}
