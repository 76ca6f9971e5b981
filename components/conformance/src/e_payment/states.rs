// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on states: INITIAL becomes PAYED, CANCELED or FAILED once and never changes again. The runner decides
//! payments on the pay page of a sandbox, as a browser would.

use std::time::Duration;

use futures::future::join_all;
use reqwest::header::{ACCEPT, COOKIE, ORIGIN, SET_COOKIE};
use tokio::time::{Instant, sleep};
use url::Url;

use super::expect::{EXISTS_CODES, INFORMATION, is_absent, rule};
use super::options::Buttons;
use super::session::{Answer, Session, shorten};
use crate::form::Form;
use crate::{CheckResult, Finding, Report, Rule};

/// Time limit for the outcome to show in polling; a service may report it later than its pay page.
const DECISION_TIMEOUT: Duration = Duration::from_secs(20);
const POLL_INTERVAL: Duration = Duration::from_millis(200);
const PAYMENT_METHODS: [&str; 5] = ["GIROPAY", "PAYDIRECT", "CREDITCARD", "PAYPAL", "OTHER"];

pub async fn check(session: &Session, report: &mut Report) {
    report.check(PAYED, check_payed(session)).await;
    report.check(CANCELED, check_canceled(session)).await;
    report.check(FAILED, check_failed(session)).await;
    report.check(REFERENCES, check_references(session)).await;
    report.check(DECIDED_ONCE, check_decided_once(session)).await;
    report.check(CONCURRENT_DECISIONS, check_concurrent_decisions(session)).await;
    report.check(REPEATED, check_repeated(session)).await;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Button {
    Confirm,
    Cancel,
    Fail,
}

impl Button {
    const ALL: [Self; 3] = [Self::Confirm, Self::Cancel, Self::Fail];

    fn name_and_value(self, buttons: &Buttons) -> (&str, &str) {
        let (name, value) = match self {
            Self::Confirm => &buttons.confirm_button,
            Self::Cancel => &buttons.cancel_button,
            Self::Fail => &buttons.fail_button,
        };
        (name, value)
    }

    fn expected_state(self) -> &'static str {
        match self {
            Self::Confirm => "PAYED",
            Self::Cancel => "CANCELED",
            Self::Fail => "FAILED",
        }
    }
}

/// The open pay page of a payment, with the cookies that a browser would have.
struct OpenPayPage<'a> {
    session: &'a Session,
    id: String,
    page: Url,
    html: String,
    cookies: String,
    buttons: &'a Buttons,
}

impl<'a> OpenPayPage<'a> {
    async fn open(session: &'a Session) -> Result<Self, Finding> {
        let reason = "needs a pay page whose buttons a program may press; --sandbox allows it";
        let buttons = session.sandbox.as_ref().ok_or_else(|| Finding::not_applicable(reason))?;
        let created = session.create(&session.payment()).await?;
        let id = created.expect_accepted()?;
        let page = created.payment_information("transactionRedirectUrl").as_str().unwrap_or_default();
        let page = Url::parse(page).map_err(|_| created.mismatch("a transactionRedirectUrl"))?;
        let request = session.http.get(page.clone()).header(ACCEPT, "text/html");
        let answer = session.send(request, &format!("GET {page}")).await?;
        answer.ensure(answer.status == 200, "200 with the pay page")?;
        let cookies: Vec<&str> = answer
            .headers
            .get_all(SET_COOKIE)
            .iter()
            .filter_map(|cookie| cookie.to_str().ok()?.split(';').next())
            .collect();
        let cookies = cookies.join("; ");
        Ok(Self { session, id, page, html: answer.text, cookies, buttons })
    }

    /// Presses a button of the page, which is not reloaded in between.
    async fn press(&self, button: Button) -> Result<Answer, Finding> {
        let pair = button.name_and_value(self.buttons);
        let sent = format!("POST {} {}={}", self.page, pair.0, pair.1);
        let Some(form) = Form::with_button(&self.html, pair) else {
            let reason = format!("{} has no button {}={}", self.page, pair.0, pair.1);
            return Err(Finding::NotApplicable(reason));
        };
        let target = self.page.join(&form.action).unwrap_or_else(|_| self.page.clone());
        let mut request = self.session.http.post(target).form(&form.fields);
        request = request.header(ORIGIN, self.page.origin().ascii_serialization());
        if !self.cookies.is_empty() {
            request = request.header(COOKIE, &self.cookies);
        }
        self.session.send(request, &sent).await
    }

    /// Polls until the payment is no longer INITIAL and returns that answer.
    async fn wait_for_decision(&self) -> Result<Answer, Finding> {
        let deadline = Instant::now() + DECISION_TIMEOUT;
        loop {
            let answer = self.session.poll(&self.id).await?;
            if answer.payment_information("status") != "INITIAL" {
                return Ok(answer);
            }
            let expected = format!("another state than INITIAL within {} s", DECISION_TIMEOUT.as_secs());
            answer.ensure(Instant::now() < deadline, expected)?;
            sleep(POLL_INTERVAL).await;
        }
    }
}

