// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Transactions (payments of XBezahldienste 1.0.0) and their states. A transaction is created as
//! `INITIAL` and changes its state once, to `PAYED`, `FAILED` or `CANCELED`.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;
use utoipa::ToSchema;

use crate::problem::{Code, Problem};
use crate::request::PaymentRequest;
use crate::store::Pair;

/// State of a transaction, in the spelling of XBezahldienste.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not decided yet: the only state that is not final.
    Initial,
    /// The citizen paid.
    Payed,
    /// The provider could not execute the payment.
    Failed,
    /// The citizen cancelled the payment or did not pay in time.
    Canceled,
}

impl Status {
    /// All states.
    pub const ALL: [Self; 4] = [Self::Initial, Self::Payed, Self::Failed, Self::Canceled];

    /// The spelling of the database and the API, such as `PAYED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Payed => "PAYED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// The state with this spelling in the database; `None` if there is no such state.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// Payment method, in the spelling of XBezahldienste.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs, reason = "the standard's names")]
pub enum PaymentMethod {
    Giropay,
    Paydirect,
    Creditcard,
    Paypal,
    Other,
}

impl PaymentMethod {
    const ALL: [Self; 5] = [Self::Giropay, Self::Paydirect, Self::Creditcard, Self::Paypal, Self::Other];

    /// The spelling of the database and the API, such as `CREDITCARD`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Giropay => "GIROPAY",
            Self::Paydirect => "PAYDIRECT",
            Self::Creditcard => "CREDITCARD",
            Self::Paypal => "PAYPAL",
            Self::Other => "OTHER",
        }
    }

    /// The method with this spelling in the database; `None` if there is no such method.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// The final result of a payment, as the provider or the pay page reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The citizen paid.
    Payed {
        /// The payment method in the terms of XBezahldienste.
        method: PaymentMethod,
        /// The payment method in the provider's words.
        detail: Option<String>,
    },
    /// The provider could not execute the payment, with the reason in its words.
    Failed(Option<String>),
    /// The citizen cancelled or did not pay in time, with the reason in the provider's words.
    Canceled(Option<String>),
}

impl Decision {
    /// The state that a transaction has after this decision.
    pub fn status(&self) -> Status {
        match self {
            Self::Payed { .. } => Status::Payed,
            Self::Failed(_) => Status::Failed,
            Self::Canceled(_) => Status::Canceled,
        }
    }
}

/// A payment as the provider registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderPayment {
    /// The provider's id of the payment.
    pub reference: String,
    /// The URL of the provider's page on which the citizen pays.
    pub url: String,
}

/// A transaction as the database stores it.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// 128 random bits as 32 hexadecimal digits. The pay page needs no other proof: the id cannot be
    /// guessed.
    pub id: String,
    /// The online service that asked for the payment and the authority that gets the money.
    pub pair: Pair,
    /// The validated request, as JSON.
    pub request: String,
    /// The current state.
    pub status: Status,
    /// When the transaction was decided, in PostgreSQL's text format of `timestamptz`.
    pub decided_at: Option<String>,
    /// The payment at the provider; `None` if the citizen pays on the module's own page or if the provider
    /// has not accepted the payment yet.
    pub provider_payment: Option<ProviderPayment>,
    /// The payment method; only after payment.
    pub method: Option<PaymentMethod>,
    /// The payment method in the provider's words.
    pub method_detail: Option<String>,
    /// The reason for the state, in the provider's words.
    pub status_detail: Option<String>,
    /// The receipt number (Kassenzeichen); only after payment.
    pub receipt_number: Option<String>,
}

/// The response to creating and polling a payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTransaction {
    payment_information: PaymentInformation,
    #[schema(value_type = PaymentRequest)]
    payment_request: Box<RawValue>,
}

