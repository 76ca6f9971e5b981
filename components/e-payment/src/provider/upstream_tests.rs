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

fn read_with(path: &str, value: Value) -> Result<Information, Error> {
    let mut answer = answer();
    *answer.pointer_mut(path).unwrap() = value;
    read(&payment(), answer.to_string().as_bytes())
}

#[test]
fn an_honest_answer_tells_where_one_pays() {
    let ours = "https://ahaus.example/return/1".parse().unwrap();
    let known = read(&payment(), answer().to_string().as_bytes()).unwrap();
    let at = ProviderPayment { reference: "T-1".to_owned(), url: "https://epay.example/pay/T-1".to_owned() };
    assert_eq!(known.started(&ours), Ok(at));
}

#[test]
fn an_answer_about_another_payment_or_amount_is_not_believed() {
    for (path, value, told) in [
        ("/paymentRequest/requestId", json!("R-1"), "requestId is another"),
        ("/paymentRequest/currency", json!("USD"), "currency is another"),
        ("/paymentRequest/grosAmount", json!(28.81), "grosAmount is 28.81, and we sent 28.80"),
        ("/paymentRequest/items/0/totalTaxAmount", json!(0.01), "sum of items is 28.81, and we sent 28.80"),
        ("/paymentInformation/transactionId", json!(""), "transactionId is empty"),
    ] {
        let Err(Error::Wrong(wrong)) = read_with(path, value) else { panic!("{path} is believed") };
        assert!(wrong.contains(told), "{wrong}");
    }
}

#[test]
fn what_is_no_answer_can_be_asked_for_again() {
    for body in ["<html>maintenance</html>", "{}", "", r#"{"paymentInformation":{}}"#] {
        assert!(matches!(read(&payment(), body.as_bytes()), Err(Error::Unavailable(_))), "{body}");
    }
    let cents = read_with("/paymentRequest/grosAmount", json!(28.805));
    assert!(matches!(cents, Err(Error::Unavailable(_))), "no amount has three decimals");
}

#[test]
fn browsers_are_sent_to_web_pages_only() {
    let ours: Url = "https://ahaus.example/return/1".parse().unwrap();
    for value in [json!("javascript:alert(1)"), json!("/pay/T-1"), Value::Null] {
        let known = read_with("/paymentInformation/transactionRedirectUrl", value).unwrap();
        assert!(matches!(known.started(&ours), Err(Error::Wrong(_))));
    }
    let mut decided = answer();
    decided["paymentInformation"]["transactionRedirectUrl"] = Value::Null;
    decided["paymentInformation"]["status"] = "PAYED".into();
    let known = read(&payment(), decided.to_string().as_bytes()).unwrap();
    assert_eq!(known.started(&ours).unwrap().url, ours.as_str(), "it can be looked up");
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
        read(&payment(), answer.to_string().as_bytes()).unwrap().decision(reference)
    };
    let why = Some("x".repeat(LONGEST_DETAIL));
    assert_eq!(decision("INITIAL", "T-1"), Ok(None));
    let payed = Decision::Payed { method: PaymentMethod::Giropay, detail: Some("giropay".to_owned()) };
    assert_eq!(decision("PAYED", "T-1"), Ok(Some(payed)));
    assert_eq!(decision("FAILED", "T-1"), Ok(Some(Decision::Failed(why.clone()))));
    assert_eq!(decision("CANCELED", "T-1"), Ok(Some(Decision::Canceled(why))));
    assert!(matches!(decision("PAID", "T-1"), Err(Error::Wrong(_))));
    assert!(matches!(decision("PAYED", "T-2"), Err(Error::Wrong(_))), "another transaction's state");
}

#[test]
fn a_method_that_is_not_the_standards_is_another_one() {
    let mut answer = answer();
    answer["paymentInformation"]["status"] = "PAYED".into();
    answer["paymentInformation"]["paymentMethod"] = "WERO".into();
    let known = read(&payment(), answer.to_string().as_bytes()).unwrap();
    let payed = Decision::Payed { method: PaymentMethod::Other, detail: None };
    assert_eq!(known.decision("T-1"), Ok(Some(payed)));
}

#[test]
fn only_what_is_the_payments_fault_is_a_refusal() {
    let problem = br#"{"functionalCode":"BOOKING_DATA_MISSING","detail":"hhst is missing","status":400}"#;
    let detail = "hhst is missing".to_owned();
    let refused = Error::Refused { code: Code::BookingDataMissing, detail };
    assert_eq!(refusal(StatusCode::BAD_REQUEST, problem), refused);
    assert!(exists(&refusal(StatusCode::CONFLICT, br#"{"functionalCode":"PAYMENT_EXISTS"}"#)));
    let detail = "the platform answers 404".to_owned();
    let unknown = Error::Refused { code: Code::Unspecified, detail };
    assert_eq!(refusal(StatusCode::NOT_FOUND, b"<html>"), unknown);
    for status in [301, 401, 403, 408, 429, 500, 502, 503] {
        let status = StatusCode::from_u16(status).unwrap();
        assert!(matches!(refusal(status, problem), Error::Unavailable(_)), "{status}");
    }
}