/// Creates a payment, presses one button of its pay page and returns the polled outcome.
async fn decide_payment(session: &Session, button: Button) -> Result<Answer, Finding> {
    let page = OpenPayPage::open(session).await?;
    page.press(button).await?;
    let decided = page.wait_for_decision().await?;
    decided.expect_state(button.expected_state())?;
    let has_no_page = is_absent(decided.payment_information("transactionRedirectUrl"));
    decided.ensure(has_no_page, "no transactionRedirectUrl any more")?;
    Ok(decided)
}

const PAYED: Rule = rule(
    "states.payed",
    "PAYED has paymentMethod, transactionTimestamp (UTC with milliseconds and Z) and transactionReference, and no transactionRedirectUrl.",
    INFORMATION,
);
async fn check_payed(session: &Session) -> CheckResult {
    let payed = decide_payment(session, Button::Confirm).await?;
    let text = |field| payed.payment_information(field).as_str().unwrap_or_default();
    payed.ensure(
        PAYMENT_METHODS.contains(&text("paymentMethod")),
        format!("paymentMethod, one of {PAYMENT_METHODS:?}"),
    )?;
    payed.ensure(
        is_utc_timestamp(text("transactionTimestamp")),
        "transactionTimestamp such as 2026-03-01T10:00:00.000Z",
    )?;
    payed.ensure(!text("transactionReference").is_empty(), "transactionReference")
}

fn is_utc_timestamp(text: &str) -> bool {
    let has_format =
        text.len() == "2026-03-01T10:00:00.000Z".len() && text.ends_with('Z') && text.contains('.');
    has_format && text.parse::<jiff::Timestamp>().is_ok()
}

const CANCELED: Rule = rule(
    "states.canceled",
    "CANCELED has neither paymentMethod, transactionTimestamp nor transactionRedirectUrl.",
    INFORMATION,
);
async fn check_canceled(session: &Session) -> CheckResult {
    ensure_no_payment_fields(&decide_payment(session, Button::Cancel).await?)
}

const FAILED: Rule = rule(
    "states.failed",
    "FAILED has neither paymentMethod, transactionTimestamp nor transactionRedirectUrl.",
    INFORMATION,
);
async fn check_failed(session: &Session) -> CheckResult {
    ensure_no_payment_fields(&decide_payment(session, Button::Fail).await?)
}

fn ensure_no_payment_fields(answer: &Answer) -> CheckResult {
    for field in ["paymentMethod", "transactionTimestamp"] {
        answer.ensure(
            is_absent(answer.payment_information(field)),
            format!("no {field} without a successful payment"),
        )?;
    }
    Ok(())
}

const REFERENCES: Rule =
    rule("states.references", "Two payments have different transactionReferences.", INFORMATION);
async fn check_references(session: &Session) -> CheckResult {
    let first = decide_payment(session, Button::Confirm).await?;
    let second = decide_payment(session, Button::Confirm).await?;
    let (first_reference, second_reference) = (
        first.payment_information("transactionReference"),
        second.payment_information("transactionReference"),
    );
    second.ensure(
        first_reference != second_reference,
        format!("another transactionReference than {first_reference}"),
    )
}

const DECIDED_ONCE: Rule = rule(
    "states.once",
    "A payment that is PAYED, CANCELED or FAILED never changes, whichever buttons are pressed on a page opened before.",
    INFORMATION,
);
async fn check_decided_once(session: &Session) -> CheckResult {
    for first in Button::ALL {
        let page = OpenPayPage::open(session).await?;
        page.press(first).await?;
        let decided = page.wait_for_decision().await?;
        for later in Button::ALL {
            page.press(later).await?;
            let now = session.poll(&page.id).await?;
            let expected = format!("the same after {first:?} and {later:?}: {}", shorten(&decided.text));
            now.ensure(now.json == decided.json, expected)?;
        }
    }
    Ok(())
}

const CONCURRENT_DECISIONS: Rule = rule(
    "states.at-once",
    "Of many concurrent decisions exactly one counts, and polling keeps returning that one.",
    INFORMATION,
);
async fn check_concurrent_decisions(session: &Session) -> CheckResult {
    let page = OpenPayPage::open(session).await?;
    let presses = (0..12).map(|number| page.press(Button::ALL[number % 3]));
    for pressed in join_all(presses).await {
        pressed?;
    }
    let decided = page.wait_for_decision().await?;
    for _ in 0..5 {
        let again = session.poll(&page.id).await?;
        again
            .ensure(again.json == decided.json, format!("the same as before: {}", shorten(&decided.text)))?;
    }
    Ok(())
}

const REPEATED: Rule = rule(
    "states.repeated",
    "Repeating the request of a payment that is PAYED creates no second one: PAYMENT_EXISTS, or the first one's transactionId.",
    INFORMATION,
);
async fn check_repeated(session: &Session) -> CheckResult {
    let payed = decide_payment(session, Button::Confirm).await?;
    let again = session.create(&payed.json["paymentRequest"]).await?;
    match again.expect_accepted() {
        Ok(_) => {
            let id = payed.payment_information("transactionId");
            again.ensure(
                again.payment_information("transactionId") == id,
                format!("transactionId {id}, or PAYMENT_EXISTS"),
            )
        }
        Err(_) => again.expect_refused(EXISTS_CODES),
    }
}
