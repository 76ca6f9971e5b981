// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on errors: their format, who may see which transaction, and that a refused request stores nothing.
//!
//! The standard leaves open, and so the rules do not check, the exact status of a refusal (400, 409 or 422) and
//! whether `type` and `detail` are present; if they are, they must keep their limits.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::expect::{
    BODY_CODES, BOOKING_CODES, CREATE, EXISTS_CODES, FIELD_CODES, PAIR_CODES, POLL, PROBLEM, REQUEST, STATUS,
    SUM_CODES, extension, rule,
};
use super::payment::{euros, repeat_letter};
use super::session::{Answer, Session};
use crate::{CheckResult, Finding, Report, Rule};

/// A well-formed id that no service knows.
const UNKNOWN_ID: &str = "conformance-unknown-0000000000000000";

pub async fn check(session: &Session, report: &mut Report) {
    report.check(PROBLEM_FORMAT, check_problem_format(session)).await;
    report.check(LENGTH_LIMITS, check_length_limits(session)).await;
    report.check(EXISTING_PAYMENT, check_payment_exists(session)).await;
    report.check(NOTHING_STORED, check_nothing_stored(session)).await;
    report.check(BOOKING_DATA, check_booking_data(session)).await;
    report.check(UNKNOWN_TRANSACTION, check_unknown_transaction(session)).await;
    report.check(FOREIGN_ORIGINATOR, check_foreign_originator(session)).await;
    report.check(UNKNOWN_END_POINT, check_unknown_end_point(session)).await;
    report.check(STATUS_OF_UNKNOWN, check_status_of_unknown(session)).await;
    report.check(PATH_IDS, check_path_ids(session)).await;
    report.check(OTHER_METHODS, check_other_methods(session)).await;
    report.check(DUPLICATE_KEYS, check_duplicate_keys(session)).await;
}

const PROBLEM_FORMAT: Rule = rule(
    "errors.problem",
    "Errors are application/problem+json with the status of the answer, a title and a functionalCode of the standard.",
    PROBLEM,
);
async fn check_problem_format(session: &Session) -> CheckResult {
    for answer in provoke_errors(session).await? {
        ensure_problem(&answer)?;
    }
    Ok(())
}

/// Provokes one error of each kind.
async fn provoke_errors(session: &Session) -> Result<Vec<Answer>, Finding> {
    let request = session.payment();
    session.create(&request).await?.expect_accepted()?;
    let mut changed = request;
    changed["purpose"] = "Etwas anderes".into();
    let mut wrong_sum = session.payment();
    wrong_sum["grosAmount"] = euros(28_81);
    let unknown_end_point = format!("paymenttransaction/{}/{UNKNOWN_ID}", session.originator);
    Ok(vec![
        session.create(&session.payment_without("/purpose").request).await?,
        session.create(&wrong_sum).await?,
        session.create(&changed).await?,
        session.create_raw("{").await?,
        session.poll(UNKNOWN_ID).await?,
        session.get(&format!("{unknown_end_point}/{UNKNOWN_ID}")).await?,
    ])
}

const FUNCTIONAL_CODES: [&str; 8] = [
    "NO_VALID_ORIGINATOR_OR_ENDPOINT",
    "NO_VALID_ORIGINATOR_OR_DESTINATION",
    "PAYMENT_EXISTS",
    "CALCULATION_ERROR",
    "BOOKING_DATA_MISSING",
    "VALIDATION_ERROR",
    "FORBIDDEN",
    "UNSPECIFIED",
];

fn ensure_problem(answer: &Answer) -> CheckResult {
    let field = |name: &str| &answer.json[name];
    let content_type = answer.header("content-type");
    answer.ensure((400..600).contains(&answer.status), "an error status")?;
    answer.ensure(
        content_type.starts_with("application/problem+json"),
        "content-type: application/problem+json",
    )?;
    answer
        .ensure(field("status") == answer.status, format!("status {} in the body as well", answer.status))?;
    let has_code = field("functionalCode").as_str().is_some_and(|code| FUNCTIONAL_CODES.contains(&code));
    answer.ensure(has_code, format!("functionalCode, one of {}", FUNCTIONAL_CODES.join(", ")))?;
    answer.ensure(field("title").is_string(), "a title")?;
    for (name, max_length) in [("type", 2082), ("title", 250), ("detail", 2000)] {
        let fits = match field(name) {
            Value::Null => true,
            value => value.as_str().is_some_and(|text| text.chars().count() <= max_length),
        };
        answer.ensure(fits, format!("{name}, a text of at most {max_length} characters"))?;
    }
    Ok(())
}

