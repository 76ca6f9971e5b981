// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Expectations about the service's answers, in the terms of the standard.

use serde_json::Value;

use super::payment::Sample;
use super::session::{Answer, Session};
use crate::report::{Failure, Rule, Source};
use crate::{CheckResult, Finding};

/// Defines a rule of the standard; `place` is the operation, schema or section that states it.
pub const fn rule(id: &'static str, sentence: &'static str, place: &'static str) -> Rule {
    Rule { id, sentence, source: Source::Standard(place) }
}

/// Defines a rule of an extension of rathaus.
pub const fn extension(id: &'static str, sentence: &'static str, place: &'static str) -> Rule {
    Rule { id, sentence, source: Source::Extension(place) }
}

// The operations and schemas of XBezahldienste 1.0.0 that state the rules.
pub const CREATE: &str = "XBezahldienste 1.0.0, initiate-payment-transaction";
pub const POLL: &str = "XBezahldienste 1.0.0, get-status-by-ids";
pub const STATUS: &str = "XBezahldienste 1.0.0, status";
pub const REQUEST: &str = "XBezahldienste 1.0.0, PaymentRequest";
pub const INFORMATION: &str = "XBezahldienste 1.0.0, PaymentInformation";
pub const PROBLEM: &str = "XBezahldienste 1.0.0, Problem; RFC 9457";

// The functionalCodes that are accepted for each kind of invalid request.

/// An invalid field.
pub const FIELD_CODES: &[&str] = &["VALIDATION_ERROR"];
/// An invalid amount; a service may also report that the sum does not match.
pub const AMOUNT_CODES: &[&str] = &["VALIDATION_ERROR", "CALCULATION_ERROR"];
/// A grosAmount that is not the sum of the items.
pub const SUM_CODES: &[&str] = &["CALCULATION_ERROR"];
/// Invalid bookingData; a service may also report the key as missing.
pub const BOOKING_CODES: &[&str] = &["VALIDATION_ERROR", "BOOKING_DATA_MISSING"];
/// A body that is not valid JSON; a gateway in front of the service may refuse it without a specific code.
pub const BODY_CODES: &[&str] = &["VALIDATION_ERROR", "UNSPECIFIED"];
/// A requestId that another payment has.
pub const EXISTS_CODES: &[&str] = &["PAYMENT_EXISTS"];
/// A pair of originator and end point that is not configured, or not for this caller.
pub const PAIR_CODES: &[&str] =
    &["NO_VALID_ORIGINATOR_OR_ENDPOINT", "NO_VALID_ORIGINATOR_OR_DESTINATION", "FORBIDDEN"];

/// The HTTP statuses for an invalid request; the standard does not prescribe one of them.
const REFUSAL_STATUSES: [u16; 5] = [400, 409, 413, 415, 422];

impl Answer {
    /// Fails unless the payment was accepted. Returns its transactionId.
    pub fn expect_accepted(&self) -> Result<String, Finding> {
        let id = self.payment_information("transactionId").as_str().filter(|id| !id.is_empty());
        match id {
            Some(id) if (200..300).contains(&self.status) => Ok(id.to_owned()),
            _ => Err(self.mismatch("200 with paymentInformation.transactionId")),
        }
    }

    /// Fails unless the request was refused with one of these functionalCodes.
    pub fn expect_refused(&self, codes: &[&str]) -> CheckResult {
        let code = self.json["functionalCode"].as_str().unwrap_or_default();
        let holds = REFUSAL_STATUSES.contains(&self.status) && codes.contains(&code);
        self.ensure(holds, format!("one of {REFUSAL_STATUSES:?} with functionalCode {}", codes.join(" or ")))
    }

    /// Fails unless the status is 4xx: the service neither accepts the request nor breaks on it.
    pub fn expect_client_error(&self) -> CheckResult {
        self.ensure((400..500).contains(&self.status), "a status from 400 to 499")
    }

    /// Fails unless the payment is in this state.
    pub fn expect_state(&self, status: &str) -> CheckResult {
        let holds = (200..300).contains(&self.status) && self.payment_information("status") == status;
        self.ensure(holds, format!("200 with paymentInformation.status {status}"))
    }
}

/// Checks that the service accepts the `valid` requests and refuses the `invalid` ones with one of `codes`.
pub async fn check_samples(
    session: &Session,
    valid: Vec<Sample>,
    invalid: Vec<Sample>,
    codes: &[&str],
) -> CheckResult {
    for Sample { label, request } in valid {
        session
            .create(&request)
            .await
            .and_then(|answer| answer.expect_accepted())
            .map_err(|finding| add_label(&label, finding))?;
    }
    for Sample { label, request } in invalid {
        let refused = session.create(&request).await.and_then(|answer| answer.expect_refused(codes));
        refused.map_err(|finding| add_label(&label, finding))?;
    }
    Ok(())
}

/// Puts the label of the request in front of the request that a failure reports.
pub fn add_label(label: &str, finding: Finding) -> Finding {
    match finding {
        Finding::Failed(failure) => {
            Finding::Failed(Failure { sent: format!("{label}: {}", failure.sent), ..failure })
        }
        other => other,
    }
}

/// Reads a JSON number with at most two decimals as cents. Returns `None` for anything else.
pub fn parse_cents(value: &Value) -> Option<i64> {
    let Value::Number(number) = value else { return None };
    let text = number.to_string();
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, "0"));
    let negative = whole.starts_with('-');
    let whole: i64 = whole.parse().ok()?;
    let decimals: i64 = format!("{decimals:0<2}").parse().ok().filter(|cents| *cents < 100)?;
    Some(if negative { whole * 100 - decimals } else { whole * 100 + decimals })
}

/// Returns whether a field is missing, null or empty.
pub fn is_absent(value: &Value) -> bool {
    value.is_null() || value == ""
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_numbers_with_at_most_two_decimals_are_amounts() {
        for (value, expected) in [(json!(28.8), Some(2880)), (json!(0), Some(0)), (json!(-0.5), Some(-50))] {
            assert_eq!(parse_cents(&value), expected);
        }
        for value in [json!("28.80"), json!(28.801), json!(null), json!(1e300)] {
            assert_eq!(parse_cents(&value), None, "{value}");
        }
    }
}
