// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: the treasury's people and their software get what they need at the desk, and nobody else
//! gets anything.

use std::fs;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::{EncodingKey, Header};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE, WWW_AUTHENTICATE};
use reqwest::{RequestBuilder, Response};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::browser::{Browser, Look};
use crate::issuer::{Issuer, SECRET, configure, plain_http, with_clerks};
use crate::support::{Server, Service, payment};

/// A paid payment; its receipt number.
async fn paid(service: &Service<'_>) -> String {
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap();
    service.press(id, "confirm").await;
    service.poll(id).await["paymentInformation"]["transactionReference"].as_str().unwrap().to_owned()
}

fn today(service: &Service<'_>) -> String {
    service.sql("SELECT (now() AT TIME ZONE 'Europe/Berlin')::date").1
}

/// A browser in which `who` has logged in.
async fn logged_in(service: &Service<'_>, who: &str) -> Browser {
    let browser = Browser::open(Look::Desktop).await;
    browser.go(&service.url("/kasse")).await;
    browser.click("a[href='/kasse/anmelden']").await;
    browser.log_in(who).await;
    browser
}

fn confirmation(receipt: &str, day: &str) -> String {
    format!("receiptNumber;amount;bookedOn\n{receipt};28,80;{day}\n")
}

/// The upload as a browser or a program sends it.
fn upload(service: &Service<'_>, token: &str, file: &str) -> RequestBuilder {
    let part = |name: &str, content: &str| {
        format!("--border\r\nContent-Disposition: form-data; {name}\r\n\r\n{content}\r\n")
    };
    let file = part("name=\"datei\"; filename=\"a.csv\"", file);
    let body = format!("{}{file}--border--\r\n", part("name=\"token\"", token));
    let request = plain_http().post(service.url("/kasse/buchungen"));
    request.header("content-type", "multipart/form-data; boundary=border").body(body)
}

fn bookings(service: &Service<'_>) -> String {
    service.sql("SELECT count(*) FROM bookings").1
}

fn header(answer: &Response, name: reqwest::header::HeaderName) -> Option<&str> {
    answer.headers().get(name).map(|value| value.to_str().unwrap())
}

#[tokio::test]
async fn a_clerk_logs_in_fetches_a_day_says_what_was_booked_and_logs_out() {
    let (mut service, _issuer) = with_clerks().await;
    let receipt = paid(&service).await;
    let browser = logged_in(&service, "kasse-1").await;
    browser.arrives_at(&service.url("/kasse")).await;
    let text = browser.text().await;
    assert!(text.contains("Kim kasse-1") && text.contains("28,80 €") && text.contains("offen"), "{text}");

    // Another pod knows nothing but the secret.
    service.stop(Signal::TERM);
    service.serve().await;
    let cookies = browser.cookies().await;
    let day = today(&service);
    for format in ["csv", "jsonl"] {
        let url = service.url(&format!("/kasse/tage/{day}.{format}"));
        let answer = plain_http().get(url).header(COOKIE, &cookies).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        let name = answer.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert_eq!(name, format!("attachment; filename=\"ahaus-{day}.{format}\""));
        assert!(answer.text().await.unwrap().contains(&receipt));
    }

    let file = service.config.join("bookings.csv");
    let wrong = "AHS-0;1,00;2026-03-02";
    fs::write(&file, confirmation(&receipt, &day) + wrong).unwrap();
    browser.write("input[type=file]", file.to_str().unwrap()).await;
    browser.click("main button").await;
    browser.arrives_at(&service.url("/kasse/buchungen")).await;
    let text = browser.text().await;
    for told in ["Eine Zeile wurde abgewiesen", "Neu verbucht: 1", "\n3 ", "AHS-0"] {
        assert!(text.contains(told), "{told}: {text}");
    }
    assert_eq!(service.sql("SELECT imported_by FROM bookings").1, "Kim kasse-1 (kasse-1)");
    browser.go(&service.url("/kasse")).await;
    assert!(browser.text().await.contains("verbucht"));

    browser.click("header button").await;
    browser.arrives_at(&service.url("/kasse")).await;
    assert!(browser.text().await.contains("Anmelden"));
    assert!(!browser.cookies().await.contains("__Host-kasse"));
    let log = service.log();
    assert!(!log.contains("Kim") && !log.contains("kasse-1"), "{log}");
}

