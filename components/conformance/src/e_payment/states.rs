// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! INITIAL becomes PAYED, CANCELED or FAILED once; nothing comes after that. Decided on the pay page of a
//! sandbox, as a browser would.

use std::time::Duration;

use futures::future::join_all;
use reqwest::header::{ACCEPT, COOKIE, ORIGIN, SET_COOKIE};
use tokio::time::{Instant, sleep};
use url::Url;

use super::expect::{EXISTS, INFORMATION, absent, rule};
use super::options::Buttons;
use super::session::{Answer, Session, shorten};
use crate::form::Form;
use crate::{Finding, Report, Rule, Verdict};

/// A service may tell the outcome later than the page does.
const PATIENCE: Duration = Duration::from_secs(20);
const BETWEEN: Duration = Duration::from_millis(200);
const METHODS: [&str; 5] = ["GIROPAY", "PAYDIRECT", "CREDITCARD", "PAYPAL", "OTHER"];

pub async fn judge(session: &Session, report: &mut Report) {
    report.judge(PAYED, payed(session)).await;
    report.judge(CANCELED, canceled(session)).await;
    report.judge(FAILED, failed(session)).await;
    report.judge(REFERENCES, references(session)).await;
    report.judge(ONCE, once(session)).await;
    report.judge(AT_ONCE, at_once(session)).await;
    report.judge(REPEATED, repeated(session)).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Button {
    Confirm,
    Cancel,
    Fail,
}

impl Button {
    const ALL: [Self; 3] = [Self::Confirm, Self::Cancel, Self::Fail];

    fn of(self, buttons: &Buttons) -> (&str, &str) {
        let (name, value) = match self {
            Self::Confirm => &buttons.confirm_button,
            Self::Cancel => &buttons.cancel_button,
            Self::Fail => &buttons.fail_button,
        };
        (name, value)
    }

    fn outcome(self) -> &'static str {
        match self {
            Self::Confirm => "PAYED",
            Self::Cancel => "CANCELED",
            Self::Fail => "FAILED",
        }
    }
}

/// A payment whose page is open in a browser.
struct Opened<'a> {
    session: &'a Session,
    id: String,
    page: Url,
    html: String,
    cookies: String,
    buttons: &'a Buttons,
}

impl<'a> Opened<'a> {
    async fn new(session: &'a Session) -> Result<Self, Finding> {
        let reason = "needs a pay page that can be pressed by a program; --sandbox says that it can";
        let buttons = session.sandbox.as_ref().ok_or_else(|| Finding::not_applicable(reason))?;
        let created = session.create(&session.payment()).await?;
        let id = created.accepted()?;
        let page = created.information("transactionRedirectUrl").as_str().unwrap_or_default();
        let page = Url::parse(page).map_err(|_| created.unlike("a transactionRedirectUrl"))?;
        let call = session.http.get(page.clone()).header(ACCEPT, "text/html");
        let shown = session.answer(call, &format!("GET {page}")).await?;
        shown.demand(shown.status == 200, "200 with the pay page")?;
        let cookies: Vec<&str> = shown
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .collect();
        let cookies = cookies.join("; ");
        Ok(Self { session, id, page, html: shown.text, cookies, buttons })
    }

    /// Presses a button of the page as it was when it was opened.
    async fn press(&self, button: Button) -> Result<Answer, Finding> {
        let pair = button.of(self.buttons);
        let sent = format!("POST {} {}={}", self.page, pair.0, pair.1);
        let Some(form) = Form::pressed(&self.html, pair) else {
            let reason = format!("{} has no button {}={}", self.page, pair.0, pair.1);
            return Err(Finding::NotApplicable(reason));
        };
        let target = self.page.join(&form.action).unwrap_or_else(|_| self.page.clone());
        let mut call = self.session.http.post(target).form(&form.fields);
        call = call.header(ORIGIN, self.page.origin().ascii_serialization());
        if !self.cookies.is_empty() {
            call = call.header(COOKIE, &self.cookies);
        }
        self.session.answer(call, &sent).await
    }

    /// What polling says once it is no longer INITIAL.
    async fn decided(&self) -> Result<Answer, Finding> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.session.poll(&self.id).await?;
            if answer.information("status") != "INITIAL" {
                return Ok(answer);
            }
            let told = format!("another state than INITIAL within {} s", PATIENCE.as_secs());
            answer.demand(Instant::now() < deadline, told)?;
            sleep(BETWEEN).await;
        }
    }
}

