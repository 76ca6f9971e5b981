// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What is answered when all is well: create, poll and status.
//!
//! Left open by the standard, and so not judged: whether what is not there is `null` or left out, and
//! with how many zeros a number is written.

use jiff::Timestamp;
use serde_json::Value;
use url::Url;

use super::expect::{CREATE, INFORMATION, POLL, REQUEST, STATUS, absent, cents, rule};
use super::session::{Answer, Session, shorten};
use crate::{Finding, Report, Rule, Verdict};

pub async fn judge(session: &Session, report: &mut Report) {
    report.judge(PAYABLE, payable(session)).await;
    report.judge(CREATED, created(session)).await;
    report.judge(POLLED, polled(session)).await;
    report.judge(TRANSACTION_URL, transaction_url(session)).await;
    report.judge(ECHO, echo(session)).await;
    report.judge(AMOUNTS, amounts(session)).await;
    report.judge(INITIAL, initial(session)).await;
    report.judge(PURE, pure(session)).await;
}

async fn new(session: &Session) -> Result<Answer, Finding> {
    let answer = session.create(&session.payment()).await?;
    answer.accepted()?;
    Ok(answer)
}

const PAYABLE: Rule = rule("answers.status", "GET /status answers 200 for a pair that can be paid.", STATUS);
async fn payable(session: &Session) -> Verdict {
    let answer = session.get(&session.asking()).await?;
    answer.demand(answer.status == 200, "200")
}

const CREATED: Rule =
    rule("answers.created", "POST answers 200 with a PaymentTransaction as application/json.", CREATE);
async fn created(session: &Session) -> Verdict {
    well_formed(&new(session).await?)
}

const POLLED: Rule = rule(
    "answers.polled",
    "GET answers 200 with the same PaymentTransaction as POST, as application/json.",
    POLL,
);
async fn polled(session: &Session) -> Verdict {
    let created = new(session).await?;
    let polled = session.poll(&created.accepted()?).await?;
    well_formed(&polled)?;
    polled.demand(polled.json == created.json, format!("what POST answered: {}", shorten(&created.text)))
}

fn well_formed(answer: &Answer) -> Verdict {
    answer.demand(answer.status == 200, "200")?;
    let kind = answer.header("content-type");
    answer.demand(kind.starts_with("application/json"), "content-type: application/json")?;
    let text = |field| answer.information(field).as_str().is_some_and(|text| !text.is_empty());
    let known = ["INITIAL", "PAYED", "FAILED", "CANCELED"];
    let status = answer.information("status").as_str().is_some_and(|status| known.contains(&status));
    answer.demand(status, format!("paymentInformation.status, one of {known:?}"))?;
    answer.demand(text("transactionId"), "paymentInformation.transactionId")?;
    answer.demand(text("transactionUrl"), "paymentInformation.transactionUrl")?;
    answer.demand(answer.json["paymentRequest"].is_object(), "paymentRequest")
}

const TRANSACTION_URL: Rule = rule(
    "answers.transactionUrl",
    "transactionUrl is the URL by which the transaction is polled.",
    INFORMATION,
);
async fn transaction_url(session: &Session) -> Verdict {
    let created = new(session).await?;
    let told = created.information("transactionUrl").as_str().unwrap_or_default();
    let id = created.accepted()?;
    let expected = format!("a URL that ends in {}", session.polling(&id));
    let url = Url::parse(told).map_err(|_| created.unlike(expected.clone()))?;
    created.demand(url.path().ends_with(&format!("/{}", session.polling(&id))), expected)
}

const ECHO: Rule =
    rule("answers.echo", "paymentRequest echoes every field of the request that the standard names.", CREATE);
async fn echo(session: &Session) -> Verdict {
    let request = session.payment_of(vec![session.item(33_33, 6_33, 19), session.item(1, 0, 0)]);
    let created = session.create(&request).await?;
    let polled = session.poll(&created.accepted()?).await?;
    for answer in [created, polled] {
        if let Some(field) = differing(&request, &answer.json["paymentRequest"], "paymentRequest") {
            return Err(answer.unlike(format!("{field} as it was sent")));
        }
    }
    Ok(())
}

/// The first field of what was sent that did not come back: numbers by value, times as points in time.
fn differing(sent: &Value, echoed: &Value, path: &str) -> Option<String> {
    let same = match (sent, echoed) {
        (Value::Object(fields), Value::Object(_)) => {
            let mut inner = fields.iter();
            return inner
                .find_map(|(name, value)| differing(value, &echoed[name], &format!("{path}.{name}")));
        }
        (Value::Array(entries), Value::Array(others)) if entries.len() == others.len() => {
            let mut inner = entries.iter().zip(others).enumerate();
            return inner.find_map(|(at, (value, other))| differing(value, other, &format!("{path}[{at}]")));
        }
        (Value::Object(fields), other) if fields.is_empty() => absent(other),
        (Value::Number(_), Value::Number(_)) => cents(sent) == cents(echoed),
        (Value::String(text), Value::String(other)) => {
            text == other || matches!((time(text), time(other)), (Some(a), Some(b)) if a == b)
        }
        _ => sent == echoed,
    };
    (!same).then(|| path.to_owned())
}

fn time(text: &str) -> Option<Timestamp> {
    text.parse().ok()
}

const AMOUNTS: Rule = rule("answers.amounts", "Amounts are JSON numbers with at most two decimals.", REQUEST);
async fn amounts(session: &Session) -> Verdict {
    let created = new(session).await?;
    let polled = session.poll(&created.accepted()?).await?;
    for answer in [created, polled] {
        let request = &answer.json["paymentRequest"];
        answer
            .demand(cents(&request["grosAmount"]).is_some(), "paymentRequest.grosAmount as such a number")?;
        for field in ["totalNetAmount", "totalTaxAmount", "singleNetAmount", "singleTaxAmount"] {
            let holds = cents(&request["items"][0][field]).is_some();
            answer.demand(holds, format!("paymentRequest.items[0].{field} as such a number"))?;
        }
    }
    Ok(())
}

const INITIAL: Rule = rule(
    "answers.initial",
    "A new transaction is INITIAL, has a web address to pay at, and neither paymentMethod nor transactionTimestamp.",
    INFORMATION,
);
async fn initial(session: &Session) -> Verdict {
    let created = new(session).await?;
    created.is_in("INITIAL")?;
    let page = created.information("transactionRedirectUrl").as_str().and_then(|url| Url::parse(url).ok());
    let web = page.is_some_and(|url| ["http", "https"].contains(&url.scheme()));
    created.demand(web, "paymentInformation.transactionRedirectUrl, an http or https URL")?;
    for field in ["paymentMethod", "transactionTimestamp"] {
        created.demand(absent(created.information(field)), format!("no paymentInformation.{field} yet"))?;
    }
    Ok(())
}

const PURE: Rule = rule("answers.polling-changes-nothing", "Polling ten times changes nothing.", POLL);
async fn pure(session: &Session) -> Verdict {
    let created = new(session).await?;
    let id = created.accepted()?;
    let first = session.poll(&id).await?;
    for _ in 0..10 {
        let again = session.poll(&id).await?;
        again.demand(
            again.json == first.json,
            format!("what the first poll answered: {}", shorten(&first.text)),
        )?;
    }
    Ok(())
}