const LENGTH_LIMITS: Rule = rule(
    "errors.limits",
    "title and detail have at most 250 and 2000 characters, even if the invalid value is long.",
    PROBLEM,
);
async fn check_length_limits(session: &Session) -> CheckResult {
    let long = repeat_letter("ä", 5000);
    for pointer in ["/requestId", "/purpose", "/currency", "/items/0/taxRate", "/requestor/gender"] {
        ensure_problem(&session.create(&session.payment_with(pointer, long.clone()).request).await?)?;
    }
    Ok(())
}

const EXISTING_PAYMENT: Rule = rule(
    "errors.payment-exists",
    "A requestId that another payment has is refused with PAYMENT_EXISTS.",
    PROBLEM,
);
async fn check_payment_exists(session: &Session) -> CheckResult {
    let request = session.payment();
    session.create(&request).await?.expect_accepted()?;
    let mut changed = request;
    changed["description"] = "Etwas anderes".into();
    session.create(&changed).await?.expect_refused(EXISTS_CODES)
}

const NOTHING_STORED: Rule = rule(
    "errors.nothing-stored",
    "A refused request stores nothing: its requestId can be used afterwards.",
    CREATE,
);
async fn check_nothing_stored(session: &Session) -> CheckResult {
    let invalid_fields: [(&str, Value, &[&str]); 4] = [
        ("/purpose", repeat_letter("a", 28), FIELD_CODES),
        ("/grosAmount", euros(28_81), SUM_CODES),
        ("/items/0/bookingData", Value::Array(vec![]), BOOKING_CODES),
        ("/requestor/gender", "X".into(), FIELD_CODES),
    ];
    for (pointer, value, codes) in invalid_fields {
        let request = session.payment();
        let mut refused = request.clone();
        if let Some(field) = refused.pointer_mut(pointer) {
            *field = value;
        }
        session.create(&refused).await?.expect_refused(codes)?;
        session.create(&request).await?.expect_accepted()?;
    }
    let request = session.payment();
    let text = request.to_string();
    session.create_raw(&text.as_bytes()[..text.len() - 1]).await?.expect_refused(BODY_CODES)?;
    session.create(&request).await?.expect_accepted().map(drop)
}

const BOOKING_DATA: Rule = rule(
    "errors.booking-data-missing",
    "An item without a key of bookingData that the authority needs is refused with BOOKING_DATA_MISSING.",
    REQUEST,
);
async fn check_booking_data(session: &Session) -> CheckResult {
    if session.booking_data.is_empty() {
        let reason = "the authority needs no bookingData; --booking-data KEY=VALUE says which it needs";
        return Err(Finding::not_applicable(reason));
    }
    for key in session.booking_data.keys() {
        let missing = session.payment_without(&format!("/items/0/bookingData/{key}")).request;
        session.create(&missing).await?.expect_refused(&["BOOKING_DATA_MISSING"])?;
    }
    Ok(())
}

const UNKNOWN_TRANSACTION: Rule =
    rule("errors.unknown-transaction", "Polling an unknown transaction answers 404.", POLL);
async fn check_unknown_transaction(session: &Session) -> CheckResult {
    let answer = session.poll(UNKNOWN_ID).await?;
    answer.ensure(answer.status == 404, "404")
}

const FOREIGN_ORIGINATOR: Rule = rule(
    "errors.foreign-originator",
    "Polling a transaction with another originator or end point answers 403 or 404.",
    POLL,
);
async fn check_foreign_originator(session: &Session) -> CheckResult {
    let id = session.create(&session.payment()).await?.expect_accepted()?;
    for (originator, end_point) in
        [(UNKNOWN_ID, session.end_point.as_str()), (&session.originator, UNKNOWN_ID)]
    {
        let answer = session.get(&format!("paymenttransaction/{originator}/{end_point}/{id}")).await?;
        answer.ensure([403, 404].contains(&answer.status), "403 or 404")?;
    }
    Ok(())
}

