// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Nobody is served without proving who they are. How they do is left open by the standard; a service
//! that leaves it to a proxy in front (mutual TLS) is asked without credentials.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use super::expect::rule;
use super::session::{Answer, Session};
use crate::{Finding, Report, Rule, Verdict};

const PLACE: &str = "XBezahldienste 1.0.0, authentication; RFC 9110, section 15.5.2";

pub async fn judge(session: &Session, report: &mut Report) {
    report.judge(MISSING, missing(session)).await;
    report.judge(WRONG, wrong(session)).await;
    report.judge(CHALLENGE, challenge(session)).await;
    report.judge(NOTHING_STORED, nothing_stored(session)).await;
}

/// What proves who asks, where anything does.
fn proof(session: &Session) -> Result<&str, Finding> {
    let reason = "no credentials were given; --token, --user or --client-id says how one is known here";
    session.authorization.as_deref().ok_or_else(|| Finding::not_applicable(reason))
}

/// Each of the three calls, with this instead of what proves who asks.
async fn calls(session: &Session, authorization: Option<&str>) -> Result<Vec<Answer>, Finding> {
    let id = session.create(&session.payment()).await?.accepted()?;
    let mut answers = vec![create(session, &session.payment(), authorization).await?];
    for path in [session.polling(&id), session.asking()] {
        let mut call = session.anonymous(Method::GET, &path)?;
        if let Some(value) = authorization {
            call = call.header(AUTHORIZATION, value);
        }
        answers.push(session.answer(call, &format!("GET {path}, {}", told(authorization))).await?);
    }
    Ok(answers)
}

async fn create(session: &Session, request: &Value, authorization: Option<&str>) -> Result<Answer, Finding> {
    let mut call = session.anonymous(Method::POST, &session.creating())?;
    if let Some(value) = authorization {
        call = call.header(AUTHORIZATION, value);
    }
    let call = call.header(CONTENT_TYPE, "application/json").body(request.to_string());
    session.answer(call, &format!("POST {}, {}", session.creating(), told(authorization))).await
}

fn told(authorization: Option<&str>) -> String {
    // Right credentials that were spoilt are nearly right ones.
    let scheme = authorization.and_then(|value| value.split_once(' ')).map(|(scheme, _)| scheme);
    scheme.map_or("without credentials".to_owned(), |scheme| format!("with wrong credentials ({scheme})"))
}

const MISSING: Rule = rule("authentication.missing", "Each call without credentials is 401.", PLACE);
async fn missing(session: &Session) -> Verdict {
    proof(session)?;
    let answers = calls(session, None).await?;
    answers.iter().try_for_each(|answer| answer.demand(answer.status == 401, "401"))
}

const WRONG: Rule = rule("authentication.wrong", "Each call with wrong credentials is 401.", PLACE);
async fn wrong(session: &Session) -> Verdict {
    let right = proof(session)?;
    let (scheme, secret) = right.split_once(' ').unwrap_or(("Bearer", right));
    let reversed: String = secret.chars().rev().collect();
    // The last two decode to `nobody:wrong` and to nothing at all.
    for value in [
        format!("{scheme} {secret}x"),
        format!("{scheme} {reversed}"),
        format!("{scheme} "),
        "Basic bm9ib2R5Ondyb25n".to_owned(),
        "Basic !".to_owned(),
    ] {
        for answer in calls(session, Some(&value)).await? {
            answer.demand(answer.status == 401, "401")?;
        }
    }
    Ok(())
}

const CHALLENGE: Rule =
    rule("authentication.challenge", "401 says by WWW-Authenticate how one proves who one is.", PLACE);
async fn challenge(session: &Session) -> Verdict {
    proof(session)?;
    for answer in calls(session, None).await? {
        answer.demand(!answer.header("www-authenticate").is_empty(), "a header WWW-Authenticate")?;
    }
    Ok(())
}

const NOTHING_STORED: Rule = rule(
    "authentication.nothing-stored",
    "What nobody sent leaves nothing behind: its requestId can be used afterwards.",
    PLACE,
);
async fn nothing_stored(session: &Session) -> Verdict {
    proof(session)?;
    let request = session.payment();
    create(session, &request, None).await?.client_error()?;
    let mut other = request;
    other["purpose"] = "Noch frei".into();
    session.create(&other).await?.accepted().map(drop)
}
