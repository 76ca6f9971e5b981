// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the e-payment module promises about providers: on the real program and a real PostgreSQL server,
//! with a second instance of the program as the state's platform. GiroCheckout itself cannot be had for
//! tests; a small server stands in for it that shares no code with the module.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end so")]

mod fake;
mod front;
mod giro;
#[path = "../support/mod.rs"]
mod support;
mod unwell;
mod upstream;

use std::time::Duration;

use serde_json::{Value, json};
use support::{ARS, Service};

/// An end point of this town that a platform knows by another name.
const AT_PLATFORM: &str = "kasse-ahaus";

/// The block of a town with this provider.
fn block_with(provider: Value) -> Value {
    let mut block = support::settings();
    block["provider"] = provider;
    block["endPoints"][0]["providerId"] = AT_PLATFORM.into();
    block
}

/// A platform at this URL, which the town enters as this.
fn platform_at(url: &str, authentication: Value) -> Value {
    json!({"type": "XBezahldienste", "url": url, "originatorId": "stadt-ahaus", "authentication": authentication})
}

fn id(transaction: &Value) -> String {
    transaction["paymentInformation"]["transactionId"].as_str().unwrap().to_owned()
}

/// Where the citizen is sent to pay.
fn page(transaction: &Value) -> String {
    transaction["paymentInformation"]["transactionRedirectUrl"].as_str().unwrap().to_owned()
}

async fn state(town: &Service<'_>, id: &str) -> String {
    town.poll(id).await["paymentInformation"]["status"].as_str().unwrap().to_owned()
}

/// What a browser is answered: status and where it is sent.
async fn visit(town: &Service<'_>, url: &str) -> (u16, Option<String>) {
    let answer = town.http.get(url).send().await.unwrap();
    let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
    (answer.status().as_u16(), location)
}

/// Makes everything open due at once, and the poller look: something new wakes it.
async fn hurry(town: &Service<'_>) {
    assert!(town.sql("UPDATE transactions SET look_at = now() WHERE status = 'INITIAL'").0);
    let other = support::payment(&format!("wake-{}", rand::random::<u32>()));
    assert_eq!(town.create(&other).await.0, 200);
}

/// Waits until something holds.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..200 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} does not come about");
}

async fn status(town: &Service<'_>) -> (u16, String) {
    let answer = town.http.get(town.url(&format!("/status/parkausweis/{ARS}"))).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}
