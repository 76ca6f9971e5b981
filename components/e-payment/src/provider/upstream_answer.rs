// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a platform answers, and whether it can be believed. Pure.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use url::Url;

use super::{Error, Payment};
use crate::money::{Cents, Sum};
use crate::problem::Code;
use crate::transaction::{Decision, PaymentMethod, ProviderPayment, Status};

/// Characters that are kept of what the platform says in words.
const LONGEST_DETAIL: usize = 250;

/// The `PaymentTransaction` of XBezahldienste, as far as it matters here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    payment_information: Information,
    payment_request: Echo,
}

/// Where a payment stands at the platform.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Information {
    transaction_id: String,
    transaction_redirect_url: Option<String>,
    payment_method: Option<String>,
    payment_method_detail: Option<String>,
    status: String,
    status_detail: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Echo {
    request_id: String,
    currency: String,
    gros_amount: Cents,
    #[serde(default)]
    items: Vec<EchoedItem>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EchoedItem {
    total_net_amount: Cents,
    total_tax_amount: Cents,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    functional_code: String,
    detail: String,
}

/// Reads an answer about `payment`.
///
/// # Errors
/// It is about another payment or another amount; or it is none, such as a page of something in between.
pub fn read(payment: &Payment, body: &[u8]) -> Result<Information, Error> {
    let Answer { payment_information, payment_request: echo } = serde_json::from_slice(body)
        // What serde says may repeat what was sent.
        .map_err(|wrong| {
            let (line, column) = (wrong.line(), wrong.column());
            Error::Unavailable(format!("the answer is no PaymentTransaction (line {line}, column {column})"))
        })?;
    let wrong = |field: &str, told: &str, ours: &str| {
        Err(Error::Wrong(format!("the answer's {field} is {told}, and we sent {ours}")))
    };
    let ours = &payment.request;
    if echo.request_id != payment.id {
        return wrong("requestId", "another", &payment.id);
    }
    if echo.currency != ours.currency {
        return wrong("currency", "another", &ours.currency);
    }
    if echo.gros_amount != ours.gros_amount {
        return wrong("grosAmount", &echo.gros_amount.to_string(), &ours.gros_amount.to_string());
    }
    let sum = echo
        .items
        .iter()
        .fold(Sum::default(), |sum, item| sum + item.total_net_amount + item.total_tax_amount);
    if !echo.items.is_empty() && sum != ours.gros_amount {
        return wrong("sum of items", &sum.to_string(), &ours.gros_amount.to_string());
    }
    if payment_information.transaction_id.is_empty() {
        return wrong("transactionId", "empty", &payment.id);
    }
    Ok(payment_information)
}

impl Information {
    /// Where the citizen pays; `ours` where the platform has decided already, which can be looked up.
    ///
    /// # Errors
    /// There is no page, or none that a browser may be sent to.
    pub fn started(self, ours: &Url) -> Result<ProviderPayment, Error> {
        let web = |url: &Url| matches!(url.scheme(), "https" | "http");
        let page = self.transaction_redirect_url.as_deref().and_then(|url| url.parse().ok()).filter(web);
        let url = match (page, Status::parse(&self.status)) {
            (Some(page), _) => page,
            (None, Some(status)) if status != Status::Initial => ours.clone(),
            (None, _) => {
                let told = "the answer's transactionRedirectUrl is no http or https URL".to_owned();
                return Err(Error::Wrong(told));
            }
        };
        Ok(ProviderPayment { reference: self.transaction_id, url: url.into() })
    }

    /// What was decided about the payment that the platform knows as `reference`.
    ///
    /// # Errors
    /// It is about another payment, or of a state that there is not.
    pub fn decision(self, reference: &str) -> Result<Option<Decision>, Error> {
        if self.transaction_id != reference {
            return Err(Error::Wrong(format!(
                "asked for {reference}, the platform answers another transactionId"
            )));
        }
        let why = short(self.status_detail);
        Ok(match Status::parse(&self.status) {
            Some(Status::Initial) => None,
            Some(Status::Payed) => {
                let method = self.payment_method.as_deref().and_then(PaymentMethod::parse);
                let method = method.unwrap_or(PaymentMethod::Other);
                Some(Decision::Payed { method, detail: short(self.payment_method_detail) })
            }
            Some(Status::Failed) => Some(Decision::Failed(why)),
            Some(Status::Canceled) => Some(Decision::Canceled(why)),
            None => return Err(Error::Wrong("the answer's status is none of the standard's".to_owned())),
        })
    }
}

/// What an answer that is no success means for the payment that was sent.
pub fn refusal(status: StatusCode, body: &[u8]) -> Error {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let code = functional_code(&problem.functional_code);
    match status.as_u16() {
        // Credentials, rights, time and load are not the payment's fault.
        400..=499 if !matches!(status.as_u16(), 401 | 403 | 408 | 429) => {
            let detail = short(Some(problem.detail).filter(|detail| !detail.is_empty()));
            let detail = detail.unwrap_or_else(|| format!("the platform answers {}", status.as_u16()));
            Error::Refused { code, detail }
        }
        status => Error::Unavailable(format!("the platform answers {status} ({code})")),
    }
}

/// Whether a refusal says that the requestId is known already.
pub fn exists(refusal: &Error) -> bool {
    matches!(refusal, Error::Refused { code: Code::PaymentExists, .. })
}

fn functional_code(told: &str) -> Code {
    let text: StrDeserializer<'_, serde::de::value::Error> = told.into_deserializer();
    Code::deserialize(text).unwrap_or(Code::Unspecified)
}

fn short(text: Option<String>) -> Option<String> {
    text.map(|text| text.chars().take(LONGEST_DETAIL).collect())
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