const UNKNOWN_END_POINT: Rule = rule(
    "errors.unknown-end-point",
    "A payment to an end point that the service does not have is refused (400, 403 or 404) with NO_VALID_ORIGINATOR_OR_ENDPOINT or FORBIDDEN.",
    CREATE,
);
async fn check_unknown_end_point(session: &Session) -> CheckResult {
    let path = format!("paymenttransaction/{}/{UNKNOWN_ID}", session.originator);
    let request = session.request(Method::POST, &path)?.header(CONTENT_TYPE, "application/json");
    let answer = session.send(request.body(session.payment().to_string()), &format!("POST {path}")).await?;
    let has_code = answer.json["functionalCode"].as_str().is_some_and(|code| PAIR_CODES.contains(&code));
    let is_refused = has_code && [400, 403, 404].contains(&answer.status);
    answer.ensure(is_refused, format!("400, 403 or 404 with functionalCode {}", PAIR_CODES.join(" or ")))
}

const STATUS_OF_UNKNOWN: Rule = rule(
    "errors.status-of-unknown-pair",
    "GET /status answers 403 for a pair that is not configured.",
    STATUS,
);
async fn check_status_of_unknown(session: &Session) -> CheckResult {
    let answer = session.get(&format!("status/{}/{UNKNOWN_ID}", session.originator)).await?;
    answer.ensure(answer.status == 403, "403")
}

const PATH_IDS: Rule = rule(
    "errors.path-ids",
    "originatorId and endPointId have 1 to 36 letters, digits, _ and -; anything else is refused.",
    CREATE,
);
async fn check_path_ids(session: &Session) -> CheckResult {
    let too_long = "a".repeat(37);
    for invalid in ["%20", "a.b", "a%2Fb", "%00", "%FF", "%F0%9F%99%82", "a'b", &too_long] {
        for path in [format!("{invalid}/{}", session.end_point), format!("{}/{invalid}", session.originator)]
        {
            session.get(&format!("status/{path}")).await?.expect_client_error()?;
            session.get(&format!("paymenttransaction/{path}/{UNKNOWN_ID}")).await?.expect_client_error()?;
        }
    }
    for invalid in ["%00", "%FF", "..%2F", "a'b"] {
        session.poll(invalid).await?.expect_client_error()?;
    }
    Ok(())
}

const OTHER_METHODS: Rule = rule(
    "errors.other-methods",
    "HTTP methods that the standard does not define are refused and change nothing.",
    CREATE,
);
async fn check_other_methods(session: &Session) -> CheckResult {
    let created = session.create(&session.payment()).await?;
    let id = created.expect_accepted()?;
    let (collection, transaction) = (session.create_path(), session.poll_path(&id));
    for (method, path) in [
        (Method::GET, &collection),
        (Method::PUT, &collection),
        (Method::DELETE, &collection),
        (Method::POST, &transaction),
        (Method::PUT, &transaction),
        (Method::PATCH, &transaction),
        (Method::DELETE, &transaction),
        (Method::POST, &session.status_path()),
    ] {
        let request = session.request(method.clone(), path)?;
        session.send(request, &format!("{method} {path}")).await?.expect_client_error()?;
    }
    let now = session.poll(&id).await?;
    now.ensure(now.json == created.json, "the transaction as it was before")
}

const DUPLICATE_KEYS: Rule = extension(
    "errors.duplicate-keys",
    "A request with a duplicate field or a duplicate key of bookingData is refused, since either value could be meant.",
    "RFC 8259, section 4",
);
async fn check_duplicate_keys(session: &Session) -> CheckResult {
    let request = session.payment().to_string();
    session
        .create_raw(request.replacen('{', "{\"currency\":\"EUR\",", 1))
        .await?
        .expect_refused(FIELD_CODES)?;
    let mut data = session.booking_data.clone();
    data.insert("zz".to_owned(), "1".into());
    let request = session.payment_with("/items/0/bookingData", data).request.to_string();
    session
        .create_raw(request.replacen("\"zz\":", "\"zz\":\"2\",\"zz\":", 1))
        .await?
        .expect_refused(FIELD_CODES)
}
