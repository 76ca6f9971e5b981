// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on malformed bodies and hostile clients: the service refuses them and keeps serving others.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::expect::{BODY_CODES, CREATE, rule};
use super::session::Session;
use crate::report::Failure;
use crate::{CheckResult, Finding, Report, Rule};

const LARGE_BODY_BYTES: usize = 10_000_000;
const SLOW_CLIENT_COUNT: usize = 50;
/// Time limit for other clients to be served while the slow ones hold their connections.
const OTHERS_TIMEOUT: Duration = Duration::from_secs(5);
/// Time for the slow clients to connect before the others.
const HEAD_START: Duration = Duration::from_millis(500);

pub async fn check(session: &Session, report: &mut Report) {
    report.check(NO_JSON, check_no_json(session)).await;
    report.check(NO_UTF8, check_no_utf8(session)).await;
    report.check(DEEP_NESTING, check_deep_nesting(session)).await;
    report.check(CHARSET, check_charset(session)).await;
    report.check(TEN_MEGABYTES, check_ten_megabytes(session)).await;
    report.check(SLOW_CLIENTS, check_slow_clients(session)).await;
}

const NO_JSON: Rule = rule(
    "transport.no-json",
    "A body that is not a JSON object (empty, truncated, a list, with trailing data) is refused.",
    CREATE,
);
async fn check_no_json(session: &Session) -> CheckResult {
    let valid = session.payment().to_string();
    let truncated = [1, valid.len() / 2, valid.len() - 1]
        .map(|length| valid[..floor_char_boundary(&valid, length)].to_owned());
    let others = ["", "null", "[]", "\"text\"", "<xml/>", "a=b"].map(str::to_owned);
    let trailing = format!("{valid} {{}}");
    for body in truncated.into_iter().chain(others).chain([trailing]) {
        session.create_raw(body).await?.expect_refused(BODY_CODES)?;
    }
    Ok(())
}

/// Returns the largest character boundary of `text` that is at most `length`.
fn floor_char_boundary(text: &str, length: usize) -> usize {
    (0..=length).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

const NO_UTF8: Rule = rule("transport.no-utf-8", "A body that is not UTF-8 is refused.", CREATE);
async fn check_no_utf8(session: &Session) -> CheckResult {
    let (text, word) = (session.payment().to_string(), "Bewohnerparkausweis");
    let (start, end) = text.split_once(word).unwrap_or_default();
    let latin_1 = [start.as_bytes(), b"Gr\xf6\xdfe", end.as_bytes()].concat();
    for body in [latin_1, b"\xff\xfe{\0}\0".to_vec()] {
        session.create_raw(body).await?.expect_refused(BODY_CODES)?;
    }
    Ok(())
}

const DEEP_NESTING: Rule = rule(
    "transport.deep",
    "A body nested 100000 levels deep is refused, and the service keeps serving.",
    CREATE,
);
async fn check_deep_nesting(session: &Session) -> CheckResult {
    let body = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    session.create_raw(body).await?.expect_refused(BODY_CODES)?;
    session.create(&session.payment()).await?.expect_accepted().map(drop)
}

const CHARSET: Rule = rule(
    "transport.charset",
    "A request is accepted as application/json with and without a charset.",
    CREATE,
);
async fn check_charset(session: &Session) -> CheckResult {
    for media_type in ["application/json", "application/json; charset=utf-8"] {
        let request = session.request(Method::POST, &session.create_path())?.header(CONTENT_TYPE, media_type);
        let sent = format!("POST {} content-type: {media_type}", session.create_path());
        session.send(request.body(session.payment().to_string()), &sent).await?.expect_accepted()?;
    }
    Ok(())
}

const TEN_MEGABYTES: Rule = rule(
    "transport.10-megabytes",
    "A body of 10 MB is refused or the connection is closed, and the service keeps serving.",
    CREATE,
);
async fn check_ten_megabytes(session: &Session) -> CheckResult {
    let mut padded = session.payment().to_string().into_bytes();
    padded.resize(LARGE_BODY_BYTES, b' ');
    let long =
        session.payment_with("/description", "a".repeat(LARGE_BODY_BYTES)).request.to_string().into_bytes();
    for body in [long, padded] {
        let request =
            session.request(Method::POST, &session.create_path())?.header(CONTENT_TYPE, "application/json");
        // A service may answer before it has read the whole body, which can look like a closed connection.
        if let Ok(answer) = session.send(request.body(body), "POST of 10 MB").await {
            answer.expect_client_error()?;
        }
    }
    session.create(&session.payment()).await?.expect_accepted().map(drop)
}

const SLOW_CLIENTS: Rule = rule(
    "transport.slow-clients",
    "While 50 clients never finish their bodies, other calls are answered within 5 s.",
    CREATE,
);
async fn check_slow_clients(session: &Session) -> CheckResult {
    // Dropping the set at the end of this function ends the slow requests.
    let mut hanging = JoinSet::new();
    for _ in 0..SLOW_CLIENT_COUNT {
        hanging.spawn(session.unfinished_request()?.send());
    }
    sleep(HEAD_START).await;
    let others = async {
        for _ in 0..5 {
            let id = session.create(&session.payment()).await?.expect_accepted()?;
            session.poll(&id).await?.expect_state("INITIAL")?;
        }
        Ok(())
    };
    timeout(OTHERS_TIMEOUT, others).await.unwrap_or_else(|_| {
        Err(Finding::Failed(Failure {
            sent: format!("{SLOW_CLIENT_COUNT} bodies that never end, then five payments"),
            expected: format!("five payments created and polled within {} s", OTHERS_TIMEOUT.as_secs()),
            seen: "no answer".to_owned(),
        }))
    })
}
