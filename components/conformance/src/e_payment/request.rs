// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on the fields of `PaymentRequest`, each with valid and invalid values.
//!
//! The standard leaves open, and so the rules do not check, whether `\w` matches more than ASCII, whether an
//! optional field may be `null`, and whether a timestamp may lack milliseconds or have another zone than `Z`.

use serde_json::{Value, json};

use super::expect::{AMOUNT_CODES, BOOKING_CODES, FIELD_CODES, REQUEST, check_samples, extension, rule};
use super::payment::{Sample, euros, repeat_letter};
use super::session::Session;
use crate::{Report, Rule};

struct Constraint {
    rule: Rule,
    codes: &'static [&'static str],
    valid: Vec<Sample>,
    invalid: Vec<Sample>,
}

pub async fn check(session: &Session, report: &mut Report) {
    for constraints in [
        top_level_constraints(session),
        item_constraints(session),
        amount_constraints(session),
        booking_data_constraints(session),
        requestor_constraints(session),
    ] {
        for Constraint { rule, codes, valid, invalid } in constraints {
            report.check(rule, check_samples(session, valid, invalid, codes)).await;
        }
    }
}

fn constraint(
    id: &'static str,
    sentence: &'static str,
    valid: Vec<Sample>,
    invalid: Vec<Sample>,
) -> Constraint {
    Constraint { rule: rule(id, sentence, REQUEST), codes: FIELD_CODES, valid, invalid }
}

/// requestIds with a character that `\w` does not match in any interpretation.
const INVALID_IDS: [&str; 5] = ["R 1", "R.1", "R;1", "R<1", "R🙂1"];

fn top_level_constraints(session: &Session) -> Vec<Constraint> {
    let with = |pointer, value: Value| session.payment_with(pointer, value);
    let required = ["requestId", "currency", "grosAmount", "purpose", "items"];
    let id_of_length = |length: usize| {
        let mut id = session.request_id();
        while id.len() < length {
            id.push('_');
        }
        Value::from(id)
    };
    let mut invalid_ids: Vec<Sample> =
        INVALID_IDS.iter().map(|id| with("/requestId", (*id).into())).collect();
    invalid_ids.extend([
        with("/requestId", id_of_length(37)),
        with("/requestId", "".into()),
        with("/requestId", 1.into()),
    ]);
    vec![
        constraint(
            "request.required",
            "requestId, currency, grosAmount, purpose and items are required.",
            vec![],
            required.map(|field| session.payment_without(&format!("/{field}"))).into(),
        ),
        constraint(
            "request.unknown-fields",
            "Fields that the standard does not name are tolerated, at every level.",
            vec![
                with("/somethingNew", json!([1, {"a": null}])),
                with("/items/0/somethingNew", json!("x")),
                with("/requestor/somethingNew", json!({"a": 1})),
            ],
            vec![],
        ),
        constraint(
            "request.requestId",
            "requestId has 1 to 36 letters, digits, _ and -.",
            vec![with("/requestId", id_of_length(36))],
            invalid_ids,
        ),
        constraint(
            "request.requestTimestamp",
            "requestTimestamp is ISO 8601 in UTC, with milliseconds and Z.",
            vec![with("/requestTimestamp", "2024-02-29T23:59:59.999Z".into())],
            ["2026-03-01", "2026-02-30T10:00:00.000Z", "2026-03-01T10:00:00.000", "yesterday", ""]
                .map(|text| with("/requestTimestamp", text.into()))
                .into(),
        ),
        constraint(
            "request.currency",
            "currency is EUR.",
            vec![with("/currency", "EUR".into())],
            vec![
                with("/currency", "CHF".into()),
                with("/currency", "EURO".into()),
                with("/currency", "".into()),
                with("/currency", 978.into()),
            ],
        ),
        constraint(
            "request.purpose",
            "purpose has at most 27 letters, digits, _, - and spaces.",
            vec![with("/purpose", repeat_letter("a", 27)), with("/purpose", "A_b-9 c".into())],
            vec![
                with("/purpose", repeat_letter("a", 28)),
                with("/purpose", "a&b".into()),
                with("/purpose", "<b>".into()),
                with("/purpose", "a/b".into()),
            ],
        ),
        constraint(
            "request.description",
            "description has at most 250 letters (also À to ſ), digits, _, -, commas, full stops and spaces.",
            vec![
                with("/description", repeat_letter("ä", 250)),
                with("/description", "Größe ſ-1_2, À.".into()),
            ],
            vec![with("/description", repeat_letter("ä", 251)), with("/description", "<b>".into())],
        ),
        constraint(
            "request.redirectUrl",
            "redirectUrl has at most 2082 characters.",
            vec![with("/redirectUrl", url_of_length(2082))],
            vec![with("/redirectUrl", url_of_length(2083))],
        ),
        Constraint {
            rule: extension(
                "request.redirectUrl.scheme",
                "redirectUrl is an http or https URL.",
                "the service redirects the browser to it",
            ),
            codes: FIELD_CODES,
            valid: vec![],
            invalid: ["javascript:alert(1)", "/return", "data:text/html,x"]
                .map(|text| with("/redirectUrl", text.into()))
                .into(),
        },
    ]
}

