// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A requestId is one payment, whatever is repeated and however much of it comes at once.
//!
//! A repeated request may be refused with `PAYMENT_EXISTS`, as the standard says, or be answered with the
//! payment that is there, which spares a caller that lost the first answer.

use futures::future::join_all;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::expect::{CREATE, EXISTS, extension, rule};
use super::session::{Answer, Session, shorten};
use crate::{Finding, Report, Rule, Verdict};

const AT_ONCE: usize = 20;

pub async fn judge(session: &Session, report: &mut Report) {
    report.judge(REPEATED, repeated(session)).await;
    report.judge(REPLAYED, replayed(session)).await;
    report.judge(OTHER, other(session)).await;
    report.judge(EQUAL_AT_ONCE, equal_at_once(session)).await;
    report.judge(OTHERS_AT_ONCE, others_at_once(session)).await;
    report.judge(KEY, key(session)).await;
    report.judge(KEY_REUSED, key_reused(session)).await;
    report.judge(KEY_LONG, key_too_long(session)).await;
}

const REPEATED: Rule = rule(
    "idempotency.repeated",
    "The same request again makes no second transaction: PAYMENT_EXISTS, or the first one's transactionId.",
    CREATE,
);
async fn repeated(session: &Session) -> Verdict {
    let request = session.payment();
    let first = session.create(&request).await?.accepted()?;
    the_first_or_refused(&session.create(&request).await?, &first)
}

fn the_first_or_refused(again: &Answer, first: &str) -> Verdict {
    match again.accepted() {
        Ok(id) => again.demand(id == first, format!("transactionId {first}, or PAYMENT_EXISTS")),
        Err(_) => again.refused(EXISTS),
    }
}

const REPLAYED: Rule = extension(
    "idempotency.replayed",
    "The same request again gets the first answer, however it is formatted.",
    "README of e-payment",
);
async fn replayed(session: &Session) -> Verdict {
    let request = session.payment();
    let first = session.create(&request).await?;
    first.accepted()?;
    let written_otherwise = serde_json::to_string_pretty(&request).unwrap_or_default();
    let again = session.create_from(written_otherwise).await?;
    again.demand(again.status == first.status && again.json == first.json, "the first answer")
}

const OTHER: Rule = rule(
    "idempotency.other-request",
    "Another request of the same requestId is refused with PAYMENT_EXISTS, and the first stays as it was.",
    CREATE,
);
async fn other(session: &Session) -> Verdict {
    let request = session.payment();
    let first = session.create(&request).await?;
    let id = first.accepted()?;
    let mut other = request.clone();
    other["purpose"] = "Etwas anderes".into();
    session.create(&other).await?.refused(EXISTS)?;
    let now = session.poll(&id).await?;
    now.demand(now.json == first.json, format!("what it was before: {}", shorten(&first.text)))
}

const EQUAL_AT_ONCE: Rule = rule(
    "idempotency.equal-at-once",
    "Of 20 equal requests at once exactly one transaction comes; none fails otherwise.",
    CREATE,
);
async fn equal_at_once(session: &Session) -> Verdict {
    let request = session.payment();
    let answers = at_once(session, vec![request; AT_ONCE]).await?;
    let Some(first) = answers.iter().find_map(|answer| answer.accepted().ok()) else {
        return Err(answers[0].unlike("that one of 20 is accepted"));
    };
    answers.iter().try_for_each(|answer| the_first_or_refused(answer, &first))?;
    session.poll(&first).await?.is_in("INITIAL")
}

const OTHERS_AT_ONCE: Rule = rule(
    "idempotency.others-at-once",
    "Of 20 different requests of one requestId at once exactly one is accepted, the others get PAYMENT_EXISTS.",
    CREATE,
);
async fn others_at_once(session: &Session) -> Verdict {
    let request = session.payment();
    let requests = (0..AT_ONCE).map(|number| {
        let mut request = request.clone();
        request["purpose"] = format!("Antrag {number}").into();
        request
    });
    let answers = at_once(session, requests.collect()).await?;
    let (accepted, others): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.accepted().is_ok());
    let told = format!("that 1 of 20 is accepted, not {}", accepted.len());
    answers[0].demand(accepted.len() == 1, told)?;
    others.iter().try_for_each(|answer| answer.refused(EXISTS))
}

async fn at_once(session: &Session, requests: Vec<Value>) -> Result<Vec<Answer>, Finding> {
    let answers = join_all(requests.iter().map(|request| session.create(request))).await;
    answers.into_iter().collect()
}

const KEY_PLACE: &str = "Idempotency-Key (draft-ietf-httpapi-idempotency-key-header)";

const KEY: Rule = extension(
    "idempotency.key",
    "The same request with the same Idempotency-Key gets the first answer.",
    KEY_PLACE,
);
async fn key(session: &Session) -> Verdict {
    let (request, key) = (session.payment(), session.request_id());
    let first = with_key(session, &request, &key).await?;
    first.accepted()?;
    let again = with_key(session, &request, &key).await?;
    again.demand(again.status == first.status && again.json == first.json, "the first answer")
}

const KEY_REUSED: Rule = extension(
    "idempotency.key-reused",
    "An Idempotency-Key that was used for another request is refused with 422, and nothing is stored.",
    KEY_PLACE,
);
async fn key_reused(session: &Session) -> Verdict {
    let (request, key) = (session.payment(), session.request_id());
    with_key(session, &request, &key).await?.accepted()?;
    let other = session.payment();
    let refused = with_key(session, &other, &key).await?;
    refused.demand(refused.status == 422, "422")?;
    let mut changed = other;
    changed["purpose"] = "Noch frei".into();
    session.create(&changed).await?.accepted().map(drop)
}

const KEY_LONG: Rule =
    extension("idempotency.key-length", "An Idempotency-Key has at most 255 characters.", KEY_PLACE);
async fn key_too_long(session: &Session) -> Verdict {
    let key = |length: usize| format!("{:_<length$}", session.request_id());
    with_key(session, &session.payment(), &key(255)).await?.accepted()?;
    with_key(session, &session.payment(), &key(256)).await?.client_error()
}

async fn with_key(session: &Session, request: &Value, key: &str) -> Result<Answer, Finding> {
    let call = session.call(Method::POST, &session.creating())?.header(CONTENT_TYPE, "application/json");
    let call = call.header("Idempotency-Key", key).body(request.to_string());
    let told =
        format!("POST {} Idempotency-Key: {key} {}", session.creating(), shorten(&request.to_string()));
    session.answer(call, &told).await
}
