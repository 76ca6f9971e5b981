// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Platforms that are down, slow, forgetful or lying, and a module that is killed: no payment is lost
//! and none is made up.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::{Server, Service, payment, spawn_program};
use crate::{block_with, fake, hurry, id, page, platform_at, state, status, until, visit};

/// A platform that can be told to misbehave. It takes everybody.
#[derive(Default)]
struct Platform {
    asked: Mutex<Vec<Value>>,
    looked_up: Mutex<Vec<String>>,
    /// Answers POST or GET with a cent more than it was asked for.
    lies_on_post: AtomicBool,
    lies_on_get: AtomicBool,
    down: AtomicBool,
    slow: AtomicBool,
    tokens: AtomicU32,
}

type Shared = State<Arc<Platform>>;

impl Platform {
    async fn serve(self: &Arc<Self>) -> String {
        let routes = Router::new()
            .route("/paymenttransaction/{originator}/{end_point}", post(create))
            .route("/paymenttransaction/{originator}/{end_point}/{id}", get(poll))
            .route("/status/{originator}/{end_point}", get(check))
            .route("/token", post(token))
            .with_state(self.clone());
        fake::serve(routes).await
    }

    async fn there(&self) -> Result<(), StatusCode> {
        if self.slow.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if self.down.load(Ordering::Relaxed) { Err(StatusCode::BAD_GATEWAY) } else { Ok(()) }
    }
}

fn transaction(request: &Value, status: &str, lies: bool) -> Json<Value> {
    let mut echo = request.clone();
    if lies {
        echo["grosAmount"] = json!(28.81);
    }
    let id = format!("T-{}", request["requestId"].as_str().unwrap());
    Json(json!({
        "paymentInformation": {
            "transactionUrl": "https://epay.example/t", "transactionRedirectUrl": "https://epay.example/pay",
            "transactionId": id, "paymentMethod": "PAYPAL", "status": status,
        },
        "paymentRequest": echo,
    }))
}

async fn create(State(platform): Shared, Json(request): Json<Value>) -> Result<Json<Value>, StatusCode> {
    platform.asked.lock().unwrap().push(request.clone());
    platform.there().await?;
    Ok(transaction(&request, "INITIAL", platform.lies_on_post.load(Ordering::Relaxed)))
}

