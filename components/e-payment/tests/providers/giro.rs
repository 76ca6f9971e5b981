// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Payments with a fake GiroCheckout, which follows the documentation and computes hashes by itself.

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
use crate::{fake, payment_page, settings_with, transaction_id, transaction_status, visit};

const PASSWORD: &str = "project-password-of-the-tests";

/// A fake GiroCheckout that records the calls it gets.
#[derive(Default)]
struct FakeGiroCheckout {
    /// The forms of all calls to `transaction/start`, without their hashes.
    started: Mutex<Vec<Vec<(String, String)>>>,
    /// Fields that the next replies to `transaction/status` contain.
    outcome: Mutex<serde_json::Map<String, serde_json::Value>>,
}

fn hash(text: &str) -> String {
    let mut mac = Hmac::<Md5>::new_from_slice(PASSWORD.as_bytes()).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Parses a form and checks that its last field is the hash of the others, which are returned.
fn parse_signed_form(form: &str) -> Vec<(String, String)> {
    let mut fields: Vec<(String, String)> = form_urlencoded::parse(form.as_bytes()).into_owned().collect();
    let (name, sent_hash) = fields.pop().unwrap();
    let values: String = fields.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!((name.as_str(), sent_hash), ("hash", hash(&values)));
    fields
}

/// Adds the hash of the body, as GiroCheckout does.
fn reply(body: serde_json::Value) -> impl IntoResponse {
    let body = body.to_string();
    ([("hash", hash(&body))], body)
}

async fn start(State(giro): State<Arc<FakeGiroCheckout>>, form: String) -> impl IntoResponse {
    let mut started = giro.started.lock().unwrap();
    started.push(parse_signed_form(&form));
    let reference = format!("ref-{}", started.len());
    reply(json!({"rc": 0, "msg": "", "reference": reference, "redirect": "https://giro.example/pay"}))
}

async fn status(State(giro): State<Arc<FakeGiroCheckout>>, form: String) -> impl IntoResponse {
    let fields = parse_signed_form(&form);
    let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["merchantId", "projectId", "reference"]);
    let mut body = json!({"rc": "0", "msg": "", "reference": fields[2].1, "backendTxId": "B-1"});
    body.as_object_mut().unwrap().extend(giro.outcome.lock().unwrap().clone());
    reply(body)
}

async fn town(giro: &Arc<FakeGiroCheckout>) -> Service<'static> {
    let routes = Router::new()
        .route("/api/v2/transaction/start", post(start))
        .route("/api/v2/transaction/status", post(status))
        .with_state(giro.clone());
    let url = format!("{}/api/v2", fake::serve(routes).await);
    let provider = json!({
        "type": "GiroCheckout", "url": url, "merchantId": "1234567", "projectId": "1234", "secret": "giro",
    });
    let town = Service::start_with(Server::shared(), settings_with(provider)).await;
    town.write_secret("giro", "project-password", &format!("{PASSWORD}\n"));
    town
}

