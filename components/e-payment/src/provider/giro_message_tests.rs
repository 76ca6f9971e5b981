// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Hashes marked as computed were computed with Python's `hmac`, not with the code under test.

use proptest::prelude::*;

use super::*;

/// Real messages of GiroCheckout's test system, from the tests of the Omnipay driver (MIT).
const PASSWORD: &str = "ZFV9ZXpUKuDM";
const PAID: [(&str, &str); 7] = [
    ("gcReference", "b52e7ff4-2713-4287-817f-488bfab07956"),
    ("gcMerchantTxId", "TXN-33605725321"),
    ("gcBackendTxId", "pWkqbQ43eyVK0Sh88FCR1i"),
    ("gcAmount", "123"),
    ("gcCurrency", "EUR"),
    ("gcResultPayment", "4000"),
    ("gcHash", "e7a2d870904632943a40348edb3c8ae6"),
];

fn fields(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// The same fields with the right hash.
fn signed(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let values: Vec<&str> = pairs.iter().map(|(_, value)| *value).collect();
    let mut all = fields(pairs);
    all.push(("gcHash".to_owned(), compute_hash(PASSWORD, &values)));
    all
}

#[test]
fn hashes_match_the_documentation_and_a_real_message() {
    // The documentation's example, computed.
    let values = ["1234567", "1234", "Value1", "Value2"];
    assert_eq!(compute_hash("secure", &values), "92468036cf4cee1c1ee73c788a29001d");
    let cancelled = ["b1e33e0c-aa58-40ff-b83b-abc4bfb0c12f", "TXN-94039909842", "0a3WSyaa4wf1Loy2IRFTsd"];
    let cancelled = [&cancelled[..], &["123", "EUR", "4502"]].concat();
    assert_eq!(compute_hash(PASSWORD, &cancelled), "f1dba477d0ca7c16b191785bc7fa9044");
}

#[test]
fn a_real_notification_is_parsed() {
    let outcome = parse_notification(PASSWORD, &fields(&PAID)).unwrap();
    assert_eq!((outcome.merchant_tx_id.as_str(), outcome.amount.as_str()), ("TXN-33605725321", "123"));
    assert_eq!(
        decision_from_result(&outcome.result).map(|decision| decision.status().as_str()),
        Some("PAYED")
    );
}

#[test]
fn fields_around_the_outcome_and_after_the_hash_are_ignored() {
    let before = [("gcPaymethod", "1"), ("gcType", "SALE"), ("gcProjectId", "1234")];
    let mut message = signed(&[&before[..], &PAID[..6], &[("gcResultAVS", "4020")]].concat());
    message.push(("utm_source".to_owned(), "x".to_owned()));
    assert_eq!(parse_notification(PASSWORD, &message), parse_notification(PASSWORD, &fields(&PAID)));
}

#[test]
fn messages_with_a_wrong_or_missing_hash_are_invalid() {
    let mut other_amount = fields(&PAID);
    other_amount[3].1 = "1".to_owned();
    let mut other_hash = fields(&PAID);
    other_hash[6].1 = "e7a2d870904632943a40348edb3c8ae7".to_owned();
    for (message, expected) in [
        (other_amount, "wrong gcHash"),
        (other_hash, "wrong gcHash"),
        (fields(&PAID[..6]), "no gcHash"),
        (vec![], "no gcHash"),
    ] {
        let Err(Error::Invalid(reason)) = parse_notification(PASSWORD, &message) else {
            panic!("a message with {expected} is accepted")
        };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn moving_characters_between_fields_is_detected() {
    // The hash does not cover the borders between values: a failed payment whose backend id contains 4000
    // must not become a paid one.
    let failed = [
        ("gcReference", "REF"),
        ("gcMerchantTxId", "TX"),
        ("gcBackendTxId", "B2880EUR4000"),
        ("gcAmount", "2880"),
        ("gcCurrency", "EUR"),
        ("gcResultPayment", "4900"),
    ];
    let hash = signed(&failed)[6].clone();
    for forged in [
        &[
            ("gcReference", "REF"),
            ("gcMerchantTxId", "TX"),
            ("gcBackendTxId", "B"),
            ("gcAmount", "2880"),
            ("gcCurrency", "EUR"),
            ("gcResultPayment", "4000"),
            ("x", "2880EUR4900"),
        ][..],
        &[("x", "REFTXB2880EUR40002880EUR4900")],
        &[("gcMerchantTxId", "REF"), ("gcReference", "TXB2880EUR40002880EUR4900")],
    ] {
        let mut message = fields(forged);
        message.push(hash.clone());
        let Err(Error::Invalid(reason)) = parse_notification(PASSWORD, &message) else {
            panic!("{forged:?} is accepted")
        };
        assert!(reason.contains("other fields"), "{reason}");
    }
}

#[test]
fn result_codes_become_decisions() {
    let state = |code| decision_from_result(code).map(|decision| decision.status().as_str());
    assert_eq!(state("4000"), Some("PAYED"));
    for code in ["4501", "4502"] {
        assert_eq!(state(code), Some("CANCELED"), "{code}");
    }
    for code in ["4001", "4051", "4101", "4108", "4151", "4503", "4504", "4505", "4506", "4900", "5023"] {
        assert_eq!(state(code), Some("FAILED"), "{code}");
    }
    for code in ["4500", "4152", "4154", "4999", "0", "", "4000 ", "+4000", "04000"] {
        assert!(!matches!(state(code), Some("FAILED" | "CANCELED")), "{code} is not final");
    }
}

proptest! {
    #[test]
    fn only_the_right_hash_is_verified(candidate in "\\PC{0,40}") {
        let hash = compute_hash(PASSWORD, &["a", "b"]);
        prop_assert_eq!(verify_hash(PASSWORD, &["ab"], &candidate), candidate.to_lowercase() == hash);
        prop_assert!(verify_hash(PASSWORD, &["ab"], &hash.to_uppercase()));
    }
}