async fn poll(
    State(platform): Shared,
    Path((_, _, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, StatusCode> {
    platform.there().await?;
    platform.looked_up.lock().unwrap().push(id.clone());
    let asked = platform.asked.lock().unwrap();
    let request = asked.iter().find(|request| id == format!("T-{}", request["requestId"].as_str().unwrap()));
    Ok(transaction(request.unwrap(), "PAYED", platform.lies_on_get.load(Ordering::Relaxed)))
}

/// Takes the newest token only.
async fn check(State(platform): Shared, headers: HeaderMap) -> Result<(), StatusCode> {
    platform.there().await?;
    let newest = format!("Bearer token-{}", platform.tokens.load(Ordering::Relaxed));
    match headers["authorization"].to_str().unwrap() {
        sent if sent == newest || sent.starts_with("Basic") => Ok(()),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

async fn token(State(platform): Shared, headers: HeaderMap, form: String) -> Json<Value> {
    assert_eq!(form, "grant_type=client_credentials");
    // id:with/odd=signs and pass word, encoded as RFC 6749 has it, by Python.
    assert_eq!(headers["authorization"], "Basic aWQlM0F3aXRoJTJGb2RkJTNEc2lnbnM6cGFzcyt3b3Jk");
    let number = platform.tokens.fetch_add(1, Ordering::Relaxed) + 1;
    Json(json!({"access_token": format!("token-{number}"), "token_type": "bearer", "expires_in": 3600}))
}

async fn town(url: &str) -> Service<'static> {
    let block = block_with(platform_at(url, json!({"type": "Basic", "secret": "platform"})));
    let town = Service::start_with(Server::shared(), block).await;
    town.write_secret("platform", "username", "ahaus");
    town.write_secret("platform", "password", "secret");
    town
}

#[tokio::test]
async fn a_platform_that_is_down_leaves_payments_waiting_and_gets_them_when_it_is_back() {
    let platform = Arc::new(Platform::default());
    platform.down.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let (code, created) = town.create(&payment("R-1")).await;
    let ours = id(&created);
    assert_eq!((code, page(&created)), (200, town.url(&format!("/pay/{ours}"))));
    assert_eq!(state(&town, &ours).await, "INITIAL");
    let (code, told) = status(&town).await;
    assert!(code == 503 && told.contains("the platform answers 502"), "{told}");
    // Until it is left alone, which is seen from outside.
    for _ in 0..5 {
        status(&town).await;
    }
    let (code, told) = status(&town).await;
    assert!(code == 503 && told.contains("it is asked again in"), "{told}");
    let metrics = town.http.get(town.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("e_payment_provider_circuit_open 1"), "{metrics}");
    assert!(metrics.contains(r#"provider="XBezahldienste",call="start",outcome="unavailable""#), "{metrics}");

    platform.down.store(false, Ordering::Relaxed);
    // Longer than the pause, and than a failed start waits for its repetition.
    let deadline = Instant::now() + Duration::from_secs(90);
    while page(&town.poll(&ours).await) != "https://epay.example/pay" {
        assert!(Instant::now() < deadline, "{}", town.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let asked: Vec<_> =
        platform.asked.lock().unwrap().iter().map(|asked| asked["requestId"].clone()).collect();
    assert!(asked.iter().all(|asked| *asked == ours.as_str()), "one payment, however often it was tried");
    assert_eq!(status(&town).await.0, 200);
}

#[tokio::test]
async fn a_platform_that_hangs_holds_nobody_up() {
    let platform = Arc::new(Platform::default());
    platform.slow.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let began = Instant::now();
    let (code, created) = town.create(&payment("R-1")).await;
    assert_eq!((code, state(&town, &id(&created)).await.as_str()), (200, "INITIAL"));
    assert!(began.elapsed() < Duration::from_secs(18));
    let began = Instant::now();
    assert_eq!(status(&town).await.0, 503);
    assert!(began.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn a_platform_that_asks_for_another_amount_gets_no_citizen() {
    let platform = Arc::new(Platform::default());
    platform.lies_on_post.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let polled = town.poll(&id(&created)).await;
    let information = &polled["paymentInformation"];
    assert_eq!(information["status"], "FAILED");
    assert!(information["statusDetail"].as_str().unwrap().contains("grosAmount is 28.81"), "{polled}");
}

#[tokio::test]
async fn a_platform_that_was_paid_another_amount_is_an_incident_and_no_payment() {
    let platform = Arc::new(Platform::default());
    platform.lies_on_get.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = id(&created);
    visit(&town, &town.url(&format!("/return/{ours}"))).await;
    assert_eq!(state(&town, &ours).await, "INITIAL");
    let log = town.log();
    assert!(
        log.contains(r#""level":"ERROR""#) && log.contains("grosAmount is 28.81, and we sent 28.80"),
        "{log}"
    );
    assert!(!log.contains("Bewohnerparkausweis"), "nothing of what is paid for");

    platform.lies_on_get.store(false, Ordering::Relaxed);
    visit(&town, &town.url(&format!("/return/{ours}"))).await;
    let polled = town.poll(&ours).await;
    assert_eq!(polled["paymentInformation"]["status"], "PAYED");
    assert_eq!(polled["paymentInformation"]["paymentMethod"], "PAYPAL");
}

#[tokio::test]
async fn a_payment_whose_module_is_killed_while_it_tells_of_it_is_told_again() {
    let platform = Arc::new(Platform::default());
    platform.slow.store(true, Ordering::Relaxed);
    let mut town = town(&platform.serve().await).await;
    let (http, url) = (town.http.clone(), town.url("/paymenttransaction/parkausweis/055540004004"));
    let asking = tokio::spawn(async move { http.post(url).json(&payment("R-1")).send().await });
    until("the first try", async || !platform.asked.lock().unwrap().is_empty()).await;
    town.stop(Signal::KILL);
    assert!(asking.await.unwrap().is_err());

    platform.slow.store(false, Ordering::Relaxed);
    town.serve().await;
    hurry(&town).await;
    let known = "SELECT provider_url FROM transactions WHERE request_id = 'R-1'";
    until("the platform's page", async || town.sql(known).1 == "https://epay.example/pay").await;
    let (_, again) = town.create(&payment("R-1")).await;
    assert_eq!(page(&again), "https://epay.example/pay", "the online service gets it by repeating");
    let asked = platform.asked.lock().unwrap();
    let ours: Vec<_> = asked.iter().filter(|asked| asked["requestId"] == id(&again).as_str()).collect();
    assert!(ours.len() > 1 && ours.iter().all(|asked| *asked == ours[0]), "a repetition in every letter");
}

#[tokio::test]
async fn a_platform_that_forgets_its_tokens_gets_a_new_one_once() {
    let platform = Arc::new(Platform::default());
    let url = platform.serve().await;
    let token_url = format!("{url}/token");
    let authentication = json!({"type": "OAuth2", "secret": "platform", "tokenUrl": token_url});
    let block = block_with(platform_at(&url, authentication));
    let town = Service::start_with(Server::shared(), block).await;
    town.write_secret("platform", "client-id", "id:with/odd=signs");
    town.write_secret("platform", "client-secret", "pass word");
    for _ in 0..3 {
        assert_eq!(status(&town).await.0, 200);
    }
    assert_eq!(platform.tokens.load(Ordering::Relaxed), 1, "a token is kept while it holds");
    platform.tokens.store(7, Ordering::Relaxed);
    assert_eq!(status(&town).await.0, 200);
    assert_eq!(platform.tokens.load(Ordering::Relaxed), 8);
}

#[tokio::test]
async fn of_several_pods_one_looks_up_each_payment() {
    let platform = Arc::new(Platform::default());
    let town = town(&platform.serve().await).await;
    for number in 0..20 {
        town.create(&payment(&format!("R-{number}"))).await;
    }
    let mut other =
        spawn_program(&town.config, &["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
    let paid = "SELECT count(*) FROM transactions WHERE status = 'PAYED'";
    until("every payment", async || town.sql(paid).1 == "20").await;
    other.kill().unwrap();
    other.wait().unwrap();
    let mut looked_up = platform.looked_up.lock().unwrap().clone();
    looked_up.sort();
    let looks = looked_up.len();
    looked_up.dedup();
    assert_eq!((looked_up.len(), looks), (20, 20));
    assert_eq!(town.sql("SELECT count(*) FROM events WHERE status = 'PAYED'").1, "20");
}