/// Presses one button of a new payment and tells what came of it.
async fn after(session: &Session, button: Button) -> Result<Answer, Finding> {
    let opened = Opened::new(session).await?;
    opened.press(button).await?;
    let decided = opened.decided().await?;
    decided.is_in(button.outcome())?;
    let gone = absent(decided.information("transactionRedirectUrl"));
    decided.demand(gone, "no transactionRedirectUrl any more")?;
    Ok(decided)
}

const PAYED: Rule = rule(
    "states.payed",
    "PAYED has paymentMethod, transactionTimestamp (UTC with milliseconds and Z) and transactionReference, and no transactionRedirectUrl.",
    INFORMATION,
);
async fn payed(session: &Session) -> Verdict {
    let payed = after(session, Button::Confirm).await?;
    let text = |field| payed.information(field).as_str().unwrap_or_default();
    payed.demand(METHODS.contains(&text("paymentMethod")), format!("paymentMethod, one of {METHODS:?}"))?;
    payed
        .demand(utc(text("transactionTimestamp")), "transactionTimestamp such as 2026-03-01T10:00:00.000Z")?;
    payed.demand(!text("transactionReference").is_empty(), "transactionReference")
}

fn utc(text: &str) -> bool {
    let shape = text.len() == "2026-03-01T10:00:00.000Z".len() && text.ends_with('Z') && text.contains('.');
    shape && text.parse::<jiff::Timestamp>().is_ok()
}

const CANCELED: Rule = rule(
    "states.canceled",
    "CANCELED has neither paymentMethod, transactionTimestamp nor transactionRedirectUrl.",
    INFORMATION,
);
async fn canceled(session: &Session) -> Verdict {
    unpaid(&after(session, Button::Cancel).await?)
}

const FAILED: Rule = rule(
    "states.failed",
    "FAILED has neither paymentMethod, transactionTimestamp nor transactionRedirectUrl.",
    INFORMATION,
);
async fn failed(session: &Session) -> Verdict {
    unpaid(&after(session, Button::Fail).await?)
}

fn unpaid(answer: &Answer) -> Verdict {
    for field in ["paymentMethod", "transactionTimestamp"] {
        answer.demand(absent(answer.information(field)), format!("no {field}: only after success"))?;
    }
    Ok(())
}

const REFERENCES: Rule =
    rule("states.references", "Two payments have different transactionReferences.", INFORMATION);
async fn references(session: &Session) -> Verdict {
    let first = after(session, Button::Confirm).await?;
    let second = after(session, Button::Confirm).await?;
    let (first, same) =
        (first.information("transactionReference"), second.information("transactionReference"));
    second.demand(first != same, format!("another transactionReference than {first}"))
}

const ONCE: Rule = rule(
    "states.once",
    "What is PAYED, CANCELED or FAILED stays as it is, whatever is pressed on a page that was open before.",
    INFORMATION,
);
async fn once(session: &Session) -> Verdict {
    for first in Button::ALL {
        let opened = Opened::new(session).await?;
        opened.press(first).await?;
        let decided = opened.decided().await?;
        for later in Button::ALL {
            opened.press(later).await?;
            let now = session.poll(&opened.id).await?;
            let told = format!("after {first:?} and {later:?}, what was before: {}", shorten(&decided.text));
            now.demand(now.json == decided.json, told)?;
        }
    }
    Ok(())
}

const AT_ONCE: Rule = rule(
    "states.at-once",
    "Of many decisions at once exactly one counts, and polling goes on telling that one.",
    INFORMATION,
);
async fn at_once(session: &Session) -> Verdict {
    let opened = Opened::new(session).await?;
    let presses = (0..12).map(|number| opened.press(Button::ALL[number % 3]));
    for pressed in join_all(presses).await {
        pressed?;
    }
    let decided = opened.decided().await?;
    for _ in 0..5 {
        let again = session.poll(&opened.id).await?;
        again.demand(again.json == decided.json, format!("what was before: {}", shorten(&decided.text)))?;
    }
    Ok(())
}

const REPEATED: Rule = rule(
    "states.repeated",
    "The request of a payment that is PAYED makes no second one: PAYMENT_EXISTS, or the first one's transactionId.",
    INFORMATION,
);
async fn repeated(session: &Session) -> Verdict {
    let payed = after(session, Button::Confirm).await?;
    let again = session.create(&payed.json["paymentRequest"]).await?;
    match again.accepted() {
        Ok(_) => {
            let id = payed.information("transactionId");
            again.demand(
                again.information("transactionId") == id,
                format!("transactionId {id}, or PAYMENT_EXISTS"),
            )
        }
        Err(_) => again.refused(EXISTS),
    }
}