/// The state of a payment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentInformation {
    /// The URL at which the online service polls the payment.
    transaction_url: String,
    /// The URL at which the citizen pays; only while `INITIAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_redirect_url: Option<String>,
    /// Id of the payment: 32 hexadecimal digits.
    transaction_id: String,
    /// The receipt number (Kassenzeichen); only after payment.
    transaction_reference: Option<String>,
    /// When the citizen paid, in UTC with milliseconds; only after payment.
    transaction_timestamp: Option<String>,
    /// How the citizen paid; only after payment.
    payment_method: Option<PaymentMethod>,
    /// How the citizen paid, in the provider's words.
    payment_method_detail: Option<String>,
    status: Status,
    /// The reason for the state, in the provider's words.
    status_detail: Option<String>,
}

impl Transaction {
    /// Parses the stored request of the online service.
    ///
    /// # Errors
    /// Fails if this version of the module cannot read the stored JSON.
    pub fn payment_request(&self) -> Result<PaymentRequest, Problem> {
        serde_json::from_str(&self.request).map_err(unreadable_request)
    }

    /// The response to a poll, with URLs below the module's `public_url`.
    ///
    /// # Errors
    /// Fails if the stored request is not JSON.
    pub fn to_response(&self, public_url: &Url) -> Result<PaymentTransaction, Problem> {
        let (id, base) = (&self.id, public_url.as_str().trim_end_matches('/'));
        let Pair { originator, end_point } = &self.pair;
        let pay_page_url = || match &self.provider_payment {
            Some(payment) => payment.url.clone(),
            None => format!("{base}/pay/{id}"),
        };
        Ok(PaymentTransaction {
            payment_information: PaymentInformation {
                transaction_url: format!("{base}/paymenttransaction/{originator}/{end_point}/{id}"),
                transaction_redirect_url: (self.status == Status::Initial).then(pay_page_url),
                transaction_id: id.clone(),
                transaction_reference: self.receipt_number.clone(),
                transaction_timestamp: self
                    .decided_at
                    .as_deref()
                    .filter(|_| self.status == Status::Payed)
                    .and_then(format_utc),
                payment_method: self.method,
                payment_method_detail: self.method_detail.clone(),
                status: self.status,
                status_detail: self.status_detail.clone(),
            },
            payment_request: RawValue::from_string(self.request.clone()).map_err(unreadable_request)?,
        })
    }

    /// The transaction as it was before any decision, so that a repeated request gets the response to the
    /// first one.
    pub fn into_created(self) -> Self {
        Self {
            status: Status::Initial,
            decided_at: None,
            method: None,
            method_detail: None,
            status_detail: None,
            receipt_number: None,
            ..self
        }
    }
}

/// Formats a timestamp of PostgreSQL as ISO 8601 in UTC with milliseconds, as XBezahldienste requires.
fn format_utc(stored: &str) -> Option<String> {
    let timestamp: jiff::Timestamp = stored.parse().ok()?;
    Some(timestamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn unreadable_request(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "cannot parse the stored request");
    Problem::new(
        Code::Unspecified,
        "the stored request cannot be read; report this to the operator of this service",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_and_methods_have_the_spelling_of_the_standard() {
        for status in Status::ALL {
            assert_eq!(Status::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_string(&status).unwrap(), format!("{:?}", status.as_str()));
        }
        assert_eq!(Status::parse("PAID"), None);
        for method in PaymentMethod::ALL {
            assert_eq!(PaymentMethod::parse(method.as_str()), Some(method));
            assert_eq!(serde_json::to_string(&method).unwrap(), format!("{:?}", method.as_str()));
        }
    }

    #[test]
    fn postgresql_timestamps_are_formatted_in_utc_with_milliseconds() {
        assert_eq!(format_utc("2026-03-01 11:00:00.123456+01").as_deref(), Some("2026-03-01T10:00:00.123Z"));
        assert_eq!(format_utc("2026-03-01 10:00:00+00").as_deref(), Some("2026-03-01T10:00:00.000Z"));
    }
}
