// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The constraint table of `PaymentRequest`, each row on both sides.
//!
//! Left open by the standard, and so not judged: whether `\w` holds more than ASCII, whether an optional
//! field may be `null`, whether milliseconds may be left out or another zone than `Z` be given.

use serde_json::{Value, json};

use super::expect::{AMOUNT, BOOKING, FIELD, REQUEST, both_sides, extension, rule};
use super::payment::{Sample, euros, letters};
use super::session::Session;
use crate::{Report, Rule};

struct Row {
    rule: Rule,
    codes: &'static [&'static str],
    right: Vec<Sample>,
    wrong: Vec<Sample>,
}

pub async fn judge(session: &Session, report: &mut Report) {
    for rows in [top(session), items(session), amounts(session), booking_data(session), requestor(session)] {
        for Row { rule, codes, right, wrong } in rows {
            report.judge(rule, both_sides(session, right, wrong, codes)).await;
        }
    }
}

fn row(id: &'static str, sentence: &'static str, right: Vec<Sample>, wrong: Vec<Sample>) -> Row {
    Row { rule: rule(id, sentence, REQUEST), codes: FIELD, right, wrong }
}

/// Characters that no reading of `\w` has.
const ODD: [&str; 5] = ["R 1", "R.1", "R;1", "R<1", "R🙂1"];

fn top(session: &Session) -> Vec<Row> {
    let with = |pointer, value: Value| session.with(pointer, value);
    let required = ["requestId", "currency", "grosAmount", "purpose", "items"];
    let id_of = |length: usize| {
        let mut id = session.request_id();
        while id.len() < length {
            id.push('_');
        }
        Value::from(id)
    };
    let mut ids: Vec<Sample> = ODD.iter().map(|odd| with("/requestId", (*odd).into())).collect();
    ids.extend([with("/requestId", id_of(37)), with("/requestId", "".into()), with("/requestId", 1.into())]);
    vec![
        row(
            "request.required",
            "requestId, currency, grosAmount, purpose and items must be there.",
            vec![],
            required.map(|field| session.without(&format!("/{field}"))).into(),
        ),
        row(
            "request.unknown-fields",
            "Fields that the standard does not name are tolerated, at every level.",
            vec![
                with("/somethingNew", json!([1, {"a": null}])),
                with("/items/0/somethingNew", json!("x")),
                with("/requestor/somethingNew", json!({"a": 1})),
            ],
            vec![],
        ),
        row(
            "request.requestId",
            "requestId has 1 to 36 letters, digits, _ and -.",
            vec![with("/requestId", id_of(36))],
            ids,
        ),
        row(
            "request.requestTimestamp",
            "requestTimestamp is ISO 8601 in UTC, with milliseconds and Z.",
            vec![with("/requestTimestamp", "2024-02-29T23:59:59.999Z".into())],
            ["2026-03-01", "2026-02-30T10:00:00.000Z", "2026-03-01T10:00:00.000", "yesterday", ""]
                .map(|text| with("/requestTimestamp", text.into()))
                .into(),
        ),
        row(
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
        row(
            "request.purpose",
            "purpose has at most 27 letters, digits, _, - and spaces.",
            vec![with("/purpose", letters("a", 27)), with("/purpose", "A_b-9 c".into())],
            vec![
                with("/purpose", letters("a", 28)),
                with("/purpose", "a&b".into()),
                with("/purpose", "<b>".into()),
                with("/purpose", "a/b".into()),
            ],
        ),
        row(
            "request.description",
            "description has at most 250 letters (also À to ſ), digits, _, -, commas, full stops and spaces.",
            vec![with("/description", letters("ä", 250)), with("/description", "Größe ſ-1_2, À.".into())],
            vec![with("/description", letters("ä", 251)), with("/description", "<b>".into())],
        ),
        row(
            "request.redirectUrl",
            "redirectUrl has at most 2082 characters.",
            vec![with("/redirectUrl", url_of(2082))],
            vec![with("/redirectUrl", url_of(2083))],
        ),
        Row {
            rule: extension(
                "request.redirectUrl.scheme",
                "redirectUrl is an http or https URL.",
                "a browser is sent there",
            ),
            codes: FIELD,
            right: vec![],
            wrong: ["javascript:alert(1)", "/return", "data:text/html,x"]
                .map(|text| with("/redirectUrl", text.into()))
                .into(),
        },
    ]
}

fn items(session: &Session) -> Vec<Row> {
    let with = |pointer, value: Value| session.with(pointer, value);
    let free = |count: usize| {
        let mut items = vec![session.item(0, 0, 0); count];
        if let Some(first) = items.first_mut() {
            *first = session.item(28_80, 0, 0);
        }
        Value::from(items)
    };
    let many = |quantity: u32| {
        let mut item = session.item(quantity, 0, 0);
        item["quantity"] = quantity.into();
        item["singleNetAmount"] = euros(1);
        Sample::new(session.payment_of(vec![item]), "/items/0/quantity", quantity)
    };
    let taxed = |net, tax, rate: u32| {
        Sample::new(session.payment_of(vec![session.item(net, tax, rate)]), "/items/0/taxRate", rate)
    };
    let lengths = |pointer: &'static str, id, sentence, longest| {
        let (right, wrong) = (with(pointer, letters("a", longest)), with(pointer, letters("a", longest + 1)));
        row(id, sentence, vec![right], vec![wrong])
    };
    vec![
        row(
            "request.items.count",
            "There are 1 to 99 items.",
            vec![with("/items", free(1)), with("/items", free(99))],
            vec![with("/items", free(100)), with("/items", json!([])), with("/items", json!({}))],
        ),
        lengths("/items/0/id", "request.items.id", "An item's id has at most 36 characters.", 36),
        lengths(
            "/items/0/reference",
            "request.items.reference",
            "An item's reference has at most 36 characters.",
            36,
        ),
        lengths(
            "/items/0/description",
            "request.items.description",
            "An item's description has at most 250 characters.",
            250,
        ),
        row(
            "request.items.taxRate",
            "An item's taxRate is from 0 to 100.",
            vec![taxed(10_00, 0, 0), taxed(10_00, 1_90, 19), taxed(10_00, 10_00, 100)],
            vec![
                taxed(10_00, 10_10, 101),
                with("/items/0/taxRate", (-1).into()),
                with("/items/0/taxRate", "19".into()),
            ],
        ),
        row(
            "request.items.quantity",
            "An item's quantity is a whole number from 1 to 999999.",
            vec![many(1), many(999_999)],
            vec![
                many(1_000_000),
                with("/items/0/quantity", 0.into()),
                with("/items/0/quantity", (-1).into()),
                with("/items/0/quantity", 1.5.into()),
            ],
        ),
    ]
}

