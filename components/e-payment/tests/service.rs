// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tests of the e-payment module's API and pay page, with the real program and a real PostgreSQL server.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

mod support;

use std::fs;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rustix::process::Signal;
use serde_json::Value;
use support::{ARS, Server, Service, payment, spawn_program};

fn id(transaction: &Value) -> String {
    transaction["paymentInformation"]["transactionId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_payment_goes_from_initial_to_payed() {
    let service = Service::start(Server::shared()).await;
    let (status, created) = service.create(&payment("R-1")).await;
    let information = &created["paymentInformation"];
    assert_eq!((status, &information["status"]), (200, &"INITIAL".into()));
    assert_eq!(created["paymentRequest"]["grosAmount"].to_string(), "28.8");
    let page = information["transactionRedirectUrl"].as_str().unwrap();
    let page = service.http.get(page).send().await.unwrap();
    let policy = page.headers()["content-security-policy"].to_str().unwrap().to_owned();
    // Any HTTPS site is allowed, since the online service may redirect the browser to any site afterwards.
    assert!(policy.contains("form-action 'self' https:;") && policy.contains("default-src 'none'"));
    assert!(!policy.contains("unsafe-inline") && !policy.contains("script-src"));
    let text = page.text().await.unwrap();
    let style = text.split('"').find(|part| part.ends_with("/site.css")).unwrap();
    let style = service.http.get(service.url(style)).send().await.unwrap();
    assert_eq!(
        (style.status().as_u16(), &style.headers()["content-type"]),
        (200, &"text/css; charset=utf-8".parse().unwrap())
    );
    for expected in [
        "Stadt Ahaus",
        "Parkausweis 17",
        "28,80 €",
        "EUR 28.80",
        "https://www.ahaus.example/impressum",
        "lang=\"en\"",
    ] {
        assert!(text.contains(expected), "{expected}");
    }

    let answer = service.press(&id(&created), "confirm").await;
    assert_eq!(answer, (303, Some("https://forms.example/return?x=1".to_owned())));
    let polled = service.poll(&id(&created)).await;
    let information = &polled["paymentInformation"];
    assert_eq!((&information["status"], &information["paymentMethod"]), (&"PAYED".into(), &"OTHER".into()));
    assert!(information["transactionTimestamp"].as_str().unwrap().ends_with('Z'));
    assert_eq!(information["transactionReference"], "AHS-00000015", "Kassenzeichen");
    assert_eq!(information.get("transactionRedirectUrl"), None, "only while INITIAL");
}

#[tokio::test]
async fn the_first_decision_takes_effect_and_later_ones_are_only_logged() {
    let service = Service::start(Server::shared()).await;
    for (request, first, outcome) in
        [("R-1", "cancel", "CANCELED"), ("R-2", "fail", "FAILED"), ("R-3", "confirm", "PAYED")]
    {
        let (_, created) = service.create(&payment(request)).await;
        service.press(&id(&created), first).await;
        for later in ["confirm", "cancel", "fail"] {
            assert_eq!(service.press(&id(&created), later).await.0, 303);
        }
        assert_eq!(service.poll(&id(&created)).await["paymentInformation"]["status"], outcome);
        let log = format!(
            "SELECT string_agg(effective::text, ' ' ORDER BY number) FROM events WHERE transaction_id = '{}'",
            id(&created)
        );
        assert_eq!(service.sql(&log).1, "true true false false false");
    }
}

#[tokio::test]
async fn of_concurrent_decisions_exactly_one_takes_effect() {
    let service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    let id = id(&created);
    let presses = (0..20).map(|n| service.press(&id, if n % 2 == 0 { "confirm" } else { "cancel" }));
    join_all(presses).await;
    let effective = "SELECT count(*), min(status) FROM events WHERE effective AND status <> 'INITIAL'";
    let (_, output) = service.sql(effective);
    let status = service.poll(&id).await["paymentInformation"]["status"].as_str().unwrap().to_owned();
    assert_eq!(output, format!("1|{status}"));
}

#[tokio::test]
async fn the_same_request_sent_concurrently_creates_one_transaction() {
    let service = Service::start(Server::shared()).await;
    let request = payment("R-1");
    let answers = join_all((0..20).map(|_| service.create(&request))).await;
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
    assert_eq!(service.sql("SELECT count(*) FROM transactions").1, "1");

    let mut other = payment("R-1");
    other["purpose"] = "Etwas anderes".into();
    let (status, problem) = service.create(&other).await;
    assert_eq!((status, &problem["functionalCode"]), (409, &"PAYMENT_EXISTS".into()));
    assert_eq!(service.create(&request).await.0, 200, "the first request still gets its response");
    service.press(&id(&answers[0].1), "confirm").await;
    assert_eq!(
        service.create(&request).await,
        answers[0],
        "a repeated request gets the first response, also after a decision"
    );
}

#[tokio::test]
async fn a_range_near_its_end_refuses_new_payments_and_completes_existing_ones() {
    let service = Service::start(Server::shared()).await;
    let (_, existing) = service.create(&payment("R-1")).await;
    let last = 9_999_999 - 9_999;
    let near_the_end = format!("INSERT INTO receipt_ranges VALUES ('{ARS}', 'AHS-', {last})");
    assert!(service.sql(&near_the_end).0);
    let (status, problem) = service.create(&payment("R-2")).await;
    assert_eq!(status, 503);
    assert!(problem["detail"].as_str().unwrap().contains("configure another prefix"), "{problem}");
    let answer = service.http.get(service.url(&format!("/status/parkausweis/{ARS}"))).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(service.sql("SELECT count(*) FROM transactions").1, "1", "the refused request is not stored");
    assert_eq!(service.create(&payment("R-1")).await.0, 200, "an existing payment is still returned");
    service.press(&id(&existing), "confirm").await;
    let number = service.poll(&id(&existing)).await["paymentInformation"]["transactionReference"].clone();
    assert!(number.as_str().unwrap().starts_with("AHS-999000"), "{number}");
}

#[tokio::test]
async fn the_interface_is_published_as_openapi() {
    let service = Service::start(Server::shared()).await;
    let document: Value =
        service.http.get(service.url("/openapi.json")).send().await.unwrap().json().await.unwrap();
    assert_eq!(document["openapi"], "3.1.0");
    let committed = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json")).unwrap();
    assert_eq!(document, serde_json::from_str::<Value>(&committed).unwrap());
}

#[tokio::test]
async fn invalid_requests_get_a_problem_and_store_nothing() {
    let service = Service::start(Server::shared()).await;
    let url = service.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
    let send = async |body: Vec<u8>| {
        let answer = service
            .http
            .post(&url)
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .unwrap();
        let content_type = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), content_type, answer.json::<Value>().await.unwrap())
    };
    let large = service.http.post(&url).body(vec![b' '; 10_000_000]).send().await.unwrap();
    assert_eq!(large.status(), 413, "a gateway gets the response and can keep the connection open");
    let mut wrong_sum = payment("R-1");
    wrong_sum["grosAmount"] = 28.81.into();
    for (body, status, code) in [
        (b"\xff\xfe{".to_vec(), 400, "VALIDATION_ERROR"),
        (b"{}".to_vec(), 400, "VALIDATION_ERROR"),
        (wrong_sum.to_string().into_bytes(), 400, "CALCULATION_ERROR"),
    ] {
        let (answered, content_type, problem) = send(body).await;
        assert_eq!((answered, content_type.as_str()), (status, "application/problem+json"), "{problem}");
        assert_eq!((&problem["functionalCode"], &problem["status"]), (&code.into(), &status.into()));
    }
    for path in ["/status/parkausweis/000000000000", "/paymenttransaction/parkausweis/x/y"] {
        let answer = service.http.get(service.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        assert_eq!(
            answer.json::<Value>().await.unwrap()["functionalCode"],
            "NO_VALID_ORIGINATOR_OR_ENDPOINT"
        );
    }
    assert_eq!(
        service.http.get(service.url(&format!("/status/park_-9/{ARS}"))).send().await.unwrap().status(),
        200
    );
    let unknown = service
        .http
        .get(service.url(&format!("/paymenttransaction/parkausweis/{ARS}/x")))
        .send()
        .await
        .unwrap();
    assert_eq!(unknown.status(), 404);
    assert_eq!(service.http.get(service.url("/pay/unknown")).send().await.unwrap().status(), 404);
    assert_eq!(service.press("unknown", "confirm").await.0, 404);
    assert_eq!(service.press("unknown", "steal").await.0, 422);
    assert_eq!(service.sql("SELECT count(*) FROM transactions").1, "0");
}

