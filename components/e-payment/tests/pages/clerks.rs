// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: the treasury's clerks and their software can use the desk, and nobody else can.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::browser::{Browser, Viewport};
use crate::issuer::{CLIENT_SECRET, Issuer, plain_http, restart_with, start_with_clerks};
use crate::support::{Server, Service, payment};

/// Creates a payment and pays it. Returns its receipt number.
async fn create_paid_payment(service: &Service<'_>) -> String {
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap();
    service.press(id, "confirm").await;
    service.poll(id).await["paymentInformation"]["transactionReference"].as_str().unwrap().to_owned()
}

/// Today's date in Germany, in ISO 8601.
fn today(service: &Service<'_>) -> String {
    service.sql("SELECT (now() AT TIME ZONE 'Europe/Berlin')::date").1
}

/// Opens a browser and logs in with `account`.
async fn open_and_log_in(service: &Service<'_>, account: &str) -> Browser {
    let browser = Browser::open(Viewport::Desktop).await;
    browser.goto(&service.url("/kasse")).await;
    browser.click("a[href='/kasse/anmelden']").await;
    browser.log_in(account).await;
    browser
}

fn confirmation(receipt: &str, day: &str) -> String {
    format!("receiptNumber;amount;bookedOn\n{receipt};28,80;{day}\n")
}

/// A request that uploads a confirmation, as a browser or a program sends it, without credentials.
fn upload(service: &Service<'_>, token: &str, file: &str) -> RequestBuilder {
    let part = |name: &str, content: &str| {
        format!("--border\r\nContent-Disposition: form-data; {name}\r\n\r\n{content}\r\n")
    };
    let file = part("name=\"datei\"; filename=\"a.csv\"", file);
    let body = format!("{}{file}--border--\r\n", part("name=\"token\"", token));
    let request = plain_http().post(service.url("/kasse/buchungen"));
    request.header("content-type", "multipart/form-data; boundary=border").body(body)
}

fn count_bookings(service: &Service<'_>) -> String {
    service.sql("SELECT count(*) FROM bookings").1
}

fn header(response: &Response, name: reqwest::header::HeaderName) -> Option<&str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_clerk_logs_in_downloads_a_day_uploads_a_confirmation_and_logs_out() {
    let (mut service, _issuer) = start_with_clerks().await;
    let receipt = create_paid_payment(&service).await;
    let browser = open_and_log_in(&service, "kasse-1").await;
    browser.wait_for_url(&service.url("/kasse")).await;
    let text = browser.text().await;
    assert!(text.contains("Kim kasse-1") && text.contains("28,80 €") && text.contains("offen"), "{text}");

    // The session survives a restart, since pods share nothing but the secret.
    service.stop(Signal::TERM);
    service.serve().await;
    let cookies = browser.cookies().await;
    let day = today(&service);
    for format in ["csv", "jsonl"] {
        let url = service.url(&format!("/kasse/tage/{day}.{format}"));
        let response = plain_http().get(url).header(COOKIE, &cookies).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let name = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert_eq!(name, format!("attachment; filename=\"ahaus-{day}.{format}\""));
        assert!(response.text().await.unwrap().contains(&receipt));
    }

    let file = service.config.join("bookings.csv");
    let unknown_receipt = "AHS-0;1,00;2026-03-02";
    fs::write(&file, confirmation(&receipt, &day) + unknown_receipt).unwrap();
    browser.type_into("input[type=file]", file.to_str().unwrap()).await;
    browser.click("main button").await;
    browser.wait_for_url(&service.url("/kasse/buchungen")).await;
    let text = browser.text().await;
    for expected in ["Eine Zeile wurde abgewiesen", "Neu verbucht: 1", "\n3 ", "AHS-0"] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    assert_eq!(service.sql("SELECT imported_by FROM bookings").1, "Kim kasse-1 (kasse-1)");
    browser.goto(&service.url("/kasse")).await;
    assert!(browser.text().await.contains("verbucht"));

    browser.click("header button").await;
    browser.wait_for_url(&service.url("/kasse")).await;
    assert!(browser.text().await.contains("Anmelden"));
    assert!(!browser.cookies().await.contains("__Host-kasse"));
    let log = service.log();
    assert!(!log.contains("Kim") && !log.contains("kasse-1"), "{log}");
}

