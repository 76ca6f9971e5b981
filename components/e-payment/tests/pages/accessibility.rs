// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: every page meets WCAG 2.2 A and AA as far as a program can tell, large and light as well as
//! narrow and dark.

use std::fs;

use serde_json::json;

use crate::browser::{Browser, Look};
use crate::issuer::{configure, with_clerks};
use crate::support::{Server, Service, payment};

/// Looks at the page that the browser shows: its title, and that nothing is in anybody's way.
async fn check(browser: &Browser, state: &str, title: &str) {
    let shown = browser.client.title().await.unwrap();
    assert!(shown.starts_with(title), "{state}: {shown}");
    let barriers = browser.barriers().await;
    assert!(barriers.is_empty(), "{state}:\n{}", barriers.join("\n"));
    let heads = browser.client.find_all(fantoccini::Locator::Css("h1")).await.unwrap();
    assert_eq!(heads.len(), 1, "{state}");
}

async fn created(service: &Service<'_>, request: &str) -> String {
    let (status, created) = service.create(&payment(request)).await;
    assert_eq!(status, 200, "{created}");
    created["paymentInformation"]["transactionId"].as_str().unwrap().to_owned()
}

async fn citizens_pages(look: Look) {
    let mut service = Service::start(Server::shared()).await;
    let browser = Browser::open(look).await;
    for (state, button, title) in [
        ("INITIAL", None, "Bezahlen"),
        ("PAYED", Some("confirm"), "Zahlung abgeschlossen"),
        ("FAILED", Some("fail"), "Zahlung fehlgeschlagen"),
        ("CANCELED", Some("cancel"), "Zahlung abgebrochen"),
    ] {
        let id = created(&service, state).await;
        if let Some(button) = button {
            service.press(&id, button).await;
        }
        browser.go(&service.url(&format!("/pay/{id}"))).await;
        check(&browser, state, title).await;
    }
    browser.go(&service.url("/pay/unknown")).await;
    check(&browser, "unknown", "Zahlung nicht gefunden").await;

    let id = created(&service, "elsewhere").await;
    configure(&mut service, |module| {
        module["ePayment"]["provider"] = json!({
            "type": "XBezahldienste", "url": "https://pay.invalid/", "authentication": {"type": "Basic", "secret": "s"},
        });
    })
    .await;
    browser.go(&service.url(&format!("/pay/{id}"))).await;
    check(&browser, "being prepared", "Bezahlen").await;

    let database = &service.database;
    let cut = format!("DROP DATABASE {database} WITH (FORCE)");
    assert!(service.server.psql("postgres", &cut).0);
    browser.go(&service.url(&format!("/pay/{id}"))).await;
    check(&browser, "unavailable", "Zurzeit nicht erreichbar").await;
}

async fn clerks_pages(look: Look) {
    let (mut service, mut issuer) = with_clerks().await;
    let id = created(&service, "R-1").await;
    service.press(&id, "confirm").await;
    let browser = Browser::open(look).await;
    browser.go(&service.url("/kasse")).await;
    check(&browser, "login", "Kasse: Anmeldung").await;
    browser.go(&service.url("/kasse/angemeldet")).await;
    check(&browser, "login failed", "Kasse: Anmeldung nicht gelungen").await;
    browser.go(&service.url("/kasse/anmelden")).await;
    browser.log_in("kasse-1").await;
    browser.arrives_at(&service.url("/kasse")).await;
    check(&browser, "days", "Kasse: Tagesabschlüsse").await;

    let file = service.config.join("bookings.csv");
    fs::write(&file, "receiptNumber;amount;bookedOn\nunknown;1,00;2026-03-02\n").unwrap();
    browser.write("input[type=file]", file.to_str().unwrap()).await;
    browser.click("main button").await;
    browser.arrives_at(&service.url("/kasse/buchungen")).await;
    check(&browser, "report", "Kasse: 1 Zeile abgewiesen").await;

    // What was known of the issuer is forgotten with the process.
    issuer.end();
    configure(&mut service, |_| {}).await;
    browser.go(&service.url("/kasse/anmelden")).await;
    check(&browser, "issuer away", "Kasse: Anmeldung zurzeit nicht möglich").await;
}

#[tokio::test]
async fn citizens_pages_have_no_barriers() {
    citizens_pages(Look::Desktop).await;
}

#[tokio::test]
async fn citizens_pages_have_no_barriers_on_a_small_dark_screen() {
    citizens_pages(Look::NarrowAndDark).await;
}

#[tokio::test]
async fn clerks_pages_have_no_barriers() {
    clerks_pages(Look::Desktop).await;
}

#[tokio::test]
async fn clerks_pages_have_no_barriers_on_a_small_dark_screen() {
    clerks_pages(Look::NarrowAndDark).await;
}
