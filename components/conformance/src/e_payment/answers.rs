// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on the answers to valid calls: create, poll and status.
//!
//! The standard leaves open, and so the rules do not check, whether a missing value is `null` or left out, and
//! how many trailing zeros a number has.

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::expect::{CREATE, INFORMATION, POLL, REQUEST, STATUS, is_absent, parse_cents, rule};
use super::session::{Answer, Session, shorten};
use crate::{CheckResult, Finding, Report, Rule};

pub async fn check(session: &Session, report: &mut Report) {
    report.check(STATUS_OF_PAIR, check_status_of_pair(session)).await;
    report.check(CREATED, check_created(session)).await;
    report.check(POLLED, check_polled(session)).await;
    report.check(TRANSACTION_URL, check_transaction_url(session)).await;
    report.check(ECHO, check_echo(session)).await;
    report.check(AMOUNTS, check_amounts(session)).await;
    report.check(INITIAL, check_initial(session)).await;
    report.check(POLLING_CHANGES_NOTHING, check_polling_changes_nothing(session)).await;
}

async fn create_payment(session: &Session) -> Result<Answer, Finding> {
    let answer = session.create(&session.payment()).await?;
    answer.expect_accepted()?;
    Ok(answer)
}

const STATUS_OF_PAIR: Rule = rule(
    "answers.status",
    "GET /status answers 200 for a pair of originator and end point that can receive payments.",
    STATUS,
);
async fn check_status_of_pair(session: &Session) -> CheckResult {
    let answer = session.get(&session.status_path()).await?;
    answer.ensure(answer.status == 200, "200")
}

const CREATED: Rule =
    rule("answers.created", "POST answers 200 with a PaymentTransaction as application/json.", CREATE);
async fn check_created(session: &Session) -> CheckResult {
    check_well_formed(&create_payment(session).await?)
}

const POLLED: Rule = rule(
    "answers.polled",
    "GET answers 200 with the same PaymentTransaction as POST, as application/json.",
    POLL,
);
async fn check_polled(session: &Session) -> CheckResult {
    let created = create_payment(session).await?;
    let polled = session.poll(&created.expect_accepted()?).await?;
    check_well_formed(&polled)?;
    polled.ensure(polled.json == created.json, format!("the answer to POST: {}", shorten(&created.text)))
}

fn check_well_formed(answer: &Answer) -> CheckResult {
    answer.ensure(answer.status == 200, "200")?;
    let content_type = answer.header("content-type");
    answer.ensure(content_type.starts_with("application/json"), "content-type: application/json")?;
    let is_text = |field| answer.payment_information(field).as_str().is_some_and(|text| !text.is_empty());
    let states = ["INITIAL", "PAYED", "FAILED", "CANCELED"];
    let has_state =
        answer.payment_information("status").as_str().is_some_and(|status| states.contains(&status));
    answer.ensure(has_state, format!("paymentInformation.status, one of {states:?}"))?;
    answer.ensure(is_text("transactionId"), "paymentInformation.transactionId")?;
    answer.ensure(is_text("transactionUrl"), "paymentInformation.transactionUrl")?;
    answer.ensure(answer.json["paymentRequest"].is_object(), "paymentRequest")
}

const TRANSACTION_URL: Rule = rule(
    "answers.transactionUrl",
    "transactionUrl is the URL by which the transaction is polled.",
    INFORMATION,
);
async fn check_transaction_url(session: &Session) -> CheckResult {
    let created = create_payment(session).await?;
    let transaction_url = created.payment_information("transactionUrl").as_str().unwrap_or_default();
    let id = created.expect_accepted()?;
    let expected = format!("a URL that ends in {}", session.poll_path(&id));
    let url = Url::parse(transaction_url).map_err(|_| created.mismatch(expected.clone()))?;
    created.ensure(url.path().ends_with(&format!("/{}", session.poll_path(&id))), expected)
}

const ECHO: Rule =
    rule("answers.echo", "paymentRequest echoes every field of the request that the standard names.", CREATE);
