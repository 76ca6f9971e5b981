// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Bodies that are no requests, and clients that are no friends: refused, and the service unharmed.

use std::time::Duration;

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::expect::{BODY, CREATE, rule};
use super::session::Session;
use crate::report::Failure;
use crate::{Finding, Report, Rule, Verdict};

const LARGE: usize = 10_000_000;
const SLOW_CLIENTS: usize = 50;
/// While clients are slow, others are answered within this time.
const MEANWHILE: Duration = Duration::from_secs(5);
/// For the slow clients to be there first.
const HEAD_START: Duration = Duration::from_millis(500);

pub async fn judge(session: &Session, report: &mut Report) {
    report.judge(NO_JSON, no_json(session)).await;
    report.judge(NO_UTF8, no_utf8(session)).await;
    report.judge(DEEP, deep(session)).await;
    report.judge(CHARSET, charset(session)).await;
    report.judge(TEN_MEGABYTES, ten_megabytes(session)).await;
    report.judge(SLOW, slow(session)).await;
}

const NO_JSON: Rule = rule(
    "transport.no-json",
    "A body that is no JSON object (empty, cut off, a list, more after its end) is refused.",
    CREATE,
);
async fn no_json(session: &Session) -> Verdict {
    let right = session.payment().to_string();
    let cut_off =
        [1, right.len() / 2, right.len() - 1].map(|length| right[..floor(&right, length)].to_owned());
    let others = ["", "null", "[]", "\"text\"", "<xml/>", "a=b"].map(str::to_owned);
    let more = format!("{right} {{}}");
    for body in cut_off.into_iter().chain(others).chain([more]) {
        session.create_from(body).await?.refused(BODY)?;
    }
    Ok(())
}

/// The nearest place at or before `length` where the text may be cut.
fn floor(text: &str, length: usize) -> usize {
    (0..=length).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default()
}

const NO_UTF8: Rule = rule("transport.no-utf-8", "A body that is not UTF-8 is refused.", CREATE);
async fn no_utf8(session: &Session) -> Verdict {
    let (before, after) = (session.payment().to_string(), "Bewohnerparkausweis");
    let (start, end) = before.split_once(after).unwrap_or_default();
    let spoilt = [start.as_bytes(), b"Gr\xf6\xdfe", end.as_bytes()].concat();
    for body in [spoilt, b"\xff\xfe{\0}\0".to_vec()] {
        session.create_from(body).await?.refused(BODY)?;
    }
    Ok(())
}

const DEEP: Rule =
    rule("transport.deep", "A body of 100000 levels is refused, and the service goes on.", CREATE);
async fn deep(session: &Session) -> Verdict {
    let body = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    session.create_from(body).await?.refused(BODY)?;
    session.create(&session.payment()).await?.accepted().map(drop)
}

const CHARSET: Rule = rule(
    "transport.charset",
    "A request is accepted as application/json with and without a charset.",
    CREATE,
);
async fn charset(session: &Session) -> Verdict {
    for kind in ["application/json", "application/json; charset=utf-8"] {
        let call = session.call(Method::POST, &session.creating())?.header(CONTENT_TYPE, kind);
        let sent = format!("POST {} content-type: {kind}", session.creating());
        session.answer(call.body(session.payment().to_string()), &sent).await?.accepted()?;
    }
    Ok(())
}

const TEN_MEGABYTES: Rule = rule(
    "transport.10-megabytes",
    "A body of 10 MB is refused or the connection is closed, and the service goes on.",
    CREATE,
);
async fn ten_megabytes(session: &Session) -> Verdict {
    let mut blank = session.payment().to_string().into_bytes();
    blank.resize(LARGE, b' ');
    let long = session.with("/description", "a".repeat(LARGE)).request.to_string().into_bytes();
    for body in [long, blank] {
        let call = session.call(Method::POST, &session.creating())?.header(CONTENT_TYPE, "application/json");
        // A service that answers before it has read everything may be seen as a closed connection.
        if let Ok(answer) = session.answer(call.body(body), "POST of 10 MB").await {
            answer.client_error()?;
        }
    }
    session.create(&session.payment()).await?.accepted().map(drop)
}

const SLOW: Rule = rule(
    "transport.slow-clients",
    "While 50 clients never finish their bodies, others are answered within 5 s.",
    CREATE,
);
async fn slow(session: &Session) -> Verdict {
    // They end with this function.
    let mut hanging = JoinSet::new();
    for _ in 0..SLOW_CLIENTS {
        hanging.spawn(session.unfinished()?.send());
    }
    sleep(HEAD_START).await;
    let others = async {
        for _ in 0..5 {
            let id = session.create(&session.payment()).await?.accepted()?;
            session.poll(&id).await?.is_in("INITIAL")?;
        }
        Ok(())
    };
    timeout(MEANWHILE, others).await.unwrap_or_else(|_| {
        Err(Finding::Failed(Failure {
            sent: format!("{SLOW_CLIENTS} bodies that never end, then five payments"),
            expected: format!("five payments created and polled within {} s", MEANWHILE.as_secs()),
            seen: "no answer".to_owned(),
        }))
    })
}
