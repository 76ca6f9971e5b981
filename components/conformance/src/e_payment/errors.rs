// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Errors: what they look like, who sees what, and that a refused request leaves nothing behind.
//!
//! Left open by the standard, and so not judged: the exact status of a refusal (400, 409 or 422), and
//! whether `type` and `detail` are there; where they are, they keep their limits.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use super::expect::{
    BODY, BOOKING, CREATE, EXISTS, FIELD, PAIR, POLL, PROBLEM, REQUEST, STATUS, SUM, extension, rule,
};
use super::payment::{euros, letters};
use super::session::{Answer, Session};
use crate::{Finding, Report, Rule, Verdict};

/// An id of the standard's form that no service gives.
const NOBODY: &str = "conformance-unknown-0000000000000000";

pub async fn judge(session: &Session, report: &mut Report) {
    report.judge(SHAPE, shape(session)).await;
    report.judge(LIMITS, limits(session)).await;
    report.judge(EXISTING, existing(session)).await;
    report.judge(NOTHING_STORED, nothing_stored(session)).await;
    report.judge(BOOKING_DATA, booking_data(session)).await;
    report.judge(UNKNOWN, unknown(session)).await;
    report.judge(FOREIGN, foreign(session)).await;
    report.judge(END_POINT, end_point(session)).await;
    report.judge(STATUS_OF_UNKNOWN, status_of_unknown(session)).await;
    report.judge(PATH_IDS, path_ids(session)).await;
    report.judge(METHODS, methods(session)).await;
    report.judge(TWICE, twice(session)).await;
}

const SHAPE: Rule = rule(
    "errors.problem",
    "Errors are application/problem+json with the status of the answer, a title and a functionalCode of the standard.",
    PROBLEM,
);
async fn shape(session: &Session) -> Verdict {
    for answer in errors(session).await? {
        problem(&answer)?;
    }
    Ok(())
}

/// One error of each kind.
async fn errors(session: &Session) -> Result<Vec<Answer>, Finding> {
    let request = session.payment();
    session.create(&request).await?.accepted()?;
    let mut other = request;
    other["purpose"] = "Etwas anderes".into();
    let mut off = session.payment();
    off["grosAmount"] = euros(28_81);
    let elsewhere = format!("paymenttransaction/{}/{NOBODY}", session.originator);
    Ok(vec![
        session.create(&session.without("/purpose").request).await?,
        session.create(&off).await?,
        session.create(&other).await?,
        session.create_from("{").await?,
        session.poll(NOBODY).await?,
        session.get(&format!("{elsewhere}/{NOBODY}")).await?,
    ])
}

const CODES: [&str; 8] = [
    "NO_VALID_ORIGINATOR_OR_ENDPOINT",
    "NO_VALID_ORIGINATOR_OR_DESTINATION",
    "PAYMENT_EXISTS",
    "CALCULATION_ERROR",
    "BOOKING_DATA_MISSING",
    "VALIDATION_ERROR",
    "FORBIDDEN",
    "UNSPECIFIED",
];

fn problem(answer: &Answer) -> Verdict {
    let field = |name: &str| &answer.json[name];
    let kind = answer.header("content-type");
    answer.demand((400..600).contains(&answer.status), "an error")?;
    answer.demand(kind.starts_with("application/problem+json"), "content-type: application/problem+json")?;
    answer.demand(field("status") == answer.status, format!("status {} in the body, too", answer.status))?;
    let code = field("functionalCode").as_str().is_some_and(|code| CODES.contains(&code));
    answer.demand(code, format!("functionalCode, one of {}", CODES.join(", ")))?;
    answer.demand(field("title").is_string(), "a title")?;
    for (name, longest) in [("type", 2082), ("title", 250), ("detail", 2000)] {
        let fits = match field(name) {
            Value::Null => true,
            value => value.as_str().is_some_and(|text| text.chars().count() <= longest),
        };
        answer.demand(fits, format!("{name}, a text of at most {longest} characters"))?;
    }
    Ok(())
}

const LIMITS: Rule = rule(
    "errors.limits",
    "title and detail keep to 250 and 2000 characters, even where what was wrong is long.",
    PROBLEM,
);
async fn limits(session: &Session) -> Verdict {
    let long = letters("ä", 5000);
    for pointer in ["/requestId", "/purpose", "/currency", "/items/0/taxRate", "/requestor/gender"] {
        problem(&session.create(&session.with(pointer, long.clone()).request).await?)?;
    }
    Ok(())
}

const EXISTING: Rule =
    rule("errors.payment-exists", "A requestId that is taken is told as PAYMENT_EXISTS.", PROBLEM);
async fn existing(session: &Session) -> Verdict {
    let request = session.payment();
    session.create(&request).await?.accepted()?;
    let mut other = request;
    other["description"] = "Etwas anderes".into();
    session.create(&other).await?.refused(EXISTS)
}

const NOTHING_STORED: Rule = rule(
    "errors.nothing-stored",
    "A refused request leaves nothing behind: its requestId can be used afterwards.",
    CREATE,
);
async fn nothing_stored(session: &Session) -> Verdict {
    let wrong: [(&str, Value, &[&str]); 4] = [
        ("/purpose", letters("a", 28), FIELD),
        ("/grosAmount", euros(28_81), SUM),
        ("/items/0/bookingData", Value::Array(vec![]), BOOKING),
        ("/requestor/gender", "X".into(), FIELD),
    ];
    for (pointer, value, codes) in wrong {
        let request = session.payment();
        let mut refused = request.clone();
        if let Some(field) = refused.pointer_mut(pointer) {
            *field = value;
        }
        session.create(&refused).await?.refused(codes)?;
        session.create(&request).await?.accepted()?;
    }
    let request = session.payment();
    let text = request.to_string();
    session.create_from(&text.as_bytes()[..text.len() - 1]).await?.refused(BODY)?;
    session.create(&request).await?.accepted().map(drop)
}