fn item_constraints(session: &Session) -> Vec<Constraint> {
    let with = |pointer, value: Value| session.payment_with(pointer, value);
    let items_of_count = |count: usize| {
        let mut items = vec![session.item(0, 0, 0); count];
        if let Some(first) = items.first_mut() {
            *first = session.item(28_80, 0, 0);
        }
        Value::from(items)
    };
    let with_quantity = |quantity: u32| {
        let mut item = session.item(quantity, 0, 0);
        item["quantity"] = quantity.into();
        item["singleNetAmount"] = euros(1);
        Sample::new(session.payment_with_items(vec![item]), "/items/0/quantity", quantity)
    };
    let with_tax_rate = |net, tax, rate: u32| {
        Sample::new(session.payment_with_items(vec![session.item(net, tax, rate)]), "/items/0/taxRate", rate)
    };
    let max_length = |pointer: &'static str, id, sentence, length| {
        let (valid, invalid) =
            (with(pointer, repeat_letter("a", length)), with(pointer, repeat_letter("a", length + 1)));
        constraint(id, sentence, vec![valid], vec![invalid])
    };
    vec![
        constraint(
            "request.items.count",
            "There are 1 to 99 items.",
            vec![with("/items", items_of_count(1)), with("/items", items_of_count(99))],
            vec![with("/items", items_of_count(100)), with("/items", json!([])), with("/items", json!({}))],
        ),
        max_length("/items/0/id", "request.items.id", "An item's id has at most 36 characters.", 36),
        max_length(
            "/items/0/reference",
            "request.items.reference",
            "An item's reference has at most 36 characters.",
            36,
        ),
        max_length(
            "/items/0/description",
            "request.items.description",
            "An item's description has at most 250 characters.",
            250,
        ),
        constraint(
            "request.items.taxRate",
            "An item's taxRate is from 0 to 100.",
            vec![
                with_tax_rate(10_00, 0, 0),
                with_tax_rate(10_00, 1_90, 19),
                with_tax_rate(10_00, 10_00, 100),
            ],
            vec![
                with_tax_rate(10_00, 10_10, 101),
                with("/items/0/taxRate", (-1).into()),
                with("/items/0/taxRate", "19".into()),
            ],
        ),
        constraint(
            "request.items.quantity",
            "An item's quantity is a whole number from 1 to 999999.",
            vec![with_quantity(1), with_quantity(999_999)],
            vec![
                with_quantity(1_000_000),
                with("/items/0/quantity", 0.into()),
                with("/items/0/quantity", (-1).into()),
                with("/items/0/quantity", 1.5.into()),
            ],
        ),
    ]
}

