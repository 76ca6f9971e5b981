// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! GiroCheckout's messages and their hashes. Pure.
//!
//! Read in the provider's documentation (api.girocheckout.de: hash generation, result codes, error
//! codes, transaction/status, the giropay and payment page chapters) and checked with hashes of real
//! messages that the Omnipay driver's tests hold. General knowledge, not read there: that a reply's
//! header `hash` is over the raw body (so do the provider's own SDKs).

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::Error;
use crate::transaction::{Decision, PaymentMethod};

/// What stands in front of every outcome in this order, without anything in between. A hash over values
/// without separators says nothing of where one value ends: only a fixed order of fixed fields does.
const OUTCOME: [&str; 6] =
    ["gcReference", "gcMerchantTxId", "gcBackendTxId", "gcAmount", "gcCurrency", "gcResultPayment"];
/// What the payment page puts in front of it.
const BEFORE: [&str; 3] = ["gcPaymethod", "gcType", "gcProjectId"];
/// What an age verification puts behind it.
const BEHIND: &str = "gcResultAVS";
const HASH: &str = "gcHash";

/// Says what a payment came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// GiroCheckout's id of the payment.
    pub reference: String,
    /// Ours.
    pub merchant_tx_id: String,
    /// Cents.
    pub amount: String,
    /// ISO 4217.
    pub currency: String,
    /// One of the result codes.
    pub result: String,
}

fn hmac(password: &str, parts: &[&str]) -> Hmac<Md5> {
    #[allow(clippy::expect_used, reason = "HMAC takes keys of any length")]
    let mut mac = Hmac::<Md5>::new_from_slice(password.as_bytes()).expect("a key");
    parts.iter().for_each(|part| mac.update(part.as_bytes()));
    mac
}

/// The hash of values in their order: HMAC-MD5 as lower-case hexadecimal digits.
pub fn hash(password: &str, values: &[&str]) -> String {
    hmac(password, values).finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether `told` is the hash of `values`; takes the same time wherever it differs.
pub fn is_hash(password: &str, values: &[&str], told: &str) -> bool {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let byte = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    let told: Option<Vec<u8>> = told.as_bytes().chunks(2).map(byte).collect();
    told.is_some_and(|told| hmac(password, values).verify_slice(&told).is_ok())
}

/// Reads a notification or a redirect.
///
/// # Errors
/// Its hash is wrong, or its fields are none of the documented ones.
pub fn read(password: &str, fields: &[(String, String)]) -> Result<Outcome, Error> {
    let wrong = |told: &str| Error::Wrong(format!("a message in GiroCheckout's name {told}"));
    let Some(end) = fields.iter().position(|(name, _)| name == HASH) else {
        return Err(wrong("has no gcHash"));
    };
    let (signed, told) = (&fields[..end], &fields[end].1);
    let values: Vec<&str> = signed.iter().map(|(_, value)| value.as_str()).collect();
    if !is_hash(password, &values, told) {
        return Err(wrong("has a wrong gcHash"));
    }
    let begin = if signed.first().is_some_and(|(name, _)| name == BEFORE[0]) { BEFORE.len() } else { 0 };
    let known = BEFORE[..begin].iter().chain(&OUTCOME);
    let behind = (signed.len() == begin + OUTCOME.len() + 1).then_some(&BEHIND);
    if !signed.iter().map(|(name, _)| name.as_str()).eq(known.chain(behind).copied()) {
        return Err(wrong("has other fields than the documented ones"));
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

/// What a result code decides; none: nothing yet, or a code that is not documented.
pub fn decision(result: &str) -> Option<Decision> {
    let detail = || Some(format!("GiroCheckout {result}"));
    match (result, result.parse()) {
        ("4000", _) => {
            Some(Decision::Payed { method: PaymentMethod::Other, detail: Some("GiroCheckout".to_owned()) })
        }
        // No input in time; aborted by the user.
        (_, Ok(4501 | 4502)) => Some(Decision::Canceled(detail())),
        // Bank offline, account or card refused, change of method, duplicate, blocked, rejected.
        (_, Ok(4001 | 4002 | 4051 | 4101..=4108 | 4151 | 4153 | 4503..=4506 | 4900)) => {
            Some(Decision::Failed(detail()))
        }
        // The documentation: error codes of calls may be results, too.
        (_, Ok(5000..=5999)) => Some(Decision::Failed(detail())),
        // 4152, 4154, 4500: still under way, or not known. Money may have moved: ask again.
        _ => None,
    }
}

#[cfg(test)]
#[path = "giro_message_tests.rs"]
mod tests;
