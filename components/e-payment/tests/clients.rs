// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tests of authentication, authorization and idempotency keys of API clients.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::time::{Duration, Instant};

use futures::future::join_all;
use serde_json::Value;
use support::{ARS, Server, Service, TOKEN, payment, settings};

#[tokio::test]
async fn an_idempotency_key_identifies_repetitions_of_one_request() {
    let service = Service::start(Server::shared()).await;
    let url = service.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
    let send = async |key: &str, request: &Value| {
        let call = service.http.post(&url).header("idempotency-key", key).json(request);
        let answer = call.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let first = send("K-1", &payment("R-1")).await;
    assert_eq!(first.0, 200);
    assert_eq!(send("K-1", &payment("R-1")).await, first);
    let (status, problem) = send("K-1", &payment("R-2")).await;
    assert_eq!((status, &problem["functionalCode"]), (422, &"VALIDATION_ERROR".into()));
    assert!(problem["detail"].as_str().unwrap().contains("Idempotency-Key"));
    assert_eq!(send("K-2", &payment("R-1")).await, first, "the same request with another key");
    assert_eq!(send("K-2", &payment("R-3")).await.0, 422);
    assert_eq!(send(&"k".repeat(255), &payment("R-4")).await.0, 200);
    assert_eq!(send(&"k".repeat(256), &payment("R-5")).await.0, 400);
    assert_eq!(send("", &payment("R-5")).await.0, 400);
    let requests: Vec<_> = (10..30).map(|n| payment(&format!("R-{n}"))).collect();
    let answers = join_all(requests.iter().map(|request| send("K-3", request))).await;
    assert_eq!(
        answers.iter().filter(|answer| answer.0 == 200).count(),
        1,
        "one of the concurrent requests gets the key"
    );
    assert!(answers.iter().all(|answer| answer.0 == 200 || answer.0 == 422));
    assert_eq!(service.sql("SELECT count(*) FROM transactions").1, "3");
}

#[tokio::test]
async fn clients_may_only_use_their_originators_and_end_points() {
    let mut settings = settings();
    settings["endPoints"].as_array_mut().unwrap().push(serde_json::json!(
        {"id": "musikschule", "receipts": {"prefix": "MUS", "length": 12, "checkDigit": "None"}, "bookingData": ["hhst"]}
    ));
    settings["clients"][0]["endPoints"] = serde_json::json!([ARS]);
    settings["clients"].as_array_mut().unwrap().push(serde_json::json!(
        {"name": "musik", "secret": "musik", "originators": ["kurse"]}
    ));
    let service = Service::start_with(Server::shared(), settings).await;
    let musik_token = "a-token-of-the-music-school-0123456789";
    service.write_secret("musik", "token", musik_token);
    let ask = async |user: &str, password: &str, originator: &str, end_point: &str| {
        let url = service.url(&format!("/status/{originator}/{end_point}"));
        let anonymous = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = anonymous.get(url).basic_auth(user, Some(password)).send().await.unwrap();
        let status = answer.status().as_u16();
        let has_challenge = answer.headers().contains_key("www-authenticate");
        assert_eq!(has_challenge, status == 401);
        let code = answer.json::<Value>().await.unwrap()["functionalCode"].as_str().map(str::to_owned);
        (status, code.unwrap_or_default())
    };
    let expected = |status: u16, code: &str| (status, code.to_owned());
    assert_eq!(ask("portal", TOKEN, "parkausweis", ARS).await, expected(200, ""));
    assert_eq!(ask("portal", musik_token, "parkausweis", ARS).await, expected(401, "FORBIDDEN"));
    assert_eq!(ask("portal", TOKEN, "kurse", ARS).await, expected(403, "FORBIDDEN"));
    assert_eq!(ask("portal", TOKEN, "parkausweis", "musikschule").await, expected(403, "FORBIDDEN"));
    assert_eq!(
        ask("portal", TOKEN, "parkausweis", "1").await,
        expected(403, "NO_VALID_ORIGINATOR_OR_ENDPOINT")
    );
    // The Secret was written after the start of the program, which reads it again within seconds.
    let deadline = Instant::now() + Duration::from_secs(20);
    while ask("musik", musik_token, "kurse", "musikschule").await != expected(200, "") {
        assert!(Instant::now() < deadline, "the program does not read the new Secret");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // The treasury of the music school requires the booking data `hhst`.
    let url = service.url("/paymenttransaction/kurse/musikschule");
    let send = async |request: &Value| {
        let answer = service.http.post(&url).bearer_auth(musik_token).json(request).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let mut request = payment("R-1");
    let (status, problem) = send(&request).await;
    assert_eq!((status, &problem["functionalCode"]), (400, &"BOOKING_DATA_MISSING".into()));
    assert!(problem["detail"].as_str().unwrap().contains("items[0].bookingData.hhst"));
    request["items"][0]["bookingData"] = serde_json::json!({"hhst": "1.1100.1000"});
    assert_eq!(send(&request).await.0, 200);
}

#[tokio::test]
async fn the_token_endpoint_issues_tokens_for_an_hour() {
    let service = Service::start(Server::shared()).await;
    let anonymous = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |form: &[(&str, &str)]| {
        let answer = anonymous.post(service.url("/oauth/token/")).form(form).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let grant = ("grant_type", "client_credentials");
    let (status, token) = ask(&[grant, ("client_id", "portal"), ("client_secret", TOKEN)]).await;
    assert_eq!((status, &token["token_type"], &token["expires_in"]), (200, &"Bearer".into(), &3600.into()));
    let call = anonymous.get(service.url(&format!("/status/parkausweis/{ARS}")));
    let answer = call.bearer_auth(token["access_token"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    for (form, status, error) in [
        (&[grant, ("client_id", "portal"), ("client_secret", "x")][..], 401, "invalid_client"),
        (&[grant], 401, "invalid_client"),
        (&[("grant_type", "password")], 400, "unsupported_grant_type"),
        (&[], 400, "invalid_request"),
    ] {
        let (answered, body) = ask(form).await;
        assert_eq!((answered, &body["error"]), (status, &error.into()), "{form:?}");
    }
    let basic = anonymous.post(service.url("/oauth/token")).basic_auth("portal", Some(TOKEN)).form(&[grant]);
    assert_eq!(basic.send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn a_transaction_is_not_found_under_another_originator() {
    let service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    let id = created["paymentInformation"]["transactionId"].as_str().unwrap();
    let url = service.url(&format!("/paymenttransaction/another/{ARS}/{id}"));
    assert_eq!(service.http.get(url).send().await.unwrap().status(), 404);
}