#[tokio::test]
async fn who_is_not_of_the_treasury_is_told_so_and_gets_no_session() {
    let (service, _issuer) = with_clerks().await;
    let browser = logged_in(&service, "bauamt").await;
    browser.see("main .kern-btn").await;
    let text = browser.text().await;
    assert!(text.contains("Kein Zugang"), "{text}");
    assert!(!browser.cookies().await.contains("__Host-kasse"));
}

#[tokio::test]
async fn forms_that_do_not_belong_to_the_session_change_nothing() {
    let (service, _issuer) = with_clerks().await;
    let file = confirmation(&paid(&service).await, &today(&service));
    let browser = logged_in(&service, "kasse-1").await;
    browser.arrives_at(&service.url("/kasse")).await;
    let cookies = browser.cookies().await;
    for token in ["", "0123456789abcdef0123456789abcdef"] {
        let answer = upload(&service, token, &file).header(COOKIE, &cookies).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let form = plain_http().post(service.url("/kasse/abmelden")).form(&[("token", token)]);
        let answer = form.header(COOKIE, &cookies).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, SET_COOKIE)), (403, None));
    }
    // What was changed is no session.
    let changed = cookies.replace("__Host-kasse=ey", "__Host-kasse=ez");
    let answer = upload(&service, "", &file).header(COOKIE, changed).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), header(&answer, LOCATION)), (303, Some("/kasse")));
    assert_eq!(bookings(&service), "0");
}

#[tokio::test]
async fn without_a_session_one_is_led_to_the_login() {
    let (service, _issuer) = with_clerks().await;
    let day = service.url("/kasse/tage/2026-03-01.csv");
    let answers = [plain_http().get(day).send().await, upload(&service, "", "x").send().await];
    for answer in answers.map(Result::unwrap) {
        assert_eq!((answer.status().as_u16(), header(&answer, LOCATION)), (303, Some("/kasse")));
    }
}

#[tokio::test]
async fn a_login_that_this_browser_did_not_start_is_none() {
    let (service, issuer) = with_clerks().await;
    let started = plain_http().get(service.url("/kasse/anmelden")).send().await.unwrap();
    let issuers = header(&started, LOCATION).unwrap();
    assert!(issuers.starts_with(&issuer.url), "{issuers}");
    for part in ["code_challenge_method=S256", "state=", "nonce=", "response_type=code"] {
        assert!(issuers.contains(part), "{part}: {issuers}");
    }
    let cookie = header(&started, SET_COOKIE).unwrap();
    assert!(cookie.starts_with("__Host-anmeldung=") && cookie.contains("; Secure; HttpOnly; SameSite=Lax"));
    let cookie = cookie.split(';').next().unwrap();
    for (cookie, query) in
        [("", "?code=a&state=b"), (cookie, "?code=a&state=b"), (cookie, "?error=access_denied"), ("", "")]
    {
        let back = plain_http().get(service.url(&format!("/kasse/angemeldet{query}"))).header(COOKIE, cookie);
        let answer = back.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, SET_COOKIE)), (400, None), "{query}");
    }
}

