// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on repeated requests: a requestId identifies one payment, also for concurrent requests.
//!
//! A repeated request may be refused with `PAYMENT_EXISTS`, as the standard says, or be answered with the
//! existing payment, which helps a caller that lost the first answer.

use futures::future::join_all;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::expect::{CREATE, EXISTS_CODES, extension, rule};
use super::session::{Answer, Session, shorten};
use crate::{CheckResult, Finding, Report, Rule};

const CONCURRENT_REQUESTS: usize = 20;

pub async fn check(session: &Session, report: &mut Report) {
    report.check(REPEATED, check_repeated(session)).await;
    report.check(REPLAYED, check_replayed(session)).await;
    report.check(OTHER_REQUEST, check_other_request(session)).await;
    report.check(CONCURRENT_EQUAL, check_concurrent_equal_requests(session)).await;
    report.check(CONCURRENT_DIFFERENT, check_concurrent_different_requests(session)).await;
    report.check(SAME_KEY, check_same_key(session)).await;
    report.check(KEY_REUSED, check_key_reused(session)).await;
    report.check(KEY_LENGTH, check_key_length(session)).await;
}

const REPEATED: Rule = rule(
    "idempotency.repeated",
    "The same request again creates no second transaction: PAYMENT_EXISTS, or the first one's transactionId.",
    CREATE,
);
async fn check_repeated(session: &Session) -> CheckResult {
    let request = session.payment();
    let first = session.create(&request).await?.expect_accepted()?;
    expect_first_or_refused(&session.create(&request).await?, &first)
}

fn expect_first_or_refused(again: &Answer, first: &str) -> CheckResult {
    match again.expect_accepted() {
        Ok(id) => again.ensure(id == first, format!("transactionId {first}, or PAYMENT_EXISTS")),
        Err(_) => again.expect_refused(EXISTS_CODES),
    }
}

const REPLAYED: Rule = extension(
    "idempotency.replayed",
    "The same request again gets the first answer, however it is formatted.",
    "README of e-payment",
);
async fn check_replayed(session: &Session) -> CheckResult {
    let request = session.payment();
    let first = session.create(&request).await?;
    first.expect_accepted()?;
    let reformatted = serde_json::to_string_pretty(&request).unwrap_or_default();
    let again = session.create_raw(reformatted).await?;
    again.ensure(again.status == first.status && again.json == first.json, "the first answer")
}

const OTHER_REQUEST: Rule = rule(
    "idempotency.other-request",
    "A different request with the same requestId is refused with PAYMENT_EXISTS and does not change the first.",
    CREATE,
);
async fn check_other_request(session: &Session) -> CheckResult {
    let request = session.payment();
    let first = session.create(&request).await?;
    let id = first.expect_accepted()?;
    let mut other = request.clone();
    other["purpose"] = "Etwas anderes".into();
    session.create(&other).await?.expect_refused(EXISTS_CODES)?;
    let now = session.poll(&id).await?;
    now.ensure(now.json == first.json, format!("the transaction as it was before: {}", shorten(&first.text)))
}

const CONCURRENT_EQUAL: Rule = rule(
    "idempotency.equal-at-once",
    "20 equal concurrent requests create exactly one transaction; all others are refused or get the same one.",
    CREATE,
);
async fn check_concurrent_equal_requests(session: &Session) -> CheckResult {
    let request = session.payment();
    let answers = create_concurrently(session, vec![request; CONCURRENT_REQUESTS]).await?;
    let Some(first) = answers.iter().find_map(|answer| answer.expect_accepted().ok()) else {
        return Err(answers[0].mismatch("one of 20 requests accepted"));
    };
    answers.iter().try_for_each(|answer| expect_first_or_refused(answer, &first))?;
    session.poll(&first).await?.expect_state("INITIAL")
}

const CONCURRENT_DIFFERENT: Rule = rule(
    "idempotency.others-at-once",
    "Of 20 different concurrent requests with one requestId exactly one is accepted; the others get PAYMENT_EXISTS.",
    CREATE,
);
async fn check_concurrent_different_requests(session: &Session) -> CheckResult {
    let request = session.payment();
    let requests = (0..CONCURRENT_REQUESTS).map(|number| {
        let mut request = request.clone();
        request["purpose"] = format!("Antrag {number}").into();
        request
    });
    let answers = create_concurrently(session, requests.collect()).await?;
    let (accepted, others): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.expect_accepted().is_ok());
    let expected = format!("1 of 20 requests accepted, not {}", accepted.len());
    answers[0].ensure(accepted.len() == 1, expected)?;
    others.iter().try_for_each(|answer| answer.expect_refused(EXISTS_CODES))
}

async fn create_concurrently(session: &Session, requests: Vec<Value>) -> Result<Vec<Answer>, Finding> {
    let answers = join_all(requests.iter().map(|request| session.create(request))).await;
    answers.into_iter().collect()
}

const IDEMPOTENCY_KEY: &str = "Idempotency-Key (draft-ietf-httpapi-idempotency-key-header)";

const SAME_KEY: Rule = extension(
    "idempotency.key",
    "The same request with the same Idempotency-Key gets the first answer.",
    IDEMPOTENCY_KEY,
);
async fn check_same_key(session: &Session) -> CheckResult {
    let (request, key) = (session.payment(), session.request_id());
    let first = create_with_key(session, &request, &key).await?;
    first.expect_accepted()?;
    let again = create_with_key(session, &request, &key).await?;
    again.ensure(again.status == first.status && again.json == first.json, "the first answer")
}

const KEY_REUSED: Rule = extension(
    "idempotency.key-reused",
    "An Idempotency-Key that was used for another request is refused with 422, and nothing is stored.",
    IDEMPOTENCY_KEY,
);
async fn check_key_reused(session: &Session) -> CheckResult {
    let (request, key) = (session.payment(), session.request_id());
    create_with_key(session, &request, &key).await?.expect_accepted()?;
    let other = session.payment();
    let refused = create_with_key(session, &other, &key).await?;
    refused.ensure(refused.status == 422, "422")?;
    let mut changed = other;
    changed["purpose"] = "Noch frei".into();
    session.create(&changed).await?.expect_accepted().map(drop)
}

const KEY_LENGTH: Rule =
    extension("idempotency.key-length", "An Idempotency-Key has at most 255 characters.", IDEMPOTENCY_KEY);
async fn check_key_length(session: &Session) -> CheckResult {
    let key = |length: usize| format!("{:_<length$}", session.request_id());
    create_with_key(session, &session.payment(), &key(255)).await?.expect_accepted()?;
    create_with_key(session, &session.payment(), &key(256)).await?.expect_client_error()
}

async fn create_with_key(session: &Session, request: &Value, key: &str) -> Result<Answer, Finding> {
    let builder =
        session.request(Method::POST, &session.create_path())?.header(CONTENT_TYPE, "application/json");
    let builder = builder.header("Idempotency-Key", key).body(request.to_string());
    let sent =
        format!("POST {} Idempotency-Key: {key} {}", session.create_path(), shorten(&request.to_string()));
    session.send(builder, &sent).await
}
