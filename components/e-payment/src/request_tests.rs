// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn item() -> Value {
    json!({"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
        "totalNetAmount": 28.8, "totalTaxAmount": 0, "singleNetAmount": 28.8, "singleTaxAmount": 0,
        "bookingData": {"hhst": "1.1100.1000"}})
}

fn request() -> Value {
    json!({
        "requestId": "R-1", "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR", "grosAmount": 28.8,
        "purpose": "Parkausweis 2026 17", "description": "Bewohnerparkausweis, Größe 1.", "items": [item()],
        "redirectUrl": "https://forms.example/return?x=1", "somethingNew": [1],
        "requestor": {"name": "Muster", "gender": "F", "isOrganization": false, "organizationName": null,
            "address": {"houseNumber": "12a", "addressLine": ["c/o"], "country": "DE"}},
    })
}

fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut request = request();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    request.pointer_mut(parent).unwrap()[key] = value;
    request.to_string().into_bytes()
}

#[test]
fn a_valid_request_is_parsed_and_echoed_without_unknown_fields() {
    let echoed = serde_json::to_string(&parse(request().to_string().as_bytes()).unwrap()).unwrap();
    assert!(echoed.contains("\"grosAmount\":28.80") && !echoed.contains("somethingNew"));
    assert_eq!(parse(echoed.as_bytes()).unwrap(), parse(request().to_string().as_bytes()).unwrap());
}

#[test]
fn each_constraint_accepts_its_limits_and_rejects_what_is_beyond() {
    let many = |count: usize| {
        let mut free = item();
        (free["totalNetAmount"], free["singleNetAmount"]) = (0.into(), 0.into());
        let mut items = vec![free; count - 1];
        items.push(item());
        Value::from(items)
    };
    let valid = [
        ("/requestId", json!("a".repeat(36))),
        ("/purpose", json!("a".repeat(27))),
        ("/description", json!("ä".repeat(250))),
        ("/redirectUrl", json!(format!("https://a.example/{}", "a".repeat(2082 - 18)))),
        ("/items", many(99)),
        ("/items/0/quantity", json!(999_999)),
        ("/items/0/taxRate", json!(100)),
        ("/items/0/bookingData", json!({"kst": "a".repeat(250)})),
        ("/requestor", Value::Null),
        ("/redirectUrl", Value::Null),
        ("/items/0/bookingData", Value::Null),
        ("/requestor/address/addressLine", Value::Null),
        ("/requestor/address/addressLine", json!(vec!["x"; 9])),
    ];
    for (pointer, value) in valid {
        assert_eq!(parse(&with(pointer, value.clone())).err(), None, "{pointer} = {value}");
    }
    let invalid = [
        ("/requestId", json!("a".repeat(37)), "requestId"),
        ("/requestId", json!(""), "requestId"),
        ("/requestId", json!("R 1"), "requestId"),
        ("/requestId", json!("Ä"), "requestId"),
        ("/requestTimestamp", json!("2026-03-01T10:00:00Z"), "requestTimestamp"),
        ("/requestTimestamp", json!("2026-03-01T10:00:00.000+01:00"), "requestTimestamp"),
        ("/requestTimestamp", json!("2026-02-30T10:00:00.000Z"), "requestTimestamp"),
        ("/currency", json!("CHF"), "currency"),
        ("/grosAmount", json!("28.80"), "grosAmount"),
        ("/grosAmount", json!(-1), "grosAmount"),
        ("/grosAmount", json!(1_000_000), "grosAmount"),
        ("/purpose", json!("a".repeat(28)), "purpose"),
        ("/purpose", json!("Gebühr"), "purpose"),
        ("/purpose", json!(""), "purpose"),
        ("/description", json!("a".repeat(251)), "description"),
        ("/description", json!("<b>"), "description"),
        ("/redirectUrl", json!("javascript:alert(1)"), "redirectUrl"),
        ("/redirectUrl", json!("/return"), "redirectUrl"),
        ("/redirectUrl", json!(format!("https://a.example/{}", "a".repeat(2083 - 18))), "redirectUrl"),
        ("/items", json!([]), "items"),
        ("/items", many(100), "items"),
        ("/items/0/id", json!("a".repeat(37)), "items[0].id"),
        ("/items/0/taxRate", json!(100.01), "items[0].taxRate"),
        ("/items/0/quantity", json!(0), "items[0].quantity"),
        ("/items/0/quantity", json!(1_000_000), "items[0].quantity"),
        ("/items/0/totalTaxAmount", json!(null), "items[0].totalTaxAmount"),
        ("/items/0/bookingData", json!({"kst": "a".repeat(251)}), "items[0].bookingData.kst"),
        ("/items/0/bookingData", json!({"kst": 1}), "items[0].bookingData.kst"),
        ("/items/0/bookingData", json!([]), "items[0].bookingData"),
        ("/requestor/gender", json!("X"), "requestor.gender"),
        ("/requestor/isOrganization", json!(true), "requestor.organizationName"),
        ("/requestor/address/houseNumber", json!("1".repeat(21)), "requestor.address.houseNumber"),
        ("/requestor/address/addressLine", json!(vec!["x"; 10]), "requestor.address.addressLine"),
        ("/requestor/address/country", json!("DEU"), "requestor.address.country"),
    ];
    for (pointer, value, field) in invalid {
        let problem = parse(&with(pointer, value.clone())).unwrap_err();
        let (code, detail) = problem.code_and_detail();
        assert_eq!(code, Code::ValidationError, "{pointer} = {value}: {detail}");
        assert!(detail.starts_with(field), "{pointer} = {value}: {detail}");
    }
}

