// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use serde_json::{Value, json};

use super::*;
use crate::store::Pair;

fn payment() -> Payment {
    let request = json!({
        "requestId": "R-1", "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR",
        "grosAmount": 28.80, "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
        "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
            "totalNetAmount": 28.80, "totalTaxAmount": 0, "singleNetAmount": 28.80, "singleTaxAmount": 0}],
    });
    Payment {
        id: "0123456789abcdef0123456789abcdef".to_owned(),
        pair: Pair { originator: "parkausweis".to_owned(), end_point: "055540004004".to_owned() },
        request: serde_json::from_value(request).unwrap(),
    }
}

fn answer() -> Value {
    json!({
        "paymentInformation": {
            "transactionUrl": "https://epay.example/paymenttransaction/p/e/T-1",
            "transactionRedirectUrl": "https://epay.example/pay/T-1", "transactionId": "T-1",
            "transactionReference": null, "transactionTimestamp": null, "paymentMethod": null,
            "paymentMethodDetail": null, "status": "INITIAL", "statusDetail": null,
        },
        "paymentRequest": {
            "requestId": "0123456789abcdef0123456789abcdef", "currency": "EUR", "grosAmount": 28.8,
            "items": [{"totalNetAmount": 28.80, "totalTaxAmount": 0.00, "unknown": true}],
        },
    })
}

fn parse_changed(path: &str, value: Value) -> Result<PaymentInformation, Error> {
    let mut answer = answer();
    *answer.pointer_mut(path).unwrap() = value;
    parse_transaction(&payment(), answer.to_string().as_bytes())
}

#[test]
fn a_valid_answer_contains_the_page_for_the_citizen() {
    let return_url = "https://ahaus.example/return/1".parse().unwrap();
    let information = parse_transaction(&payment(), answer().to_string().as_bytes()).unwrap();
    let at = ProviderPayment { reference: "T-1".to_owned(), url: "https://epay.example/pay/T-1".to_owned() };
    assert_eq!(information.into_at_provider(&return_url), Ok(at));
}

#[test]
fn an_answer_about_another_payment_or_amount_is_invalid() {
    for (path, value, expected) in [
        ("/paymentRequest/requestId", json!("R-1"), "requestId is another"),
        ("/paymentRequest/currency", json!("USD"), "currency is another"),
        ("/paymentRequest/grosAmount", json!(28.81), "grosAmount is 28.81, but 28.80 was sent"),
        ("/paymentRequest/items/0/totalTaxAmount", json!(0.01), "sum of items is 28.81, but 28.80 was sent"),
        ("/paymentInformation/transactionId", json!(""), "transactionId is empty"),
    ] {
        let Err(Error::Invalid(reason)) = parse_changed(path, value) else { panic!("{path} is accepted") };
        assert!(reason.contains(expected), "{reason}");
    }
}

#[test]
fn a_response_that_cannot_be_parsed_is_unavailable_and_can_be_retried() {
    for body in ["<html>maintenance</html>", "{}", "", r#"{"paymentInformation":{}}"#] {
        assert!(
            matches!(parse_transaction(&payment(), body.as_bytes()), Err(Error::Unavailable(_))),
            "{body}"
        );
    }
    let cents = parse_changed("/paymentRequest/grosAmount", json!(28.805));
    assert!(matches!(cents, Err(Error::Unavailable(_))), "amounts have at most two decimals");
}

#[test]
fn browsers_are_redirected_to_web_pages_only() {
    let return_url: Url = "https://ahaus.example/return/1".parse().unwrap();
    for value in [json!("javascript:alert(1)"), json!("/pay/T-1"), Value::Null] {
        let information = parse_changed("/paymentInformation/transactionRedirectUrl", value).unwrap();
        assert!(matches!(information.into_at_provider(&return_url), Err(Error::Invalid(_))));
    }
    let mut decided = answer();
    decided["paymentInformation"]["transactionRedirectUrl"] = Value::Null;
    decided["paymentInformation"]["status"] = "PAYED".into();
    let information = parse_transaction(&payment(), decided.to_string().as_bytes()).unwrap();
    let at = information.into_at_provider(&return_url).unwrap();
    assert_eq!(at.url, return_url.as_str(), "the decision is looked up there");
}

#[test]
fn states_become_decisions() {
    let decision = |status: &str, reference| {
        let mut answer = answer();
        let information = &mut answer["paymentInformation"];
        information["status"] = status.into();
        information["statusDetail"] = "x".repeat(300).into();
        information["paymentMethod"] = "GIROPAY".into();
        information["paymentMethodDetail"] = "giropay".into();
        parse_transaction(&payment(), answer.to_string().as_bytes()).unwrap().into_decision(reference)
    };
    let reason = Some("x".repeat(MAX_DETAIL_CHARS));
    assert_eq!(decision("INITIAL", "T-1"), Ok(None));
    let payed = Decision::Payed { method: PaymentMethod::Giropay, detail: Some("giropay".to_owned()) };
    assert_eq!(decision("PAYED", "T-1"), Ok(Some(payed)));
    assert_eq!(decision("FAILED", "T-1"), Ok(Some(Decision::Failed(reason.clone()))));
    assert_eq!(decision("CANCELED", "T-1"), Ok(Some(Decision::Canceled(reason))));
    assert!(matches!(decision("PAID", "T-1"), Err(Error::Invalid(_))));
    assert!(matches!(decision("PAYED", "T-2"), Err(Error::Invalid(_))), "another transaction's state");
}

#[test]
fn a_payment_method_outside_the_standard_becomes_other() {
    let mut answer = answer();
    answer["paymentInformation"]["status"] = "PAYED".into();
    answer["paymentInformation"]["paymentMethod"] = "WERO".into();
    let information = parse_transaction(&payment(), answer.to_string().as_bytes()).unwrap();
    let payed = Decision::Payed { method: PaymentMethod::Other, detail: None };
    assert_eq!(information.into_decision("T-1"), Ok(Some(payed)));
}

#[test]
fn only_errors_about_the_payment_itself_are_refusals() {
    let problem = br#"{"functionalCode":"BOOKING_DATA_MISSING","detail":"hhst is missing","status":400}"#;
    let detail = "hhst is missing".to_owned();
    let refused = Error::Refused { code: Code::BookingDataMissing, detail };
    assert_eq!(error_from_response(StatusCode::BAD_REQUEST, problem), refused);
    assert!(is_payment_exists(&error_from_response(
        StatusCode::CONFLICT,
        br#"{"functionalCode":"PAYMENT_EXISTS"}"#
    )));
    let detail = "the platform answers 404".to_owned();
    let unknown = Error::Refused { code: Code::Unspecified, detail };
    assert_eq!(error_from_response(StatusCode::NOT_FOUND, b"<html>"), unknown);
    for status in [301, 401, 403, 408, 429, 500, 502, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(matches!(error_from_response(status, problem), Error::Unavailable(_)), "{status}");
    }
}