#[tokio::test]
async fn a_person_without_the_clerks_role_gets_no_session() {
    let (service, _issuer) = start_with_clerks().await;
    let browser = open_and_log_in(&service, "bauamt").await;
    browser.wait_for("main .kern-btn").await;
    let text = browser.text().await;
    assert!(text.contains("Kein Zugang"), "{text}");
    assert!(!browser.cookies().await.contains("__Host-kasse"));
}

#[tokio::test]
async fn forms_without_the_sessions_token_change_nothing() {
    let (service, _issuer) = start_with_clerks().await;
    let file = confirmation(&create_paid_payment(&service).await, &today(&service));
    let browser = open_and_log_in(&service, "kasse-1").await;
    browser.wait_for_url(&service.url("/kasse")).await;
    let cookies = browser.cookies().await;
    for token in ["", "0123456789abcdef0123456789abcdef"] {
        let response = upload(&service, token, &file).header(COOKIE, &cookies).send().await.unwrap();
        assert_eq!(response.status(), 403);
        let form = plain_http().post(service.url("/kasse/abmelden")).form(&[("token", token)]);
        let response = form.header(COOKIE, &cookies).send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, SET_COOKIE)), (403, None));
    }
    // A session cookie that was changed is invalid.
    let changed = cookies.replace("__Host-kasse=ey", "__Host-kasse=ez");
    let response = upload(&service, "", &file).header(COOKIE, changed).send().await.unwrap();
    assert_eq!((response.status().as_u16(), header(&response, LOCATION)), (303, Some("/kasse")));
    assert_eq!(count_bookings(&service), "0");
}

#[tokio::test]
async fn requests_without_a_session_are_redirected_to_the_login() {
    let (service, _issuer) = start_with_clerks().await;
    let day = service.url("/kasse/tage/2026-03-01.csv");
    let responses = [plain_http().get(day).send().await, upload(&service, "", "x").send().await];
    for response in responses.map(Result::unwrap) {
        assert_eq!((response.status().as_u16(), header(&response, LOCATION)), (303, Some("/kasse")));
    }
}

#[tokio::test]
async fn a_login_that_this_browser_did_not_start_is_rejected() {
    let (service, issuer) = start_with_clerks().await;
    let started = plain_http().get(service.url("/kasse/anmelden")).send().await.unwrap();
    let login_url = header(&started, LOCATION).unwrap();
    assert!(login_url.starts_with(&issuer.url), "{login_url}");
    for parameter in ["code_challenge_method=S256", "state=", "nonce=", "response_type=code"] {
        assert!(login_url.contains(parameter), "{parameter}: {login_url}");
    }
    let cookie = header(&started, SET_COOKIE).unwrap();
    assert!(cookie.starts_with("__Host-anmeldung=") && cookie.contains("; Secure; HttpOnly; SameSite=Lax"));
    let cookie = cookie.split(';').next().unwrap();
    for (cookie, query) in
        [("", "?code=a&state=b"), (cookie, "?code=a&state=b"), (cookie, "?error=access_denied"), ("", "")]
    {
        let request =
            plain_http().get(service.url(&format!("/kasse/angemeldet{query}"))).header(COOKIE, cookie);
        let response = request.send().await.unwrap();
        assert_eq!((response.status().as_u16(), header(&response, SET_COOKIE)), (400, None), "{query}");
    }
}

