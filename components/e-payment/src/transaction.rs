// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A payment and the states it goes through: `INITIAL` → `PAYED` | `FAILED` | `CANCELED`, once.

use serde::Serialize;
use serde_json::value::RawValue;
use url::Url;

use crate::problem::{Code, Problem};
use crate::request::PaymentRequest;
use crate::store::Pair;

/// State of a transaction, in the standard's spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
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

/// What is decided on the pay page of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// Paid.
    Confirm,
    /// Not wanted.
    Cancel,
    /// A provider that cannot, for trying out what an online service does then.
    Fail,
}

impl Decision {
    /// The state that it leads to.
    pub fn status(self) -> Status {
        match self {
            Self::Confirm => Status::Payed,
            Self::Cancel => Status::Canceled,
            Self::Fail => Status::Failed,
        }
    }
}

/// A stored transaction.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Random, 128 bits: whoever knows it was told it.
    pub id: String,
    /// Who asked, for whom.
    pub pair: Pair,
    /// The checked request, as JSON.
    pub request: String,
    /// Where it stands.
    pub status: Status,
    /// When it was decided, as PostgreSQL writes it.
    pub decided_at: Option<String>,
}

/// The standard's answer to create and poll.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PaymentTransaction {
    payment_information: PaymentInformation,
    payment_request: Box<RawValue>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PaymentInformation {
    transaction_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction_redirect_url: Option<String>,
    transaction_id: String,
    transaction_reference: Option<String>,
    transaction_timestamp: Option<String>,
    payment_method: Option<&'static str>,
    payment_method_detail: Option<&'static str>,
    status: Status,
    status_detail: Option<&'static str>,
}

impl Transaction {
    /// What the online service asked for.
    ///
    /// # Errors
    /// What is stored is not what this version can read.
    pub fn payment_request(&self) -> Result<PaymentRequest, Problem> {
        serde_json::from_str(&self.request).map_err(unreadable)
    }

    /// The answer to create and poll, for a module that citizens reach at `public_url`.
    ///
    /// # Errors
    /// As [`Self::payment_request`].
    pub fn answer(&self, public_url: &Url) -> Result<PaymentTransaction, Problem> {
        let (id, base) = (&self.id, public_url.as_str().trim_end_matches('/'));
        let Pair { originator, end_point } = &self.pair;
        let payed = self.status == Status::Payed;
        Ok(PaymentTransaction {
            payment_information: PaymentInformation {
                transaction_url: format!("{base}/paymenttransaction/{originator}/{end_point}/{id}"),
                transaction_redirect_url: (self.status == Status::Initial)
                    .then(|| format!("{base}/pay/{id}")),
                transaction_id: id.clone(),
                transaction_reference: payed.then(|| id.clone()),
                transaction_timestamp: self.decided_at.as_deref().filter(|_| payed).and_then(utc),
                payment_method: payed.then_some("OTHER"),
                payment_method_detail: payed.then_some("Sandbox"),
                status: self.status,
                status_detail: None,
            },
            payment_request: RawValue::from_string(self.request.clone()).map_err(unreadable)?,
        })
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
    }

    #[test]
    fn times_of_postgresql_become_utc_with_milliseconds() {
        assert_eq!(utc("2026-03-01 11:00:00.123456+01").as_deref(), Some("2026-03-01T10:00:00.123Z"));
        assert_eq!(utc("2026-03-01 10:00:00+00").as_deref(), Some("2026-03-01T10:00:00.000Z"));
    }
}
