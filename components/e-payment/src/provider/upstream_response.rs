// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Pure functions that parse a platform's responses and check that they fit the payment.

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;
use url::Url;

use super::{Error, Payment};
use crate::money::{Cents, Sum};
use crate::problem::Code;
use crate::transaction::{Decision, PaymentMethod, ProviderPayment, Status};

/// The platform's texts are truncated to this many characters.
const MAX_DETAIL_CHARS: usize = 250;

/// The fields of XBezahldienste's `PaymentTransaction` that this module needs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PaymentTransaction {
    payment_information: PaymentInformation,
    payment_request: EchoedRequest,
}

/// The state of a payment at the platform.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentInformation {
    transaction_id: String,
    transaction_redirect_url: Option<String>,
    payment_method: Option<String>,
    payment_method_detail: Option<String>,
    status: String,
    status_detail: Option<String>,
}

/// The request as the platform received it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EchoedRequest {
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

/// The fields of the platform's problem details that this module needs; empty if it sent others.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Problem {
    functional_code: String,
    detail: String,
}

/// Parses a response about `payment`.
///
/// # Errors
/// [`Error::Invalid`] if it is about another payment or another amount; [`Error::Unavailable`] if it is no
/// `PaymentTransaction`, for example the error page of a proxy in between.
pub fn parse_transaction(payment: &Payment, body: &[u8]) -> Result<PaymentInformation, Error> {
    let PaymentTransaction { payment_information, payment_request: echo } = serde_json::from_slice(body)
        // The message of serde is left out, since it may repeat payer data.
        .map_err(|error| {
            let (line, column) = (error.line(), error.column());
            Error::Unavailable(format!("the answer is no PaymentTransaction (line {line}, column {column})"))
        })?;
    let mismatch = |field: &str, received: &str, sent: &str| {
        Err(Error::Invalid(format!("the answer's {field} is {received}, but {sent} was sent")))
    };
    let sent = &payment.request;
    if echo.request_id != payment.id {
        return mismatch("requestId", "another", &payment.id);
    }
    if echo.currency != sent.currency {
        return mismatch("currency", "another", &sent.currency);
    }
    if echo.gros_amount != sent.gros_amount {
        return mismatch("grosAmount", &echo.gros_amount.to_string(), &sent.gros_amount.to_string());
    }
    let sum = echo
        .items
        .iter()
        .fold(Sum::default(), |sum, item| sum + item.total_net_amount + item.total_tax_amount);
    if !echo.items.is_empty() && sum != sent.gros_amount {
        return mismatch("sum of items", &sum.to_string(), &sent.gros_amount.to_string());
    }
    if payment_information.transaction_id.is_empty() {
        return Err(Error::Invalid("the answer's transactionId is empty".to_owned()));
    }
    Ok(payment_information)
}

impl PaymentInformation {
    /// The payment's id at the platform and its page for the citizen. If the platform has decided the
    /// payment already and gives no page, the page is `return_url`, where the decision is looked up.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the payment is open and its page is missing or no http or https URL.
    pub fn into_at_provider(self, return_url: &Url) -> Result<ProviderPayment, Error> {
        let is_web_url = |url: &Url| matches!(url.scheme(), "https" | "http");
        let page =
            self.transaction_redirect_url.as_deref().and_then(|url| url.parse().ok()).filter(is_web_url);
        let url = match (page, Status::parse(&self.status)) {
            (Some(page), _) => page,
            (None, Some(status)) if status != Status::Initial => return_url.clone(),
            (None, _) => {
                let message = "the answer's transactionRedirectUrl is no http or https URL".to_owned();
                return Err(Error::Invalid(message));
            }
        };
        Ok(ProviderPayment { reference: self.transaction_id, url: url.into() })
    }

    /// The platform's decision about the payment that it knows as `reference`. Returns `None` while the
    /// status is `INITIAL`.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the response is about another payment or its status is not in the standard.
    pub fn into_decision(self, reference: &str) -> Result<Option<Decision>, Error> {
        if self.transaction_id != reference {
            return Err(Error::Invalid(format!(
                "the platform was asked for {reference} and answers another transactionId"
            )));
        }
        let reason = truncate(self.status_detail);
        Ok(match Status::parse(&self.status) {
            Some(Status::Initial) => None,
            Some(Status::Payed) => {
                let method = self.payment_method.as_deref().and_then(PaymentMethod::parse);
                let method = method.unwrap_or(PaymentMethod::Other);
                Some(Decision::Payed { method, detail: truncate(self.payment_method_detail) })
            }
            Some(Status::Failed) => Some(Decision::Failed(reason)),
            Some(Status::Canceled) => Some(Decision::Canceled(reason)),
            None => return Err(Error::Invalid("the answer's status is not in the standard".to_owned())),
        })
    }
}

/// The error that a response other than 200 or 201 means for the payment that was sent.
pub fn error_from_response(status: StatusCode, body: &[u8]) -> Error {
    let problem: Problem = serde_json::from_slice(body).unwrap_or_default();
    let code = parse_functional_code(&problem.functional_code);
    match status.as_u16() {
        // 401, 403, 408 and 429 concern credentials, permissions, timeouts and load, not the payment, which
        // can be sent again later.
        400..=499 if !matches!(status.as_u16(), 401 | 403 | 408 | 429) => {
            let detail = truncate(Some(problem.detail).filter(|detail| !detail.is_empty()));
            let detail = detail.unwrap_or_else(|| format!("the platform answers {}", status.as_u16()));
            Error::Refused { code, detail }
        }
        status => Error::Unavailable(format!("the platform answers {status} ({code})")),
    }
}

/// Whether the platform refused a payment because it already knows its requestId.
pub fn is_payment_exists(refusal: &Error) -> bool {
    matches!(refusal, Error::Refused { code: Code::PaymentExists, .. })
}

/// Unknown codes become [`Code::Unspecified`].
fn parse_functional_code(code: &str) -> Code {
    let text: StrDeserializer<'_, serde::de::value::Error> = code.into_deserializer();
    Code::deserialize(text).unwrap_or(Code::Unspecified)
}

fn truncate(text: Option<String>) -> Option<String> {
    text.map(|text| text.chars().take(MAX_DETAIL_CHARS).collect())
}

#[cfg(test)]
#[path = "upstream_tests.rs"]
mod tests;