fn amounts(session: &Session) -> Vec<Row> {
    // The same amount everywhere, so that no sum is wrong.
    let of = |amount: Value| {
        let sample = session.with("/grosAmount", amount.clone());
        let sample = sample.and("/items/0/totalNetAmount", amount.clone());
        sample.and("/items/0/singleNetAmount", amount)
    };
    let two = session.payment_of(vec![session.item(50_000_000, 0, 0), session.item(49_999_901, 0, 0)]);
    let item_fields = ["totalNetAmount", "totalTaxAmount", "singleNetAmount", "singleTaxAmount"]
        .map(|field| format!("/items/0/{field}"));
    let mut wrong: Vec<Sample> = Vec::new();
    for pointer in &item_fields {
        wrong.extend([session.without(pointer), session.with(pointer, Value::Null)]);
        wrong.extend([json!("0.00"), json!(0.001), json!(-0.01)].map(|value| session.with(pointer, value)));
    }
    let amounts = |mut row: Row| {
        row.codes = AMOUNT;
        row
    };
    vec![
        amounts(row(
            "request.grosAmount",
            "grosAmount is a number from 0 to 999999.",
            vec![of(json!(0)), of(json!(0.01)), of(json!(999_999))],
            vec![
                of(json!(-0.01)),
                of(json!(1_000_000)),
                Sample::new(two, "/grosAmount", 999_999.01),
                session.with("/grosAmount", "28.80"),
                session.with("/grosAmount", Value::Null),
            ],
        )),
        amounts(row(
            "request.grosAmount.decimals",
            "grosAmount has at most two decimals.",
            vec![of(json!(28)), of(json!(28.8)), of(json!(28.88))],
            vec![of(json!(28.801)), of(json!(28.805)), of(json!(0.001))],
        )),
        amounts(row(
            "request.items.amounts",
            "An item has four amounts, numbers of at least 0 with at most two decimals.",
            vec![],
            wrong,
        )),
    ]
}

fn booking_data(session: &Session) -> Vec<Row> {
    let with = |value: Value| {
        let mut data = session.booking_data.clone();
        data.insert("text".to_owned(), value);
        session.with("/items/0/bookingData", data)
    };
    vec![Row {
        rule: rule(
            "request.items.bookingData",
            "bookingData is a map of texts of at most 250 characters.",
            REQUEST,
        ),
        codes: BOOKING,
        right: vec![with(letters("a", 250))],
        wrong: vec![
            with(letters("a", 251)),
            with(1.into()),
            with(json!({})),
            session.with("/items/0/bookingData", json!(["a"])),
        ],
    }]
}

fn requestor(session: &Session) -> Vec<Row> {
    let with = |field: &str, value: Value| session.with(&format!("/requestor/{field}"), value);
    let address = |field: &str, value: Value| session.with(&format!("/requestor/address/{field}"), value);
    let lines = |count| json!(vec!["c/o"; count]);
    let anonymous = session.without("/requestor/organizationName").request;
    let person = Sample::new(anonymous, "/requestor/isOrganization", false);
    let nameless = with("isOrganization", true.into()).and("/requestor/organizationName", Value::Null);
    vec![
        row("request.requestor", "requestor is optional.", vec![session.without("/requestor")], vec![]),
        row(
            "request.requestor.gender",
            "gender is M, F or D.",
            ["M", "F", "D"].map(|gender| with("gender", gender.into())).into(),
            vec![with("gender", "X".into()), with("gender", "female".into())],
        ),
        row(
            "request.requestor.organizationName",
            "An organization has a name.",
            vec![person],
            vec![nameless, session.without("/requestor/organizationName")],
        ),
        row(
            "request.requestor.houseNumber",
            "houseNumber has at most 20 characters.",
            vec![address("houseNumber", letters("1", 20))],
            vec![address("houseNumber", letters("1", 21))],
        ),
        row(
            "request.requestor.addressLine",
            "There are at most 9 lines of address.",
            vec![address("addressLine", lines(9))],
            vec![address("addressLine", lines(10))],
        ),
        row(
            "request.requestor.country",
            "country is a code of two letters.",
            vec![address("country", "NL".into())],
            vec![address("country", "DEU".into()), address("country", "D".into())],
        ),
    ]
}

fn url_of(length: usize) -> Value {
    let start = "https://forms.rathaus.example/";
    format!("{start}{}", "a".repeat(length - start.len())).into()
}
