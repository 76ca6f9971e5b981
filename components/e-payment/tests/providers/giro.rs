// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! GiroCheckout, as its documentation has it, with hashes that are made here.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::post;
use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use serde_json::json;
use url::form_urlencoded;

use crate::support::{Server, Service, payment};
use crate::{block_with, fake, id, page, state, visit};

const PASSWORD: &str = "project-password-of-the-tests";

/// What GiroCheckout was asked and what it knows.
#[derive(Default)]
struct Giro {
    started: Mutex<Vec<Vec<(String, String)>>>,
    /// Fields of the next answers to `transaction/status`.
    outcome: Mutex<serde_json::Map<String, serde_json::Value>>,
}

fn hash(text: &str) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(PASSWORD.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The fields of a call, whose last one must be their hash.
fn checked(form: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let (name, told) = fields.pop().unwrap();
    let values: String = fields.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!((name.as_str(), told), ("hash", hash(&values)));
    fields
}

fn reply(body: serde_json::Value) -> impl IntoResponse {
    let body = body.to_string();
    ([("hash", hash(&body))], body)
}

async fn start(State(giro): State<Arc<Giro>>, form: String) -> impl IntoResponse {
    let mut started = giro.started.lock().unwrap();
    started.push(checked(&form));
    let reference = format!("ref-{}", started.len());
    reply(json!({"rc": 0, "msg": "", "reference": reference, "redirect": "https://giro.example/pay"}))
}

async fn look(State(giro): State<Arc<Giro>>, form: String) -> impl IntoResponse {
    let fields = checked(&form);
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["merchantId", "projectId", "reference"]);
    let mut body = json!({"rc": "0", "msg": "", "reference": fields[2].1, "backendTxId": "B-1"});
    body.as_object_mut().unwrap().extend(giro.outcome.lock().unwrap().clone());
    reply(body)
}

async fn town(giro: &Arc<Giro>) -> Service<'static> {
    let routes = Router::new()
        .route("/api/v2/transaction/start", post(start))
        .route("/api/v2/transaction/status", post(look))
        .with_state(giro.clone());
    let url = format!("{}/api/v2", fake::serve(routes).await);
    let provider = json!({
        "type": "GiroCheckout", "url": url, "merchantId": "1234567", "projectId": "1234", "secret": "giro",
    });
    let town = Service::start_with(Server::shared(), block_with(provider)).await;
    town.write_secret("giro", "project-password", &format!("{PASSWORD}\n"));
    town
}