#[tokio::test]
async fn the_treasurys_software_needs_a_valid_token_with_the_role() {
    let (service, issuer) = start_with_clerks().await;
    let receipt = create_paid_payment(&service).await;
    let (day, url) = (today(&service), service.url(&format!("/kasse/tage/{}.csv", today(&service))));
    let token = issuer.request_token("kasse-software", "e-payment").await;
    let response = plain_http().get(&url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.text().await.unwrap().contains(&receipt));
    let file = confirmation(&receipt, &day) + "AHS-0;1,00;2026-03-02";
    let response = upload(&service, "", &file).bearer_auth(&token).send().await.unwrap();
    let report: Value = response.json().await.unwrap();
    assert_eq!((&report["booked"], &report["refused"][0]["line"]), (&1.into(), &3.into()), "{report}");
    let unreadable = upload(&service, "", "no confirmation").bearer_auth(&token).send().await.unwrap();
    assert_eq!(unreadable.status(), 400);
    let missing =
        plain_http().get(service.url("/kasse/tage/2026-02-30.csv")).bearer_auth(&token).send().await;
    assert_eq!(missing.unwrap().status(), 404);

    let other = issuer.request_token("other-software", "e-payment").await;
    let response = plain_http().get(&url).bearer_auth(other).send().await.unwrap();
    assert_eq!(response.status(), 403);
    for token in [
        issuer.request_token("kasse-software", "mailbox").await,
        forged_token(&issuer),
        "x.y.z".to_owned(),
        String::new(),
    ] {
        let response = plain_http().get(&url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), header(&response, WWW_AUTHENTICATE)),
            (401, Some("Bearer")),
            "{token}"
        );
    }
    let response =
        plain_http().get(&url).basic_auth("kasse-software", Some(CLIENT_SECRET)).send().await.unwrap();
    assert_eq!(response.status(), 401);
}

/// A token that is signed with the client's secret (HS256), which the module knows, too, instead of the
/// issuer's key.
fn forged_token(issuer: &Issuer) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": issuer.url, "aud": "e-payment", "sub": "kasse-1", "iat": now, "exp": now + 600, "groups": ["kasse"],
    });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(CLIENT_SECRET.as_bytes()))
        .unwrap()
}

#[tokio::test]
async fn an_unreachable_issuer_prevents_logins_but_no_payments() {
    let (service, mut issuer) = start_with_clerks().await;
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap();
    let token = issuer.request_token("kasse-software", "e-payment").await;
    issuer.stop();
    let get = async |path: &str| plain_http().get(service.url(path)).send().await.unwrap();
    let page = get("/kasse/anmelden").await;
    assert_eq!(page.status(), 503);
    assert!(page.text().await.unwrap().contains("Der Anmeldedienst antwortet nicht"));
    assert_eq!(get("/kasse").await.status(), 200);
    assert_eq!(get(&format!("/pay/{id}")).await.status(), 200);
    let program = plain_http().get(service.url("/kasse/tage/2026-03-01.csv")).bearer_auth(token);
    assert_eq!(program.send().await.unwrap().status(), 503);
}

#[tokio::test]
async fn without_clerks_or_without_an_issuer_there_is_no_desk() {
    let (mut service, issuer) = start_with_clerks().await;
    let paths = ["/kasse", "/kasse/anmelden", "/kasse/angemeldet", "/kasse/tage/2026-03-01.csv"];
    let (url, clerks) = (json!(issuer.url), crate::issuer::clerks_settings());
    for (issuer, clerks) in [(Value::Null, clerks), (url, Value::Null)] {
        restart_with(&mut service, |module| {
            module["issuer"] = issuer;
            module["ePayment"]["clerks"] = clerks;
        })
        .await;
        for path in paths {
            assert_eq!(plain_http().get(service.url(path)).send().await.unwrap().status(), 404, "{path}");
        }
        assert_eq!(upload(&service, "", "x").send().await.unwrap().status(), 404);
    }
}

#[tokio::test]
async fn with_a_provider_the_pay_page_links_to_it_and_cannot_decide() {
    let mut service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap().to_owned();
    let provider_url = "https://pay.invalid/start?a=1&b=2";
    restart_with(&mut service, |module| {
        module["ePayment"]["provider"] = json!({
            "type": "XBezahldienste", "url": "https://pay.invalid/", "authentication": {"type": "Basic", "secret": "s"},
        });
    })
    .await;
    service
        .sql(&format!("UPDATE transactions SET provider_reference = 'x', provider_url = '{provider_url}'"));
    for button in ["confirm", "cancel", "fail"] {
        assert_eq!(service.press(&id, button).await.0, 403);
    }
    assert_eq!(service.poll(&id).await["paymentInformation"]["status"], "INITIAL");
    assert_eq!(service.sql("SELECT count(*) FROM events").1, "1");
    let page =
        plain_http().get(service.url(&format!("/pay/{id}"))).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains(&format!("href=\"{}\"", provider_url.replace('&', "&#38;"))) && !page.contains("<form"),
        "{page}"
    );
}
