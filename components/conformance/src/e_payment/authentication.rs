// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on authentication: calls without valid credentials are refused. The standard leaves open how callers
//! authenticate. If a proxy in front of the service does it (mutual TLS), the runner has no credentials and
//! these rules are not applicable.

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use super::expect::rule;
use super::session::{Answer, Session};
use crate::{CheckResult, Finding, Report, Rule};

const AUTHENTICATION: &str = "XBezahldienste 1.0.0, authentication; RFC 9110, section 15.5.2";

pub async fn check(session: &Session, report: &mut Report) {
    report.check(MISSING, check_missing(session)).await;
    report.check(WRONG, check_wrong(session)).await;
    report.check(CHALLENGE, check_challenge(session)).await;
    report.check(NOTHING_STORED, check_nothing_stored(session)).await;
}

/// Returns the value of the header `Authorization`; the rules are not applicable if there are no credentials.
fn require_authorization(session: &Session) -> Result<&str, Finding> {
    let reason = "no credentials were given; --token, --user or --client-id gives them";
    session.authorization.as_deref().ok_or_else(|| Finding::not_applicable(reason))
}

/// Sends each of the three calls with this value of the header `Authorization` instead of the valid one.
async fn send_all_calls(session: &Session, authorization: Option<&str>) -> Result<Vec<Answer>, Finding> {
    let id = session.create(&session.payment()).await?.expect_accepted()?;
    let mut answers = vec![create_with(session, &session.payment(), authorization).await?];
    for path in [session.poll_path(&id), session.status_path()] {
        let mut request_builder = session.anonymous_request(Method::GET, &path)?;
        if let Some(value) = authorization {
            request_builder = request_builder.header(AUTHORIZATION, value);
        }
        answers.push(
            session
                .send(request_builder, &format!("GET {path}, {}", describe_credentials(authorization)))
                .await?,
        );
    }
    Ok(answers)
}

async fn create_with(
    session: &Session,
    request: &Value,
    authorization: Option<&str>,
) -> Result<Answer, Finding> {
    let mut request_builder = session.anonymous_request(Method::POST, &session.create_path())?;
    if let Some(value) = authorization {
        request_builder = request_builder.header(AUTHORIZATION, value);
    }
    let request_builder = request_builder.header(CONTENT_TYPE, "application/json").body(request.to_string());
    session
        .send(
            request_builder,
            &format!("POST {}, {}", session.create_path(), describe_credentials(authorization)),
        )
        .await
}

fn describe_credentials(authorization: Option<&str>) -> String {
    // Wrong credentials are made from the valid ones, so the report must not show them.
    let scheme = authorization.and_then(|value| value.split_once(' ')).map(|(scheme, _)| scheme);
    scheme.map_or("without credentials".to_owned(), |scheme| format!("with wrong credentials ({scheme})"))
}

const MISSING: Rule =
    rule("authentication.missing", "Each call without credentials answers 401.", AUTHENTICATION);
async fn check_missing(session: &Session) -> CheckResult {
    require_authorization(session)?;
    let answers = send_all_calls(session, None).await?;
    answers.iter().try_for_each(|answer| answer.ensure(answer.status == 401, "401"))
}

const WRONG: Rule =
    rule("authentication.wrong", "Each call with wrong credentials answers 401.", AUTHENTICATION);
async fn check_wrong(session: &Session) -> CheckResult {
    let valid = require_authorization(session)?;
    let (scheme, secret) = valid.split_once(' ').unwrap_or(("Bearer", valid));
    let reversed: String = secret.chars().rev().collect();
    // The fourth value is `nobody:wrong` in base64, the fifth is not valid base64.
    for value in [
        format!("{scheme} {secret}x"),
        format!("{scheme} {reversed}"),
        format!("{scheme} "),
        "Basic bm9ib2R5Ondyb25n".to_owned(),
        "Basic !".to_owned(),
    ] {
        for answer in send_all_calls(session, Some(&value)).await? {
            answer.ensure(answer.status == 401, "401")?;
        }
    }
    Ok(())
}

const CHALLENGE: Rule = rule(
    "authentication.challenge",
    "An answer 401 names the authentication scheme in the header WWW-Authenticate.",
    AUTHENTICATION,
);
async fn check_challenge(session: &Session) -> CheckResult {
    require_authorization(session)?;
    for answer in send_all_calls(session, None).await? {
        answer.ensure(!answer.header("www-authenticate").is_empty(), "a header WWW-Authenticate")?;
    }
    Ok(())
}

const NOTHING_STORED: Rule = rule(
    "authentication.nothing-stored",
    "A call without credentials stores nothing: its requestId can be used afterwards.",
    AUTHENTICATION,
);
async fn check_nothing_stored(session: &Session) -> CheckResult {
    require_authorization(session)?;
    let request = session.payment();
    create_with(session, &request, None).await?.expect_client_error()?;
    let mut changed = request;
    changed["purpose"] = "Noch frei".into();
    session.create(&changed).await?.expect_accepted().map(drop)
}