fn amount_constraints(session: &Session) -> Vec<Constraint> {
    // All fields get the same amount, so that the sum is still correct.
    let with_amount = |amount: Value| {
        let sample = session.payment_with("/grosAmount", amount.clone());
        let sample = sample.and_with("/items/0/totalNetAmount", amount.clone());
        sample.and_with("/items/0/singleNetAmount", amount)
    };
    let large_items =
        session.payment_with_items(vec![session.item(50_000_000, 0, 0), session.item(49_999_901, 0, 0)]);
    let item_fields = ["totalNetAmount", "totalTaxAmount", "singleNetAmount", "singleTaxAmount"]
        .map(|field| format!("/items/0/{field}"));
    let mut invalid: Vec<Sample> = Vec::new();
    for pointer in &item_fields {
        invalid.extend([session.payment_without(pointer), session.payment_with(pointer, Value::Null)]);
        invalid.extend(
            [json!("0.00"), json!(0.001), json!(-0.01)].map(|value| session.payment_with(pointer, value)),
        );
    }
    let with_amount_codes = |mut constraint: Constraint| {
        constraint.codes = AMOUNT_CODES;
        constraint
    };
    vec![
        with_amount_codes(constraint(
            "request.grosAmount",
            "grosAmount is a number from 0 to 999999.",
            vec![with_amount(json!(0)), with_amount(json!(0.01)), with_amount(json!(999_999))],
            vec![
                with_amount(json!(-0.01)),
                with_amount(json!(1_000_000)),
                Sample::new(large_items, "/grosAmount", 999_999.01),
                session.payment_with("/grosAmount", "28.80"),
                session.payment_with("/grosAmount", Value::Null),
            ],
        )),
        with_amount_codes(constraint(
            "request.grosAmount.decimals",
            "grosAmount has at most two decimals.",
            vec![with_amount(json!(28)), with_amount(json!(28.8)), with_amount(json!(28.88))],
            vec![with_amount(json!(28.801)), with_amount(json!(28.805)), with_amount(json!(0.001))],
        )),
        with_amount_codes(constraint(
            "request.items.amounts",
            "An item has four amounts, numbers of at least 0 with at most two decimals.",
            vec![],
            invalid,
        )),
    ]
}

fn booking_data_constraints(session: &Session) -> Vec<Constraint> {
    let with = |value: Value| {
        let mut data = session.booking_data.clone();
        data.insert("text".to_owned(), value);
        session.payment_with("/items/0/bookingData", data)
    };
    vec![Constraint {
        rule: rule(
            "request.items.bookingData",
            "bookingData is a map of texts of at most 250 characters.",
            REQUEST,
        ),
        codes: BOOKING_CODES,
        valid: vec![with(repeat_letter("a", 250))],
        invalid: vec![
            with(repeat_letter("a", 251)),
            with(1.into()),
            with(json!({})),
            session.payment_with("/items/0/bookingData", json!(["a"])),
        ],
    }]
}

fn requestor_constraints(session: &Session) -> Vec<Constraint> {
    let with = |field: &str, value: Value| session.payment_with(&format!("/requestor/{field}"), value);
    let address =
        |field: &str, value: Value| session.payment_with(&format!("/requestor/address/{field}"), value);
    let lines = |count| json!(vec!["c/o"; count]);
    let anonymous = session.payment_without("/requestor/organizationName").request;
    let person = Sample::new(anonymous, "/requestor/isOrganization", false);
    let nameless_organization =
        with("isOrganization", true.into()).and_with("/requestor/organizationName", Value::Null);
    vec![
        constraint(
            "request.requestor",
            "requestor is optional.",
            vec![session.payment_without("/requestor")],
            vec![],
        ),
        constraint(
            "request.requestor.gender",
            "gender is M, F or D.",
            ["M", "F", "D"].map(|gender| with("gender", gender.into())).into(),
            vec![with("gender", "X".into()), with("gender", "female".into())],
        ),
        constraint(
            "request.requestor.organizationName",
            "An organization must have a name.",
            vec![person],
            vec![nameless_organization, session.payment_without("/requestor/organizationName")],
        ),
        constraint(
            "request.requestor.houseNumber",
            "houseNumber has at most 20 characters.",
            vec![address("houseNumber", repeat_letter("1", 20))],
            vec![address("houseNumber", repeat_letter("1", 21))],
        ),
        constraint(
            "request.requestor.addressLine",
            "There are at most 9 lines of address.",
            vec![address("addressLine", lines(9))],
            vec![address("addressLine", lines(10))],
        ),
        constraint(
            "request.requestor.country",
            "country is a code of two letters.",
            vec![address("country", "NL".into())],
            vec![address("country", "DEU".into()), address("country", "D".into())],
        ),
    ]
}

fn url_of_length(length: usize) -> Value {
    let start = "https://forms.rathaus.example/";
    format!("{start}{}", "a".repeat(length - start.len())).into()
}
