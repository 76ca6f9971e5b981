// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tests of the payment providers against the real program and a real PostgreSQL server. A second instance of
//! the program acts as the state's platform. GiroCheckout offers no instance for tests, so a small fake server
//! that shares no code with the module replaces it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end so")]

mod failures;
mod fake;
mod giro;
mod mtls_proxy;
#[path = "../support/mod.rs"]
mod support;
mod upstream;

use std::time::Duration;

use serde_json::{Value, json};
use support::{ARS, Service};

/// The platform's endPointId for the end point that the town calls [`ARS`].
const PLATFORM_END_POINT: &str = "kasse-ahaus";

/// The `ePayment` settings of a town with this provider.
fn settings_with(provider: Value) -> Value {
    let mut settings = support::settings();
    settings["provider"] = provider;
    settings["endPoints"][0]["providerId"] = PLATFORM_END_POINT.into();
    settings
}

/// The provider settings for a platform at `url`.
fn platform_settings(url: &str, authentication: Value) -> Value {
    json!({"type": "XBezahldienste", "url": url, "originatorId": "stadt-ahaus", "authentication": authentication})
}

fn transaction_id(transaction: &Value) -> String {
    transaction["paymentInformation"]["transactionId"].as_str().unwrap().to_owned()
}

/// The page to which the online service sends the citizen.
fn payment_page(transaction: &Value) -> String {
    transaction["paymentInformation"]["transactionRedirectUrl"].as_str().unwrap().to_owned()
}

async fn transaction_status(town: &Service<'_>, id: &str) -> String {
    town.poll(id).await["paymentInformation"]["status"].as_str().unwrap().to_owned()
}

/// Opens a URL as a browser does. Returns the status code and the redirect's target.
async fn visit(town: &Service<'_>, url: &str) -> (u16, Option<String>) {
    let answer = town.http.get(url).send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location)
}

/// Makes every open transaction due at once and wakes up the poller, which a new payment does.
async fn trigger_lookups(town: &Service<'_>) {
    assert!(town.sql("UPDATE transactions SET look_at = now() WHERE status = 'INITIAL'").0);
    let new_payment = support::payment(&format!("wake-{}", rand::random::<u32>()));
    assert_eq!(town.create(&new_payment).await.0, 200);
}

/// Waits up to 20 seconds until a condition holds.
async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if condition().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("timed out waiting for {what}");
}

/// Calls the module's own `/status`. Returns the status code and the body.
async fn module_status(town: &Service<'_>) -> (u16, String) {
    let answer = town.http.get(town.url(&format!("/status/parkausweis/{ARS}"))).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
