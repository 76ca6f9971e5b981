// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What answers must be like, in the words of the standard.

use serde_json::Value;

use super::payment::Sample;
use super::session::{Answer, Session};
use crate::report::{Failure, Rule, Source};
use crate::{Finding, Verdict};

/// A rule of the standard.
pub const fn rule(id: &'static str, sentence: &'static str, place: &'static str) -> Rule {
    Rule { id, sentence, source: Source::Standard(place) }
}

/// A rule of rathaus alone.
pub const fn extension(id: &'static str, sentence: &'static str, place: &'static str) -> Rule {
    Rule { id, sentence, source: Source::Extension(place) }
}

/// Places of XBezahldienste 1.0.0.
pub const CREATE: &str = "XBezahldienste 1.0.0, initiate-payment-transaction";
pub const POLL: &str = "XBezahldienste 1.0.0, get-status-by-ids";
pub const STATUS: &str = "XBezahldienste 1.0.0, status";
pub const REQUEST: &str = "XBezahldienste 1.0.0, PaymentRequest";
pub const INFORMATION: &str = "XBezahldienste 1.0.0, PaymentInformation";
pub const PROBLEM: &str = "XBezahldienste 1.0.0, Problem; RFC 9457";

/// A field that is not as it should be.
pub const FIELD: &[&str] = &["VALIDATION_ERROR"];
/// An amount that is not; some services see it as a sum that does not fit.
pub const AMOUNT: &[&str] = &["VALIDATION_ERROR", "CALCULATION_ERROR"];
/// A sum that does not fit.
pub const SUM: &[&str] = &["CALCULATION_ERROR"];
/// bookingData that is not; some services see a key that does not count.
pub const BOOKING: &[&str] = &["VALIDATION_ERROR", "BOOKING_DATA_MISSING"];
/// No JSON at all may be refused by something in front of the service.
pub const BODY: &[&str] = &["VALIDATION_ERROR", "UNSPECIFIED"];
/// A requestId that is taken.
pub const EXISTS: &[&str] = &["PAYMENT_EXISTS"];
/// A pair that is not the service's, or not this caller's.
pub const PAIR: &[&str] =
    &["NO_VALID_ORIGINATOR_OR_ENDPOINT", "NO_VALID_ORIGINATOR_OR_DESTINATION", "FORBIDDEN"];

/// With which a request that is wrong may be refused: the standard leaves the choice.
const REFUSALS: [u16; 5] = [400, 409, 413, 415, 422];

impl Answer {
    /// The transactionId of a payment that was accepted, whatever its state.
    pub fn accepted(&self) -> Result<String, Finding> {
        let id = self.information("transactionId").as_str().filter(|id| !id.is_empty());
        match id {
            Some(id) if (200..300).contains(&self.status) => Ok(id.to_owned()),
            _ => Err(self.unlike("200 with paymentInformation.transactionId")),
        }
    }

    /// Refused, with one of these functionalCodes.
    pub fn refused(&self, codes: &[&str]) -> Verdict {
        let code = self.json["functionalCode"].as_str().unwrap_or_default();
        let holds = REFUSALS.contains(&self.status) && codes.contains(&code);
        self.demand(holds, format!("one of {REFUSALS:?} with functionalCode {}", codes.join(" or ")))
    }

    /// Neither accepted nor a failure of the service.
    pub fn client_error(&self) -> Verdict {
        self.demand((400..500).contains(&self.status), "a status from 400 to 499")
    }

    /// This state.
    pub fn is_in(&self, status: &str) -> Verdict {
        let holds = (200..300).contains(&self.status) && self.information("status") == status;
        self.demand(holds, format!("200 with paymentInformation.status {status}"))
    }
}

/// Accepts what is right and refuses what is wrong.
pub async fn both_sides(
    session: &Session,
    right: Vec<Sample>,
    wrong: Vec<Sample>,
    codes: &[&str],
) -> Verdict {
    for Sample { told, request } in right {
        session
            .create(&request)
            .await
            .and_then(|answer| answer.accepted())
            .map_err(|finding| named(&told, finding))?;
    }
    for Sample { told, request } in wrong {
        let refused = session.create(&request).await.and_then(|answer| answer.refused(codes));
        refused.map_err(|finding| named(&told, finding))?;
    }
    Ok(())
}

/// The same finding with what was special about the request in front.
pub fn named(told: &str, finding: Finding) -> Finding {
    match finding {
        Finding::Failed(failure) => {
            Finding::Failed(Failure { sent: format!("{told}: {}", failure.sent), ..failure })
        }
        other => other,
    }
}

/// A JSON number of at most two decimals, in cents. None for anything else.
pub fn cents(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let negative = whole.starts_with('-');
    let whole: i64 = whole.parse().ok()?;
    let decimals: i64 = format!("{decimals:0<2}").parse().ok().filter(|cents| *cents < 100)?;
    Some(if negative { whole * 100 - decimals } else { whole * 100 + decimals })
}

/// Nothing, or not there at all.
pub fn absent(value: &Value) -> bool {
    value.is_null() || value == ""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_read_to_the_cent_or_not_at_all() {
        for (value, read) in [(json!(28.8), Some(2880)), (json!(0), Some(0)), (json!(-0.5), Some(-50))] {
            assert_eq!(cents(&value), read);
        }
        for value in [json!("28.80"), json!(28.801), json!(null), json!(1e300)] {
            assert_eq!(cents(&value), None, "{value}");
        }
    }
}