const BOOKING_DATA: Rule = rule(
    "errors.booking-data-missing",
    "A missing key of bookingData that the authority needs is told as BOOKING_DATA_MISSING.",
    REQUEST,
);
async fn booking_data(session: &Session) -> Verdict {
    if session.booking_data.is_empty() {
        let reason = "the authority needs no bookingData; --booking-data KEY=VALUE says which it needs";
        return Err(Finding::not_applicable(reason));
    }
    for key in session.booking_data.keys() {
        let missing = session.without(&format!("/items/0/bookingData/{key}")).request;
        session.create(&missing).await?.refused(&["BOOKING_DATA_MISSING"])?;
    }
    Ok(())
}

const UNKNOWN: Rule = rule("errors.unknown-transaction", "A transaction that is not there is 404.", POLL);
async fn unknown(session: &Session) -> Verdict {
    let answer = session.poll(NOBODY).await?;
    answer.demand(answer.status == 404, "404")
}

const FOREIGN: Rule = rule(
    "errors.foreign-originator",
    "A transaction is not told to another originator or end point (403 or 404).",
    POLL,
);
async fn foreign(session: &Session) -> Verdict {
    let id = session.create(&session.payment()).await?.accepted()?;
    for (originator, end_point) in [(NOBODY, session.end_point.as_str()), (&session.originator, NOBODY)] {
        let answer = session.get(&format!("paymenttransaction/{originator}/{end_point}/{id}")).await?;
        answer.demand([403, 404].contains(&answer.status), "403 or 404")?;
    }
    Ok(())
}

const END_POINT: Rule = rule(
    "errors.unknown-end-point",
    "A payment to an end point that the service does not have is refused (403, or 400 or 404) by NO_VALID_ORIGINATOR_OR_ENDPOINT or FORBIDDEN.",
    CREATE,
);
async fn end_point(session: &Session) -> Verdict {
    let path = format!("paymenttransaction/{}/{NOBODY}", session.originator);
    let call = session.call(Method::POST, &path)?.header(CONTENT_TYPE, "application/json");
    let answer = session.answer(call.body(session.payment().to_string()), &format!("POST {path}")).await?;
    let code = answer.json["functionalCode"].as_str().is_some_and(|code| PAIR.contains(&code));
    let holds = code && [400, 403, 404].contains(&answer.status);
    answer.demand(holds, format!("403, 400 or 404 with functionalCode {}", PAIR.join(" or ")))
}

const STATUS_OF_UNKNOWN: Rule = rule(
    "errors.status-of-unknown-pair",
    "GET /status answers 403 for a pair that is not configured.",
    STATUS,
);
async fn status_of_unknown(session: &Session) -> Verdict {
    let answer = session.get(&format!("status/{}/{NOBODY}", session.originator)).await?;
    answer.demand(answer.status == 403, "403")
}

const PATH_IDS: Rule = rule(
    "errors.path-ids",
    "originatorId and endPointId have 1 to 36 letters, digits, _ and -; anything else is refused.",
    CREATE,
);
async fn path_ids(session: &Session) -> Verdict {
    let long = "a".repeat(37);
    for odd in ["%20", "a.b", "a%2Fb", "%00", "%FF", "%F0%9F%99%82", "a'b", &long] {
        for path in [format!("{odd}/{}", session.end_point), format!("{}/{odd}", session.originator)] {
            session.get(&format!("status/{path}")).await?.client_error()?;
            session.get(&format!("paymenttransaction/{path}/{NOBODY}")).await?.client_error()?;
        }
    }
    for odd in ["%00", "%FF", "..%2F", "a'b"] {
        session.poll(odd).await?.client_error()?;
    }
    Ok(())
}

const METHODS: Rule = rule(
    "errors.other-methods",
    "Other methods than those of the standard are refused, and what is there stays.",
    CREATE,
);
async fn methods(session: &Session) -> Verdict {
    let created = session.create(&session.payment()).await?;
    let id = created.accepted()?;
    let (collection, one) = (session.creating(), session.polling(&id));
    for (method, path) in [
        (Method::GET, &collection),
        (Method::PUT, &collection),
        (Method::DELETE, &collection),
        (Method::POST, &one),
        (Method::PUT, &one),
        (Method::PATCH, &one),
        (Method::DELETE, &one),
        (Method::POST, &session.asking()),
    ] {
        let call = session.call(method.clone(), path)?;
        session.answer(call, &format!("{method} {path}")).await?.client_error()?;
    }
    let now = session.poll(&id).await?;
    now.demand(now.json == created.json, "what it was before")
}

const TWICE: Rule = extension(
    "errors.duplicate-keys",
    "A field or a key of bookingData that is there twice is refused: of two none can be the right one.",
    "RFC 8259, section 4",
);
async fn twice(session: &Session) -> Verdict {
    let request = session.payment().to_string();
    session.create_from(request.replacen('{', "{\"currency\":\"EUR\",", 1)).await?.refused(FIELD)?;
    let mut data = session.booking_data.clone();
    data.insert("zz".to_owned(), "1".into());
    let request = session.with("/items/0/bookingData", data).request.to_string();
    session.create_from(request.replacen("\"zz\":", "\"zz\":\"2\",\"zz\":", 1)).await?.refused(FIELD)
}
