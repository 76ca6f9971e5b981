// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A payment and the states it goes through: `INITIAL` → `PAYED` | `FAILED` | `CANCELED`, once.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use url::Url;
use utoipa::ToSchema;

use crate::problem::{Code, Problem};
use crate::request::PaymentRequest;
use crate::store::Pair;

/// State of a transaction, in the standard's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Not decided yet; the only state that is not final.
    Initial,
    /// Paid.
    Payed,
    /// The provider could not.
    Failed,
    /// The citizen did not want to.
    Canceled,
}

impl Status {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Initial, Self::Payed, Self::Failed, Self::Canceled];

    /// As it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::Payed => "PAYED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
        }
    }

    /// From what is stored.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

/// How was paid, in the standard's spelling.
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

    /// As it is stored and sent.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Giropay => "GIROPAY",
            Self::Paydirect => "PAYDIRECT",
            Self::Creditcard => "CREDITCARD",
            Self::Paypal => "PAYPAL",
            Self::Other => "OTHER",
        }
    }

    /// From what is stored.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|method| method.as_str() == text)
    }
}

/// What ends a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Paid.
    Payed {
        /// How.
        method: PaymentMethod,
        /// How, in the provider's words.
        detail: Option<String>,
    },
    /// The provider could not; why, in its words.
    Failed(Option<String>),
    /// The citizen did not want to, or did not in time; why, in the provider's words.
    Canceled(Option<String>),
}

impl Decision {
    /// The state that it leads to.
    pub fn status(&self) -> Status {
        match self {
            Self::Payed { .. } => Status::Payed,
            Self::Failed(_) => Status::Failed,
            Self::Canceled(_) => Status::Canceled,
        }
    }
}

/// Where one pays at the provider, once it knows of the payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AtProvider {
    /// The provider's own id of the payment.
    pub reference: String,
    /// Its page for the citizen.
    pub url: String,
}

/// A stored transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Random, 128 bits, 32 hexadecimal digits: whoever knows it was told it.
    pub id: String,
    /// Who asked, for whom.
    pub pair: Pair,
    /// The checked request, as JSON.
    pub request: String,
    /// Where it stands.
    pub status: Status,
    /// When it was decided, as PostgreSQL writes it.
    pub decided_at: Option<String>,
    /// Where one pays; none where the pay page is ours, or where the provider was not reached yet.
    pub at_provider: Option<AtProvider>,
    /// How was paid.
    pub method: Option<PaymentMethod>,
    /// How was paid, in the provider's words.
    pub method_detail: Option<String>,
    /// Why it stands there.
    pub status_detail: Option<String>,
    /// Kassenzeichen.
    pub receipt_number: Option<String>,
}

/// The standard's answer to create and poll.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTransaction {
    payment_information: PaymentInformation,
    #[schema(value_type = PaymentRequest)]
    payment_request: Box<RawValue>,
}

/// Where a payment stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct PaymentInformation {
    /// Where this is polled.
    transaction_url: String,
    /// Where the citizen pays; only while `INITIAL`.
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_redirect_url: Option<String>,
    /// 32 hexadecimal digits.
    transaction_id: String,
    /// Kassenzeichen; only after payment.
    transaction_reference: Option<String>,
    /// UTC with milliseconds; only after payment.
    transaction_timestamp: Option<String>,
    /// Only after payment.
    payment_method: Option<PaymentMethod>,
    /// In the provider's words.
    payment_method_detail: Option<String>,
    status: Status,
    /// Why, in the provider's words.
    status_detail: Option<String>,
}

impl Transaction {
    /// What the online service asked for.
    ///
    /// # Errors
    /// What is stored is not what this version can read.
    pub fn payment_request(&self) -> Result<PaymentRequest, Problem> {
        serde_json::from_str(&self.request).map_err(unreadable)
    }

    /// The answer to poll, for a module that citizens reach at `public_url`.
    ///
    /// # Errors
    /// As [`Self::payment_request`].
    pub fn answer(&self, public_url: &Url) -> Result<PaymentTransaction, Problem> {
        let (id, base) = (&self.id, public_url.as_str().trim_end_matches('/'));
        let Pair { originator, end_point } = &self.pair;
        let page =
            || self.at_provider.as_ref().map_or_else(|| format!("{base}/pay/{id}"), |at| at.url.clone());
        Ok(PaymentTransaction {
            payment_information: PaymentInformation {
                transaction_url: format!("{base}/paymenttransaction/{originator}/{end_point}/{id}"),
                transaction_redirect_url: (self.status == Status::Initial).then(page),
                transaction_id: id.clone(),
                transaction_reference: self.receipt_number.clone(),
                transaction_timestamp: self
                    .decided_at
                    .as_deref()
                    .filter(|_| self.status == Status::Payed)
                    .and_then(utc),
                payment_method: self.method,
                payment_method_detail: self.method_detail.clone(),
                status: self.status,
                status_detail: self.status_detail.clone(),
            },
            payment_request: RawValue::from_string(self.request.clone()).map_err(unreadable)?,
        })
    }

    /// As it was when it was made: a repeated request gets the first answer again.
    pub fn when_created(self) -> Self {
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

/// ISO 8601 in UTC with milliseconds, as the standard wants it.
fn utc(stored: &str) -> Option<String> {
    let at: jiff::Timestamp = stored.parse().ok()?;
    Some(at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
}

fn unreadable(error: serde_json::Error) -> Problem {
    tracing::error!(%error, "stored request");
    Problem::new(Code::Unspecified, "the stored request cannot be read; tell the operator of this service")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_written_as_the_standard_spells_them() {
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
    fn times_of_postgresql_become_utc_with_milliseconds() {
        assert_eq!(utc("2026-03-01 11:00:00.123456+01").as_deref(), Some("2026-03-01T10:00:00.123Z"));
        assert_eq!(utc("2026-03-01 10:00:00+00").as_deref(), Some("2026-03-01T10:00:00.000Z"));
    }
}