#[test]
fn the_redirect_url_is_echoed_as_sent_and_parsed_for_redirects() {
    for (sent, parsed) in [
        ("https://forms.example", "https://forms.example/"),
        ("https://forms.example/a\r\nSet-Cookie: b", "https://forms.example/aSet-Cookie:%20b"),
        ("https://büro.example/ä", "https://xn--bro-hoa.example/%C3%A4"),
    ] {
        let url = parse(&with("/redirectUrl", sent.into())).unwrap().redirect_url.unwrap();
        assert_eq!((serde_json::to_value(&url).unwrap(), url.as_url().as_str()), (sent.into(), parsed));
    }
}

#[test]
fn the_error_for_a_sum_that_is_off_by_a_cent_names_both_sums() {
    for gros in [28.79, 28.81] {
        let problem = parse(&with("/grosAmount", json!(gros))).unwrap_err();
        let (code, detail) = problem.code_and_detail();
        assert_eq!(code, Code::CalculationError);
        assert!(detail.contains(&format!("{gros:.2}")) && detail.contains("28.80"), "{detail}");
    }
}

#[test]
fn malformed_json_is_rejected() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let duplicate = request().to_string().replacen('{', "{\"currency\":\"EUR\",", 1);
    let two_values = format!("{} {{}}", request());
    for body in [&b"\xff\xfe"[..], b"", b"{", deep.as_bytes(), duplicate.as_bytes(), two_values.as_bytes()] {
        assert_eq!(parse(body).unwrap_err().code_and_detail().0, Code::ValidationError);
    }
}

#[test]
fn errors_name_missing_fields_and_duplicate_keys() {
    let text = request().to_string();
    let duplicate_account = text.replacen("\"hhst\":", "\"hhst\":\"2\",\"hhst\":", 1);
    let no_amount = text.replacen("\"singleTaxAmount\":0", "\"x\":0", 1);
    let no_purpose = text.replacen("\"purpose\"", "\"x\"", 1);
    for (body, expected) in [
        (duplicate_account, "items[0].bookingData is invalid: the key hhst occurs twice"),
        (no_amount, "items[0] is invalid: missing field `singleTaxAmount`"),
        (no_purpose, "the body is invalid: missing field `purpose`"),
    ] {
        assert_ne!(body, text);
        let problem = parse(body.as_bytes()).unwrap_err();
        assert!(problem.code_and_detail().1.starts_with(expected), "{problem:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes);
    }
}