async fn check_echo(session: &Session) -> CheckResult {
    let request = session.payment_with_items(vec![session.item(33_33, 6_33, 19), session.item(1, 0, 0)]);
    let created = session.create(&request).await?;
    let polled = session.poll(&created.expect_accepted()?).await?;
    for answer in [created, polled] {
        if let Some(field) = find_difference(&request, &answer.json["paymentRequest"], "paymentRequest") {
            return Err(answer.mismatch(format!("{field} as it was sent")));
        }
    }
    Ok(())
}

/// Returns the path of the first field that was not echoed as it was sent. Numbers are compared by value, times
/// as points in time.
fn find_difference(sent: &Value, echoed: &Value, path: &str) -> Option<String> {
    let is_same = match (sent, echoed) {
        (Value::Object(fields), Value::Object(_)) => {
            let mut inner = fields.iter();
            return inner
                .find_map(|(name, value)| find_difference(value, &echoed[name], &format!("{path}.{name}")));
        }
        (Value::Array(entries), Value::Array(others)) if entries.len() == others.len() => {
            let mut inner = entries.iter().zip(others).enumerate();
            return inner
                .find_map(|(at, (value, other))| find_difference(value, other, &format!("{path}[{at}]")));
        }
        (Value::Object(fields), other) if fields.is_empty() => is_absent(other),
        (Value::Number(_), Value::Number(_)) => parse_cents(sent) == parse_cents(echoed),
        (Value::String(text), Value::String(other)) => {
            text == other || matches!((parse_time(text), parse_time(other)), (Some(a), Some(b)) if a == b)
        }
        _ => sent == echoed,
    };
    (!is_same).then(|| path.to_owned())
}

fn parse_time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

const AMOUNTS: Rule = rule("answers.amounts", "Amounts are JSON numbers with at most two decimals.", REQUEST);
async fn check_amounts(session: &Session) -> CheckResult {
    let created = create_payment(session).await?;
    let polled = session.poll(&created.expect_accepted()?).await?;
    for answer in [created, polled] {
        let request = &answer.json["paymentRequest"];
        answer.ensure(
            parse_cents(&request["grosAmount"]).is_some(),
            "paymentRequest.grosAmount as a number with at most two decimals",
        )?;
        for field in ["totalNetAmount", "totalTaxAmount", "singleNetAmount", "singleTaxAmount"] {
            let is_amount = parse_cents(&request["items"][0][field]).is_some();
            answer.ensure(
                is_amount,
                format!("paymentRequest.items[0].{field} as a number with at most two decimals"),
            )?;
        }
    }
    Ok(())
}

const INITIAL: Rule = rule(
    "answers.initial",
    "A new transaction is INITIAL, has a URL of a pay page, and neither paymentMethod nor transactionTimestamp.",
    INFORMATION,
);
async fn check_initial(session: &Session) -> CheckResult {
    let created = create_payment(session).await?;
    created.expect_state("INITIAL")?;
    let page =
        created.payment_information("transactionRedirectUrl").as_str().and_then(|url| Url::parse(url).ok());
    let is_web_url = page.is_some_and(|url| ["http", "https"].contains(&url.scheme()));
    created.ensure(is_web_url, "paymentInformation.transactionRedirectUrl, an http or https URL")?;
    for field in ["paymentMethod", "transactionTimestamp"] {
        created.ensure(
            is_absent(created.payment_information(field)),
            format!("no paymentInformation.{field} yet"),
        )?;
    }
    Ok(())
}

const POLLING_CHANGES_NOTHING: Rule =
    rule("answers.polling-changes-nothing", "Polling ten times changes nothing.", POLL);
async fn check_polling_changes_nothing(session: &Session) -> CheckResult {
    let created = create_payment(session).await?;
    let id = created.expect_accepted()?;
    let first = session.poll(&id).await?;
    for _ in 0..10 {
        let again = session.poll(&id).await?;
        again.ensure(
            again.json == first.json,
            format!("the answer to the first poll: {}", shorten(&first.text)),
        )?;
    }
    Ok(())
}
