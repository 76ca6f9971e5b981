// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Failures of platforms and pods: with platforms that are down, slow, lose tokens or answer with other
//! amounts, and with modules that are killed, no payment is lost and none is invented.

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
use crate::{
    fake, module_status, payment_page, platform_settings, settings_with, transaction_id, transaction_status,
    trigger_lookups, visit, wait_until,
};

/// A fake platform whose failures can be switched on. It accepts all Basic credentials.
#[derive(Default)]
struct Platform {
    /// The bodies of all POST requests.
    requests: Mutex<Vec<Value>>,
    /// The transaction ids of all GET requests.
    looked_up: Mutex<Vec<String>>,
    /// Answers POST requests with one cent more than was requested.
    wrong_amount_on_post: AtomicBool,
    /// The same for GET requests.
    wrong_amount_on_get: AtomicBool,
    /// Answers every request with 502.
    down: AtomicBool,
    /// Answers every request a minute later.
    slow: AtomicBool,
    /// How many tokens were issued; only the last one is valid.
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

    /// Applies the failures that are switched on.
    async fn fail_if_unavailable(&self) -> Result<(), StatusCode> {
        if self.slow.load(Ordering::Relaxed) {
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        if self.down.load(Ordering::Relaxed) { Err(StatusCode::BAD_GATEWAY) } else { Ok(()) }
    }
}

fn transaction(request: &Value, status: &str, wrong_amount: bool) -> Json<Value> {
    let mut echo = request.clone();
    if wrong_amount {
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
    platform.requests.lock().unwrap().push(request.clone());
    platform.fail_if_unavailable().await?;
    Ok(transaction(&request, "INITIAL", platform.wrong_amount_on_post.load(Ordering::Relaxed)))
}

async fn poll(
    State(platform): Shared,
    Path((_, _, id)): Path<(String, String, String)>,
) -> Result<Json<Value>, StatusCode> {
    platform.fail_if_unavailable().await?;
    platform.looked_up.lock().unwrap().push(id.clone());
    let requests = platform.requests.lock().unwrap();
    let request =
        requests.iter().find(|request| id == format!("T-{}", request["requestId"].as_str().unwrap()));
    Ok(transaction(request.unwrap(), "PAYED", platform.wrong_amount_on_get.load(Ordering::Relaxed)))
}

/// Accepts Basic credentials and the newest token.
async fn check(State(platform): Shared, headers: HeaderMap) -> Result<(), StatusCode> {
    platform.fail_if_unavailable().await?;
    let newest = format!("Bearer token-{}", platform.tokens.load(Ordering::Relaxed));
    match headers["authorization"].to_str().unwrap() {
        sent if sent == newest || sent.starts_with("Basic") => Ok(()),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

async fn token(State(platform): Shared, headers: HeaderMap, form: String) -> Json<Value> {
    assert_eq!(form, "grant_type=client_credentials");
    // The id `id:with/odd=signs` and the secret `pass word`, encoded as RFC 6749 says, computed with Python.
    assert_eq!(headers["authorization"], "Basic aWQlM0F3aXRoJTJGb2RkJTNEc2lnbnM6cGFzcyt3b3Jk");
    let number = platform.tokens.fetch_add(1, Ordering::Relaxed) + 1;
    Json(json!({"access_token": format!("token-{number}"), "token_type": "bearer", "expires_in": 3600}))
}

async fn town(url: &str) -> Service<'static> {
    let settings = settings_with(platform_settings(url, json!({"type": "Basic", "secret": "platform"})));
    let town = Service::start_with(Server::shared(), settings).await;
    town.write_secret("platform", "username", "ahaus");
    town.write_secret("platform", "password", "secret");
    town
}

#[tokio::test]
async fn payments_wait_while_the_platform_is_down_and_are_started_when_it_is_back() {
    let platform = Arc::new(Platform::default());
    platform.down.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let (code, created) = town.create(&payment("R-1")).await;
    let ours = transaction_id(&created);
    assert_eq!((code, payment_page(&created)), (200, town.url(&format!("/pay/{ours}"))));
    assert_eq!(transaction_status(&town, &ours).await, "INITIAL");
    let (code, body) = module_status(&town).await;
    assert!(code == 503 && body.contains("the platform answers 502"), "{body}");
    // The circuit opens, and the status and the metrics say so.
    for _ in 0..5 {
        module_status(&town).await;
    }
    let (code, body) = module_status(&town).await;
    assert!(code == 503 && body.contains("it will be called again in"), "{body}");
    let metrics = town.http.get(town.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("e_payment_provider_circuit_open 1"), "{metrics}");
    assert!(metrics.contains(r#"provider="XBezahldienste",call="start",outcome="unavailable""#), "{metrics}");

    platform.down.store(false, Ordering::Relaxed);
    // Longer than the circuit stays open, and longer than a failed start waits for its repetition.
    let deadline = Instant::now() + Duration::from_secs(90);
    while payment_page(&town.poll(&ours).await) != "https://epay.example/pay" {
        assert!(Instant::now() < deadline, "{}", town.log());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let request_ids: Vec<_> =
        platform.requests.lock().unwrap().iter().map(|request| request["requestId"].clone()).collect();
    assert!(request_ids.iter().all(|id| *id == ours.as_str()), "all attempts are the same payment");
    assert_eq!(module_status(&town).await.0, 200);
}

#[tokio::test]
async fn calls_to_a_hanging_platform_time_out() {
    let platform = Arc::new(Platform::default());
    platform.slow.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let started_at = Instant::now();
    let (code, created) = town.create(&payment("R-1")).await;
    assert_eq!((code, transaction_status(&town, &transaction_id(&created)).await.as_str()), (200, "INITIAL"));
    assert!(started_at.elapsed() < Duration::from_secs(18));
    let started_at = Instant::now();
    assert_eq!(module_status(&town).await.0, 503);
    assert!(started_at.elapsed() < Duration::from_secs(7));
}

#[tokio::test]
async fn no_citizen_is_redirected_to_a_platform_that_answers_another_amount() {
    let platform = Arc::new(Platform::default());
    platform.wrong_amount_on_post.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let polled = town.poll(&transaction_id(&created)).await;
    let information = &polled["paymentInformation"];
    assert_eq!(information["status"], "FAILED");
    assert!(information["statusDetail"].as_str().unwrap().contains("grosAmount is 28.81"), "{polled}");
}

#[tokio::test]
async fn a_payment_of_another_amount_is_logged_as_an_error_and_not_accepted() {
    let platform = Arc::new(Platform::default());
    platform.wrong_amount_on_get.store(true, Ordering::Relaxed);
    let town = town(&platform.serve().await).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = transaction_id(&created);
    visit(&town, &town.url(&format!("/return/{ours}"))).await;
    assert_eq!(transaction_status(&town, &ours).await, "INITIAL");
    let log = town.log();
    assert!(
        log.contains(r#""level":"ERROR""#) && log.contains("grosAmount is 28.81, but 28.80 was sent"),
        "{log}"
    );
    assert!(!log.contains("Bewohnerparkausweis"), "the log does not say what is paid for");

    platform.wrong_amount_on_get.store(false, Ordering::Relaxed);
    visit(&town, &town.url(&format!("/return/{ours}"))).await;
    let polled = town.poll(&ours).await;
    assert_eq!(polled["paymentInformation"]["status"], "PAYED");
    assert_eq!(polled["paymentInformation"]["paymentMethod"], "PAYPAL");
}

#[tokio::test]
async fn a_start_is_repeated_if_the_module_is_killed_during_it() {
    let platform = Arc::new(Platform::default());
    platform.slow.store(true, Ordering::Relaxed);
    let mut town = town(&platform.serve().await).await;
    let (http, url) = (town.http.clone(), town.url("/paymenttransaction/parkausweis/055540004004"));
    let creation = tokio::spawn(async move { http.post(url).json(&payment("R-1")).send().await });
    wait_until("the first attempt", async || !platform.requests.lock().unwrap().is_empty()).await;
    town.stop(Signal::KILL);
    assert!(creation.await.unwrap().is_err());

    platform.slow.store(false, Ordering::Relaxed);
    town.serve().await;
    trigger_lookups(&town).await;
    let provider_url = "SELECT provider_url FROM transactions WHERE request_id = 'R-1'";
    wait_until("the platform's page", async || town.sql(provider_url).1 == "https://epay.example/pay").await;
    let (_, again) = town.create(&payment("R-1")).await;
    assert_eq!(
        payment_page(&again),
        "https://epay.example/pay",
        "a repeated request returns the platform's page"
    );
    let requests = platform.requests.lock().unwrap();
    let ours: Vec<_> =
        requests.iter().filter(|request| request["requestId"] == transaction_id(&again).as_str()).collect();
    assert!(
        ours.len() > 1 && ours.iter().all(|request| *request == ours[0]),
        "every attempt sends the same request"
    );
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let platform = Arc::new(Platform::default());
    let url = platform.serve().await;
    let token_url = format!("{url}/token");
    let authentication = json!({"type": "OAuth2", "secret": "platform", "tokenUrl": token_url});
    let settings = settings_with(platform_settings(&url, authentication));
    let town = Service::start_with(Server::shared(), settings).await;
    town.write_secret("platform", "client-id", "id:with/odd=signs");
    town.write_secret("platform", "client-secret", "pass word");
    for _ in 0..3 {
        assert_eq!(module_status(&town).await.0, 200);
    }
    assert_eq!(platform.tokens.load(Ordering::Relaxed), 1, "the token is cached while it is valid");
    platform.tokens.store(7, Ordering::Relaxed);
    assert_eq!(module_status(&town).await.0, 200);
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
    wait_until("every payment", async || town.sql(paid).1 == "20").await;
    other.kill().unwrap();
    other.wait().unwrap();
    let mut looked_up = platform.looked_up.lock().unwrap().clone();
    looked_up.sort();
    let lookups = looked_up.len();
    looked_up.dedup();
    assert_eq!((looked_up.len(), lookups), (20, 20));
    assert_eq!(town.sql("SELECT count(*) FROM events WHERE status = 'PAYED'").1, "20");
}
