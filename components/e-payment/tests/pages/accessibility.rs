// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: every page meets WCAG 2.2 A and AA as far as a program can check, in a large window with light
//! colours and in a narrow one with dark colours.

use std::fs;

use serde_json::json;

use crate::browser::{Browser, Viewport};
use crate::issuer::{restart_with, start_with_clerks};
use crate::support::{Server, Service, payment};

/// Checks the page that the browser shows: its title, its accessibility, and that it has one heading.
async fn check_page(browser: &Browser, state: &str, title: &str) {
    let actual_title = browser.client.title().await.unwrap();
    assert!(actual_title.starts_with(title), "{state}: {actual_title}");
    let violations = browser.accessibility_violations().await;
    assert!(violations.is_empty(), "{state}:\n{}", violations.join("\n"));
    let headings = browser.client.find_all(fantoccini::Locator::Css("h1")).await.unwrap();
    assert_eq!(headings.len(), 1, "{state}");
}

/// Creates a payment and returns its transaction id.
async fn create_payment(service: &Service<'_>, request: &str) -> String {
    let (status, created) = service.create(&payment(request)).await;
    assert_eq!(status, 200, "{created}");
    created["paymentInformation"]["transactionId"].as_str().unwrap().to_owned()
}

async fn check_citizens_pages(viewport: Viewport) {
    let mut service = Service::start(Server::shared()).await;
    let browser = Browser::open(viewport).await;
    for (state, button, title) in [
        ("INITIAL", None, "Bezahlen"),
        ("PAYED", Some("confirm"), "Zahlung abgeschlossen"),
        ("FAILED", Some("fail"), "Zahlung fehlgeschlagen"),
        ("CANCELED", Some("cancel"), "Zahlung abgebrochen"),
    ] {
        let id = create_payment(&service, state).await;
        if let Some(button) = button {
            service.press(&id, button).await;
        }
        browser.goto(&service.url(&format!("/pay/{id}"))).await;
        check_page(&browser, state, title).await;
    }
    browser.goto(&service.url("/pay/unknown")).await;
    check_page(&browser, "unknown", "Zahlung nicht gefunden").await;

    let id = create_payment(&service, "elsewhere").await;
    restart_with(&mut service, |module| {
        module["ePayment"]["provider"] = json!({
            "type": "XBezahldienste", "url": "https://pay.invalid/", "authentication": {"type": "Basic", "secret": "s"},
        });
    })
    .await;
    browser.goto(&service.url(&format!("/pay/{id}"))).await;
    check_page(&browser, "being prepared", "Bezahlen").await;

    let database = &service.database;
    let drop_database = format!("DROP DATABASE {database} WITH (FORCE)");
    assert!(service.server.psql("postgres", &drop_database).0);
    browser.goto(&service.url(&format!("/pay/{id}"))).await;
    check_page(&browser, "unavailable", "Zurzeit nicht erreichbar").await;
}

async fn check_clerks_pages(viewport: Viewport) {
    let (mut service, mut issuer) = start_with_clerks().await;
    let id = create_payment(&service, "R-1").await;
    service.press(&id, "confirm").await;
    let browser = Browser::open(viewport).await;
    browser.goto(&service.url("/kasse")).await;
    check_page(&browser, "login", "Kasse: Anmeldung").await;
    browser.goto(&service.url("/kasse/angemeldet")).await;
    check_page(&browser, "login failed", "Kasse: Anmeldung nicht gelungen").await;
    browser.goto(&service.url("/kasse/anmelden")).await;
    browser.log_in("kasse-1").await;
    browser.wait_for_url(&service.url("/kasse")).await;
    check_page(&browser, "days", "Kasse: Tagesabschlüsse").await;

    let file = service.config.join("bookings.csv");
    fs::write(&file, "receiptNumber;amount;bookedOn\nunknown;1,00;2026-03-02\n").unwrap();
    browser.type_into("input[type=file]", file.to_str().unwrap()).await;
    browser.click("main button").await;
    browser.wait_for_url(&service.url("/kasse/buchungen")).await;
    check_page(&browser, "report", "Kasse: 1 Zeile abgewiesen").await;

    // The restart clears the cached metadata of the issuer.
    issuer.stop();
    restart_with(&mut service, |_| {}).await;
    browser.goto(&service.url("/kasse/anmelden")).await;
    check_page(&browser, "issuer unreachable", "Kasse: Anmeldung zurzeit nicht möglich").await;
}

#[tokio::test]
async fn citizens_pages_are_accessible() {
    check_citizens_pages(Viewport::Desktop).await;
}

#[tokio::test]
async fn citizens_pages_are_accessible_on_a_small_dark_screen() {
    check_citizens_pages(Viewport::NarrowAndDark).await;
}

#[tokio::test]
async fn clerks_pages_are_accessible() {
    check_clerks_pages(Viewport::Desktop).await;
}

#[tokio::test]
async fn clerks_pages_are_accessible_on_a_small_dark_screen() {
    check_clerks_pages(Viewport::NarrowAndDark).await;
}

#[tokio::test]
async fn an_existing_violation_is_detected() {
    let service = Service::start(Server::shared()).await;
    let browser = Browser::open(Viewport::Desktop).await;
    browser.goto(&service.url("/pay/unknown")).await;
    let fault = "document.documentElement.removeAttribute('lang'); document.body.style.width = '200vw'";
    browser.client.execute(fault, Vec::new()).await.unwrap();
    let violations = browser.accessibility_violations().await.join("\n");
    assert!(violations.contains("html-has-lang") && violations.contains("reflow"), "{violations}");
}