/// What GiroCheckout tells in a notification or redirect.
fn told(reference: &str, id: &str, amount: &str, result: &str) -> String {
    let values = [reference, id, "B-1", amount, "EUR", result];
    let names =
        ["gcReference", "gcMerchantTxId", "gcBackendTxId", "gcAmount", "gcCurrency", "gcResultPayment"];
    let hash = hash(&values.concat());
    let pairs = names.into_iter().zip(values).chain([("gcHash", hash.as_str())]);
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn notify(town: &Service<'_>, id: &str, told: &str) -> u16 {
    let url = town.url(&format!("/giro/{id}/notify?{told}"));
    town.http.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_payment_is_started_as_documented_and_paid_by_notification() {
    let giro = Arc::default();
    let town = town(&giro).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = id(&created);
    assert_eq!(page(&created), "https://giro.example/pay");
    let url = |last| town.url(&format!("/giro/{ours}/{last}"));
    let sent: Vec<(String, String)> = [
        ("merchantId", "1234567"),
        ("projectId", "1234"),
        ("merchantTxId", &ours),
        ("amount", "2880"),
        ("currency", "EUR"),
        ("purpose", "Parkausweis 17"),
        ("urlRedirect", &url("redirect")),
        ("urlNotify", &url("notify")),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    assert_eq!(*giro.started.lock().unwrap(), [sent]);

    assert_eq!(notify(&town, &ours, &told("ref-1", &ours, "2880", "4000")).await, 200);
    let polled = town.poll(&ours).await;
    let information = &polled["paymentInformation"];
    assert_eq!(
        (&information["status"], &information["paymentMethodDetail"]),
        (&"PAYED".into(), &"GiroCheckout".into())
    );
}

#[tokio::test]
async fn notifications_may_come_twice_late_and_in_any_order() {
    let town = town(&Arc::default()).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = id(&created);
    let paid = told("ref-1", &ours, "2880", "4000");
    let answers = futures::future::join_all((0..8).map(|_| notify(&town, &ours, &paid))).await;
    assert!(answers.iter().all(|answer| *answer == 200), "{answers:?}");
    let late =
        town.http.post(town.url(&format!("/giro/{ours}/notify"))).body(told("ref-1", &ours, "2880", "4502"));
    assert_eq!(late.send().await.unwrap().status(), 200);
    assert_eq!(state(&town, &ours).await, "PAYED");
    let booked = "SELECT count(*), count(DISTINCT receipt_number), sum(amount) FROM events WHERE effective AND status = 'PAYED'";
    assert_eq!(town.sql(booked).1, "1|1|28.80");
    assert_eq!(town.sql("SELECT last FROM receipt_ranges").1, "1", "no number is used up by a repetition");
}

#[tokio::test]
async fn what_is_not_from_girocheckout_or_not_our_payment_decides_nothing() {
    let town = town(&Arc::default()).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let (_, other) = town.create(&payment("R-2")).await;
    let (ours, other) = (id(&created), id(&other));
    let paid = told("ref-1", &ours, "2880", "4000");
    for (case, wrong) in [
        ("hash", paid.replace("gcHash=", "gcHash=0")),
        ("no hash", paid.split("&gcHash").next().unwrap().to_owned()),
        ("result", told("ref-1", &ours, "2880", "4502").replace("4502", "4000")),
        ("amount", told("ref-1", &ours, "2881", "4000")),
        ("other payment", told("ref-2", &other, "2880", "4000")),
        ("nothing", String::new()),
    ] {
        assert_eq!(notify(&town, &ours, &wrong).await, 400, "{case}");
    }
    assert_eq!(notify(&town, "0123", &paid).await, 400, "no such payment");
    assert_eq!(state(&town, &ours).await, "INITIAL");
    assert!(town.log().contains("2881 cents EUR, and we asked for 2880 cents"));
    // An abandoned try at GiroCheckout ends without a word about the one that the citizen is at.
    assert_eq!(notify(&town, &ours, &told("ref-0", &ours, "2880", "4501")).await, 200);
    assert_eq!(state(&town, &ours).await, "INITIAL");
}

#[tokio::test]
async fn the_browser_goes_back_to_the_online_service_whatever_it_brings() {
    let town = town(&Arc::default()).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = id(&created);
    let onward = (303, Some("https://forms.example/return?x=1".to_owned()));
    let redirect = |told: &str| town.url(&format!("/giro/{ours}/redirect?{told}"));
    assert_eq!(visit(&town, &redirect("gcHash=00")).await, onward);
    assert_eq!(state(&town, &ours).await, "INITIAL");
    assert_eq!(visit(&town, &redirect(&told("ref-1", &ours, "2880", "4502"))).await, onward);
    assert_eq!(state(&town, &ours).await, "CANCELED");
    let unknown = visit(&town, &town.url("/giro/..%2F..%2Fx/redirect")).await;
    assert_eq!(unknown, (303, Some(town.url("/pay/..%2F..%2Fx"))), "and stays with us");
}

#[tokio::test]
async fn a_notification_that_was_lost_is_made_up_for_by_asking() {
    let giro = Arc::new(Giro::default());
    let town = town(&giro).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = id(&created);
    let ask = || visit_return(&town, &ours);
    for (outcome, expected) in [
        (json!({}), "INITIAL"),
        (json!({"amount": 2880, "currency": "EUR", "resultPayment": 4500}), "INITIAL"),
        (json!({"amount": 1, "currency": "EUR", "resultPayment": 4000}), "INITIAL"),
        (json!({"rc": 5034}), "INITIAL"),
        (json!({"amount": 2880, "currency": "EUR", "resultPayment": 4000}), "PAYED"),
    ] {
        *giro.outcome.lock().unwrap() = outcome.as_object().unwrap().clone();
        ask().await;
        assert_eq!(state(&town, &ours).await, expected, "{outcome}");
    }
}

async fn visit_return(town: &Service<'_>, id: &str) {
    visit(town, &town.url(&format!("/return/{id}"))).await;
}

#[tokio::test]
async fn replies_with_a_wrong_hash_are_not_believed() {
    let giro: Arc<Giro> = Arc::default();
    let town = town(&giro).await;
    town.write_secret("giro", "project-password", "of-another-project");
    let (code, told) = crate::status(&town).await;
    assert_eq!(code, 200, "it cannot be known without a payment: {told}");
    // The stand-in finds the hash wrong and closes the connection.
    let (_, created) = town.create(&payment("R-1")).await;
    assert_eq!(page(&created), town.url(&format!("/pay/{}", id(&created))));
    assert_eq!(state(&town, &id(&created)).await, "INITIAL");
}