#[tokio::test]
async fn the_treasurys_software_brings_a_token_and_no_other_counts() {
    let (service, issuer) = with_clerks().await;
    let receipt = paid(&service).await;
    let (day, url) = (today(&service), service.url(&format!("/kasse/tage/{}.csv", today(&service))));
    let token = issuer.token("kasse-software", "e-payment").await;
    let answer = plain_http().get(&url).bearer_auth(&token).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.text().await.unwrap().contains(&receipt));
    let file = confirmation(&receipt, &day) + "AHS-0;1,00;2026-03-02";
    let answer = upload(&service, "", &file).bearer_auth(&token).send().await.unwrap();
    let report: Value = answer.json().await.unwrap();
    assert_eq!((&report["booked"], &report["refused"][0]["line"]), (&1.into(), &3.into()), "{report}");
    let wrong = upload(&service, "", "no confirmation").bearer_auth(&token).send().await.unwrap();
    assert_eq!(wrong.status(), 400);
    let none = plain_http().get(service.url("/kasse/tage/2026-02-30.csv")).bearer_auth(&token).send().await;
    assert_eq!(none.unwrap().status(), 404);

    let other = issuer.token("other-software", "e-payment").await;
    let answer = plain_http().get(&url).bearer_auth(other).send().await.unwrap();
    assert_eq!(answer.status(), 403);
    for token in
        [issuer.token("kasse-software", "mailbox").await, forged(&issuer), "x.y.z".to_owned(), String::new()]
    {
        let answer = plain_http().get(&url).bearer_auth(&token).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, WWW_AUTHENTICATE)),
            (401, Some("Bearer")),
            "{token}"
        );
    }
    let answer = plain_http().get(&url).basic_auth("kasse-software", Some(SECRET)).send().await.unwrap();
    assert_eq!(answer.status(), 401);
}

/// Signed with what the module knows, too: the client's secret.
fn forged(issuer: &Issuer) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let claims = json!({
        "iss": issuer.url, "aud": "e-payment", "sub": "kasse-1", "iat": now, "exp": now + 600, "groups": ["kasse"],
    });
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(SECRET.as_bytes())).unwrap()
}

#[tokio::test]
async fn an_issuer_that_is_away_keeps_clerks_out_and_nobody_else() {
    let (service, mut issuer) = with_clerks().await;
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap();
    let token = issuer.token("kasse-software", "e-payment").await;
    issuer.end();
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
    let (mut service, issuer) = with_clerks().await;
    let all = ["/kasse", "/kasse/anmelden", "/kasse/angemeldet", "/kasse/tage/2026-03-01.csv"];
    let (url, clerks) = (json!(issuer.url), crate::issuer::clerks());
    for (issuer, clerks) in [(Value::Null, clerks), (url, Value::Null)] {
        configure(&mut service, |module| {
            module["issuer"] = issuer;
            module["ePayment"]["clerks"] = clerks;
        })
        .await;
        for path in all {
            assert_eq!(plain_http().get(service.url(path)).send().await.unwrap().status(), 404, "{path}");
        }
        assert_eq!(upload(&service, "", "x").send().await.unwrap().status(), 404);
    }
}

#[tokio::test]
async fn where_a_provider_moves_the_money_the_page_leads_there_and_decides_nothing() {
    let mut service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap().to_owned();
    let provider = "https://pay.invalid/start?a=1&b=2";
    configure(&mut service, |module| {
        module["ePayment"]["provider"] = json!({
            "type": "XBezahldienste", "url": "https://pay.invalid/", "authentication": {"type": "Basic", "secret": "s"},
        });
    })
    .await;
    service.sql(&format!("UPDATE transactions SET provider_reference = 'x', provider_url = '{provider}'"));
    for button in ["confirm", "cancel", "fail"] {
        assert_eq!(service.press(&id, button).await.0, 403);
    }
    assert_eq!(service.poll(&id).await["paymentInformation"]["status"], "INITIAL");
    assert_eq!(service.sql("SELECT count(*) FROM events").1, "1");
    let page =
        plain_http().get(service.url(&format!("/pay/{id}"))).send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains(&format!("href=\"{}\"", provider.replace('&', "&#38;"))) && !page.contains("<form"),
        "{page}"
    );
}