#[tokio::test]
async fn unknown_paths_and_methods_get_a_problem() {
    let service = Service::start(Server::shared()).await;
    for (path, status) in [
        ("/nothing", 404),
        (&*format!("/paymenttransaction/parkausweis/{ARS}/%00"), 404),
        (&*format!("/paymenttransaction/%ff/{ARS}/x"), 400),
        (&*format!("/paymenttransaction/parkausweis/{ARS}"), 405),
        (&*format!("/status/%C3%84/{ARS}"), 400),
    ] {
        let answer = service.http.get(service.url(path)).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), path), (status, path));
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{path}");
        assert_eq!(answer.json::<Value>().await.unwrap()["status"], status, "{path}");
    }
    assert_eq!(service.http.get(service.url("/pay/%00")).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn without_a_redirect_url_the_pay_page_shows_the_outcome() {
    let service = Service::start(Server::shared()).await;
    for (number, button, outcome) in
        [(1, "confirm", "abgeschlossen"), (2, "cancel", "abgebrochen"), (3, "fail", "fehlgeschlagen")]
    {
        let mut request = payment(&format!("R-{number}"));
        request.as_object_mut().unwrap().remove("redirectUrl");
        let (_, created) = service.create(&request).await;
        let page = format!("/pay/{}", id(&created));
        assert_eq!(service.press(&id(&created), button).await, (303, Some(page.clone())));
        let text = service.http.get(service.url(&page)).send().await.unwrap().text().await.unwrap();
        assert!(text.contains(outcome) && !text.contains("<form") && !text.contains("Zurück"), "{text}");
    }
}

#[tokio::test]
async fn a_killed_program_loses_no_data_and_a_stopped_one_ends_in_time() {
    let mut service = Service::start(Server::shared()).await;
    let (_, open) = service.create(&payment("R-1")).await;
    let (_, payed) = service.create(&payment("R-2")).await;
    service.press(&id(&payed), "confirm").await;
    service.stop(Signal::KILL);
    service.serve().await;
    assert_eq!(service.poll(&id(&open)).await["paymentInformation"]["status"], "INITIAL");
    assert_eq!(service.poll(&id(&payed)).await["paymentInformation"]["status"], "PAYED");

    let stopped_at = Instant::now();
    assert!(service.stop(Signal::TERM).success());
    assert!(stopped_at.elapsed() < Duration::from_secs(30));
}

#[tokio::test]
async fn repeated_and_concurrent_migrations_change_nothing() {
    let service = Service::start(Server::shared()).await;
    service.create(&payment("R-1")).await;
    let mut migrations: Vec<_> = (0..4).map(|_| service.migrate()).collect();
    assert!(migrations.iter_mut().all(|process| process.wait().unwrap().success()));
    assert_eq!(service.sql("SELECT count(*) FROM transactions").1, "1");
}

#[tokio::test]
async fn the_log_of_events_is_append_only() {
    let service = Service::start(Server::shared()).await;
    service.create(&payment("R-1")).await;
    for sql in ["UPDATE events SET status = 'PAYED'", "DELETE FROM events", "TRUNCATE events"] {
        let (succeeded, output) = service.sql(sql);
        assert!(!succeeded && output.contains("append-only"), "{sql}: {output}");
    }
}

#[tokio::test]
async fn the_program_is_unready_while_the_database_is_unavailable() {
    let service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    let (database, server) = (&service.database, service.server);
    let lock_out = format!("ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false");
    let disconnect =
        format!("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = '{database}'");
    assert!(server.psql("postgres", &lock_out).0 && server.psql("postgres", &disconnect).0);
    assert_eq!(service.readiness().await, Some(503));
    let url = service.url(&format!("/status/parkausweis/{ARS}"));
    let answer = service.http.get(url).send().await.unwrap();
    assert_eq!(answer.status(), 503);
    assert_eq!(answer.json::<Value>().await.unwrap()["functionalCode"], "UNSPECIFIED");
    let page = service.http.get(service.url(&format!("/pay/{}", id(&created)))).send().await.unwrap();
    assert_eq!(page.status(), 503);
    assert!(page.text().await.unwrap().contains("Zurzeit nicht erreichbar"), "citizens get a page");

    assert!(server.psql("postgres", &lock_out.replace("false", "true")).0);
    let deadline = Instant::now() + Duration::from_secs(20);
    while service.readiness().await != Some(200) {
        assert!(Instant::now() < deadline, "the program does not become ready again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(service.poll(&id(&created)).await["paymentInformation"]["status"], "INITIAL");
}

#[tokio::test]
async fn probes_and_metrics_are_only_served_on_the_admin_port() {
    let service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    for _ in 0..2 {
        service.press(&id(&created), "confirm").await;
    }
    let live = service.http.get(service.admin_url("/livez")).send().await.unwrap();
    assert_eq!(live.status(), 200);
    let metrics = service.http.get(service.admin_url("/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("e_payment_decisions_total{status=\"PAYED\"} 1\n"), "{metrics}");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(service.http.get(service.url(path)).send().await.unwrap().status(), 404, "{path}");
    }
}

#[tokio::test]
async fn every_response_has_the_security_headers() {
    let service = Service::start(Server::shared()).await;
    let (_, created) = service.create(&payment("R-1")).await;
    let pay = format!("/pay/{}", id(&created));
    let style = format!("{}/site.css", rathaus_kit::web::STATIC_PATH);
    for path in [pay.as_str(), "/pay/unknown", "/nothing", "/static/other/site.css", style.as_str()] {
        let answer = service.http.get(service.url(path)).send().await.unwrap();
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap());
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(header("referrer-policy"), Some("no-referrer"), "{path}");
        assert!(header("strict-transport-security").is_some(), "{path}");
        assert_eq!(header("cache-control") == Some("no-store"), path != style, "{path}");
        assert_eq!(header("set-cookie"), None, "{path}");
    }
}

#[tokio::test]
async fn logs_are_json_lines_without_personal_data() {
    let service = Service::start(Server::shared()).await;
    let mut request = payment("R-1");
    request["requestor"] = serde_json::json!({"name": "Wolkenstein", "firstName": "Eva"});
    let (_, created) = service.create(&request).await;
    service.press(&id(&created), "confirm").await;
    request["requestor"]["gender"] = "Wolkenstein".into();
    let (status, problem) = service.create(&request).await;
    assert_eq!((status, &problem["functionalCode"]), (400, &"VALIDATION_ERROR".into()));
    // Errors of the database are logged, too, and must not contain the request.
    service.sql("ALTER TABLE events RENAME TO renamed");
    assert_eq!(service.create(&payment("R-2")).await.0, 503);

    let log = service.log();
    for expected in [&id(&created), "PAYED", "ERROR"] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(!log.contains("Wolkenstein") && !log.contains("Eva"), "{log}");
    assert!(log.lines().all(|line| serde_json::from_str::<Value>(line).is_ok_and(|line| line.is_object())));
}

#[test]
fn an_invalid_configuration_ends_the_program_with_a_log_line_naming_file_and_field() {
    let folder = std::env::temp_dir().join(format!("e-payment-config-{}", std::process::id()));
    fs::create_dir_all(folder.join("database")).unwrap();
    let valid = r#"{"municipality": {"name": "a", "displayName": "A", "ars": "1"}, "module": "m", "publicUrl": "https://a.example",
        "legal": {"imprintUrl": "https://a.example", "privacyUrl": "https://a.example", "accessibilityUrl": "https://a.example"},
        "ePayment": {"provider": {"type": "Sandbox"}, "endPoints": [], "payerDataDays": 90}}"#;
    let invalid_url = valid.replacen("https://a.example", "nowhere", 1);
    let no_settings = valid.replace(
        r#""ePayment": {"provider": {"type": "Sandbox"}, "endPoints": [], "payerDataDays": 90}"#,
        r#""more": 1"#,
    );
    for (module, url, expected) in [
        ("", "", "module.json"),
        (invalid_url.as_str(), "postgres://u@h/d", "publicUrl"),
        (no_settings.as_str(), "postgres://u@h/d", "ePayment"),
        (valid, "", "database/url is empty"),
        (valid, "mysql://secret-password@h", "database/url is not postgres://"),
    ] {
        fs::write(folder.join("module.json"), module).unwrap();
        fs::write(folder.join("database/url"), url).unwrap();
        let mut process = spawn_program(&folder, &[]);
        assert!(!process.wait().unwrap().success());
        let log = fs::read_to_string(folder.join("log")).unwrap();
        fs::remove_file(folder.join("log")).unwrap();
        assert!(log.contains(expected) && !log.contains("secret-password"), "{expected}: {log}");
    }
    fs::remove_dir_all(folder).unwrap();
}