/// The query of a notification or redirect about a payment.
fn notification(reference: &str, id: &str, amount: &str, result: &str) -> String {
    let values = [reference, id, "B-1", amount, "EUR", result];
    let names =
        ["gcReference", "gcMerchantTxId", "gcBackendTxId", "gcAmount", "gcCurrency", "gcResultPayment"];
    let hash = hash(&values.concat());
    let pairs = names.into_iter().zip(values).chain([("gcHash", hash.as_str())]);
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn notify(town: &Service<'_>, id: &str, query: &str) -> u16 {
    let url = town.url(&format!("/giro/{id}/notify?{query}"));
    town.http.get(url).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn a_payment_is_started_as_documented_and_paid_by_notification() {
    let giro = Arc::default();
    let town = town(&giro).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = transaction_id(&created);
    assert_eq!(payment_page(&created), "https://giro.example/pay");
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

    assert_eq!(notify(&town, &ours, &notification("ref-1", &ours, "2880", "4000")).await, 200);
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
    let ours = transaction_id(&created);
    let paid = notification("ref-1", &ours, "2880", "4000");
    let answers = futures::future::join_all((0..8).map(|_| notify(&town, &ours, &paid))).await;
    assert!(answers.iter().all(|answer| *answer == 200), "{answers:?}");
    let late = town
        .http
        .post(town.url(&format!("/giro/{ours}/notify")))
        .body(notification("ref-1", &ours, "2880", "4502"));
    assert_eq!(late.send().await.unwrap().status(), 200);
    assert_eq!(transaction_status(&town, &ours).await, "PAYED");
    let booked = "SELECT count(*), count(DISTINCT receipt_number), sum(amount) FROM events WHERE effective AND status = 'PAYED'";
    assert_eq!(town.sql(booked).1, "1|1|28.80");
    assert_eq!(
        town.sql("SELECT last FROM receipt_ranges").1,
        "1",
        "a repeated notification takes no receipt number"
    );
}

#[tokio::test]
async fn forged_notifications_and_those_about_other_payments_decide_nothing() {
    let town = town(&Arc::default()).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let (_, other) = town.create(&payment("R-2")).await;
    let (ours, other) = (transaction_id(&created), transaction_id(&other));
    let paid = notification("ref-1", &ours, "2880", "4000");
    for (case, wrong) in [
        ("hash", paid.replace("gcHash=", "gcHash=0")),
        ("no hash", paid.split("&gcHash").next().unwrap().to_owned()),
        ("result", notification("ref-1", &ours, "2880", "4502").replace("4502", "4000")),
        ("amount", notification("ref-1", &ours, "2881", "4000")),
        ("other payment", notification("ref-2", &other, "2880", "4000")),
        ("nothing", String::new()),
    ] {
        assert_eq!(notify(&town, &ours, &wrong).await, 400, "{case}");
    }
    assert_eq!(notify(&town, "0123", &paid).await, 400, "no such payment");
    assert_eq!(transaction_status(&town, &ours).await, "INITIAL");
    assert!(town.log().contains("2881 cents EUR, but 2880 cents were requested"));
    // A start whose reply was lost leaves a second payment at GiroCheckout. Its cancellation must not cancel
    // the payment whose page the citizen has.
    assert_eq!(notify(&town, &ours, &notification("ref-0", &ours, "2880", "4501")).await, 200);
    assert_eq!(transaction_status(&town, &ours).await, "INITIAL");
}

#[tokio::test]
async fn the_browser_is_redirected_to_the_online_service_even_with_an_invalid_message() {
    let town = town(&Arc::default()).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = transaction_id(&created);
    let expected = (303, Some("https://forms.example/return?x=1".to_owned()));
    let redirect = |query: &str| town.url(&format!("/giro/{ours}/redirect?{query}"));
    assert_eq!(visit(&town, &redirect("gcHash=00")).await, expected);
    assert_eq!(transaction_status(&town, &ours).await, "INITIAL");
    assert_eq!(visit(&town, &redirect(&notification("ref-1", &ours, "2880", "4502"))).await, expected);
    assert_eq!(transaction_status(&town, &ours).await, "CANCELED");
    let unknown = visit(&town, &town.url("/giro/..%2F..%2Fx/redirect")).await;
    assert_eq!(
        unknown,
        (303, Some(town.url("/pay/..%2F..%2Fx"))),
        "an unknown id does not redirect to another site"
    );
}

#[tokio::test]
async fn a_lost_notification_is_replaced_by_a_lookup() {
    let giro = Arc::new(FakeGiroCheckout::default());
    let town = town(&giro).await;
    let (_, created) = town.create(&payment("R-1")).await;
    let ours = transaction_id(&created);
    for (outcome, expected) in [
        (json!({}), "INITIAL"),
        (json!({"amount": 2880, "currency": "EUR", "resultPayment": 4500}), "INITIAL"),
        (json!({"amount": 1, "currency": "EUR", "resultPayment": 4000}), "INITIAL"),
        (json!({"rc": 5034}), "INITIAL"),
        (json!({"amount": 2880, "currency": "EUR", "resultPayment": 4000}), "PAYED"),
    ] {
        *giro.outcome.lock().unwrap() = outcome.as_object().unwrap().clone();
        visit_return(&town, &ours).await;
        assert_eq!(transaction_status(&town, &ours).await, expected, "{outcome}");
    }
}

async fn visit_return(town: &Service<'_>, id: &str) {
    visit(town, &town.url(&format!("/return/{id}"))).await;
}

#[tokio::test]
async fn replies_with_a_wrong_hash_are_rejected() {
    let giro: Arc<FakeGiroCheckout> = Arc::default();
    let town = town(&giro).await;
    town.write_secret("giro", "project-password", "of-another-project");
    let (code, body) = crate::module_status(&town).await;
    assert_eq!(code, 200, "a wrong password is detected with a payment only: {body}");
    // The fake GiroCheckout panics because of the wrong hash, which closes the connection.
    let (_, created) = town.create(&payment("R-1")).await;
    assert_eq!(payment_page(&created), town.url(&format!("/pay/{}", transaction_id(&created))));
    assert_eq!(transaction_status(&town, &transaction_id(&created)).await, "INITIAL");
}
