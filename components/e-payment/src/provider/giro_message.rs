// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Pure functions for GiroCheckout's messages and their hashes.
//!
//! Sources: the provider's documentation (api.girocheckout.de: hash generation, result codes, error
//! codes, transaction/status, the giropay and payment page chapters), and real messages from the tests
//! of the Omnipay driver, which confirm the hashes. That a reply's header `hash` covers the raw body is not
//! documented there; the provider's own SDKs do it so.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::Error;
use crate::transaction::{Decision, PaymentMethod};

/// The fields of every outcome, in this order and without others in between. The hash covers the values
/// without separators, so it does not protect the borders between them: only fixed fields in a fixed order
/// do.
const OUTCOME_FIELDS: [&str; 6] =
    ["gcReference", "gcMerchantTxId", "gcBackendTxId", "gcAmount", "gcCurrency", "gcResultPayment"];
/// Fields that the payment page sends before the outcome.
const PAYMENT_PAGE_FIELDS: [&str; 3] = ["gcPaymethod", "gcType", "gcProjectId"];
/// The field that an age verification adds after the outcome.
const AGE_VERIFICATION_FIELD: &str = "gcResultAVS";
const HASH_FIELD: &str = "gcHash";

/// The outcome of a payment, with values as they were sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// GiroCheckout's id of the payment, `gcReference`.
    pub reference: String,
    /// This module's transaction id.
    pub merchant_tx_id: String,
    /// Amount in cents.
    pub amount: String,
    /// Currency code of ISO 4217.
    pub currency: String,
    /// Result code, such as 4000 for paid.
    pub result: String,
}

fn new_hmac(password: &str, parts: &[&str]) -> Hmac<Md5> {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).expect("a key");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac
}

/// The hash over the values in their order: HMAC-MD5 as lower-case hexadecimal digits.
pub fn compute_hash(password: &str, values: &[&str]) -> String {
    new_hmac(password, values).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `hash`, in hexadecimal digits, is the hash of `values`. Compares in constant time.
pub fn verify_hash(password: &str, values: &[&str], hash: &str) -> bool {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let hash: Option<Vec<u8>> = hash.as_bytes().chunks(2).map(byte).collect();
    hash.is_some_and(|hash| new_hmac(password, values).verify_slice(&hash).is_ok())
}

/// Parses a notification or a redirect, which carry the same fields. Fields after `gcHash` are ignored.
///
/// # Errors
/// [`Error::Invalid`] if the hash is missing or wrong, or if the fields are not the documented ones.
pub fn parse_notification(password: &str, fields: &[(String, String)]) -> Result<Outcome, Error> {
    let invalid = |reason: &str| Error::Invalid(format!("a message in GiroCheckout's name {reason}"));
    let Some(end) = fields.iter().position(|(name, _)| name == HASH_FIELD) else {
        return Err(invalid("has no gcHash"));
    };
    let (signed, hash) = (&fields[..end], &fields[end].1);
    let values: Vec<&str> = signed.iter().map(|(_, value)| value.as_str()).collect();
    if !verify_hash(password, &values, hash) {
        return Err(invalid("has a wrong gcHash"));
    }
    let begin = if signed.first().is_some_and(|(name, _)| name == PAYMENT_PAGE_FIELDS[0]) {
        PAYMENT_PAGE_FIELDS.len()
    } else {
        0
    };
    let expected = PAYMENT_PAGE_FIELDS[..begin].iter().chain(&OUTCOME_FIELDS);
    let trailing = (signed.len() == begin + OUTCOME_FIELDS.len() + 1).then_some(&AGE_VERIFICATION_FIELD);
    if !signed.iter().map(|(name, _)| name.as_str()).eq(expected.chain(trailing).copied()) {
        return Err(invalid("has other fields than the documented ones"));
    }
    let value = |index: usize| values[begin + index].to_owned();
    Ok(Outcome {
        reference: value(0),
        merchant_tx_id: value(1),
        amount: value(3),
        currency: value(4),
        result: value(5),
    })
}

/// The decision that a result code means. Returns `None` if the payment is still pending or the code is not
/// documented.
pub fn decision_from_result(result: &str) -> Option<Decision> {
    let detail = || Some(format!("GiroCheckout {result}"));
    match (result, result.parse()) {
        ("4000", _) => {
            Some(Decision::Payed { method: PaymentMethod::Other, detail: Some("GiroCheckout".to_owned()) })
        }
        // The user entered nothing in time, or cancelled.
        (_, Ok(4501 | 4502)) => Some(Decision::Canceled(detail())),
        // Bank offline, account or card declined, change of method, duplicate, blocked, rejected.
        (_, Ok(4001 | 4002 | 4051 | 4101..=4108 | 4151 | 4153 | 4503..=4506 | 4900)) => {
            Some(Decision::Failed(detail()))
        }
        // According to the documentation, error codes of calls may be results, too.
        (_, Ok(5000..=5999)) => Some(Decision::Failed(detail())),
        // 4152, 4154 and 4500 mean pending or unknown. Money may have moved, so the payment stays open and
        // is looked up again.
        _ => None,
    }
}

#[cfg(test)]
#[path = "giro_message_tests.rs"]
mod tests;
