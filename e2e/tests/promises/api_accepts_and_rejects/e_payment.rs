// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The rules of a ServiceModule's block `ePayment`.

use serde_json::{Value, json};

fn platform(authentication: Value) -> Value {
    let url = "https://epay.land.example/xbezahldienste/api/v1.0.0";
    json!({"type": "XBezahldienste", "xBezahldienste": {"url": url, "authentication": authentication}})
}

fn giro(merchant: &str, project: &str) -> Value {
    let block = json!({"merchantId": merchant, "projectId": project, "secret": "giro"});
    json!({"type": "GiroCheckout", "giroCheckout": block})
}

fn point(receipts: Value) -> Value {
    json!([{"id": "055990001001", "providerId": "4711", "bookingData": ["hhst", "k.s_t-1"], "receipts": receipts}])
}

fn points(count: usize) -> Value {
    (0..count).map(|n| json!({"id": format!("p{n}"), "receipts": {"prefix": format!("P{n}-")}})).collect()
}

fn clients(count: usize) -> Value {
    (0..count)
        .map(|n| json!({"name": format!("c{n}"), "secret": format!("s{n}"), "originators": ["x"]}))
        .collect()
}

/// The treasury's people, by this role.
pub fn clerks(role: String) -> Value {
    json!({"clientId": "rathaus-table", "secret": "kasse-oidc", "role": role})
}

/// Where and what.
pub fn accepted() -> Vec<(&'static str, Value)> {
    vec![
        ("/spec/ePayment/provider", platform(json!({"type": "Basic", "secret": "epay"}))),
        ("/spec/ePayment/provider", platform(json!({"type": "MutualTLS", "secret": "epay.land.example"}))),
        (
            "/spec/ePayment/provider",
            platform(
                json!({"type": "OAuth2", "secret": "epay", "tokenUrl": "https://login.land.example/token"}),
            ),
        ),
        ("/spec/ePayment/provider", giro("4711", "08")),
        ("/spec/ePayment/endPoints", points(32)),
        ("/spec/ePayment/endPoints", point(json!({"prefix": "", "length": 8}))),
        (
            "/spec/ePayment/endPoints",
            point(json!({"prefix": "ABCDEFGHIJ-01234", "length": 36, "checkDigit": "Luhn"})),
        ),
        ("/spec/ePayment/endPoints", point(json!({"prefix": "AH26-", "length": 12, "checkDigit": "Luhn"}))),
        ("/spec/ePayment/clients", Value::Null),
        ("/spec/ePayment/clients", clients(32)),
        (
            "/spec/ePayment/clients",
            json!([{"name": "a", "module": "forms", "originators": ["x_1-Y"], "endPoints": ["z"]}]),
        ),
        ("/spec/ePayment/clerks", clerks("a".repeat(256))),
        ("/spec/ePayment/payerDataDays", 1.into()),
        ("/spec/ePayment/payerDataDays", 3650.into()),
    ]
}

/// Where, what, and the field and words that the answer must have.
pub fn rejected() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        (
            "/spec/ePayment/provider",
            json!({"type": "GiroCheckout"}),
            "spec.ePayment.provider",
            "block that fits type",
        ),
        (
            "/spec/ePayment/provider",
            json!({"type": "Sandbox", "giroCheckout": giro("1", "2")["giroCheckout"]}),
            "spec.ePayment.provider",
            "none for Sandbox",
        ),
        (
            "/spec/ePayment/provider",
            giro("M4711", "2"),
            "spec.ePayment.provider.giroCheckout.merchantId",
            "digits",
        ),
        ("/spec/ePayment/provider", giro("1", ""), "spec.ePayment.provider.giroCheckout.projectId", "digits"),
        (
            "/spec/ePayment/provider",
            platform(json!({"type": "OAuth2", "secret": "epay"})),
            "spec.ePayment.provider.xBezahldienste.authentication",
            "tokenUrl is needed",
        ),
        (
            "/spec/ePayment/provider",
            platform(json!({"type": "Basic", "secret": "epay", "tokenUrl": "https://login.land.example"})),
            "spec.ePayment.provider.xBezahldienste.authentication",
            "only for it",
        ),
        (
            "/spec/ePayment/provider",
            platform(json!({"type": "OAuth2", "secret": "epay", "tokenUrl": "http://login.land.example"})),
            "spec.ePayment.provider.xBezahldienste.authentication.tokenUrl",
            "https URL",
        ),
        (
            "/spec/ePayment/provider",
            platform(json!({"type": "Basic", "secret": "../epay"})),
            "spec.ePayment.provider.xBezahldienste.authentication.secret",
            "name of a Secret",
        ),
        (
            "/spec/ePayment/provider",
            json!({"type": "XBezahldienste", "xBezahldienste": {
                "url": "https://user:password@epay.land.example", "authentication": {"type": "Basic", "secret": "epay"}}}),
            "spec.ePayment.provider.xBezahldienste.url",
            "without user",
        ),
        (
            "/spec/ePayment/provider",
            json!({"type": "XBezahldienste", "xBezahldienste": {"url": "https://epay.land.example",
                "originatorId": "rathaus ahaus", "authentication": {"type": "Basic", "secret": "epay"}}}),
            "spec.ePayment.provider.xBezahldienste.originatorId",
            "1 to 36 letters",
        ),
        ("/spec/ePayment/endPoints", points(33), "spec.ePayment.endPoints", "at most 32"),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a"}, {"id": "a"}]),
            "spec.ePayment.endPoints[1]",
            "Duplicate",
        ),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a"}, {"id": "b"}]),
            "spec.ePayment.endPoints",
            "a prefix of its own",
        ),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a", "receipts": {"prefix": "A1"}}, {"id": "b", "receipts": {"prefix": "A"}}]),
            "spec.ePayment.endPoints",
            "may begin with another's",
        ),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a/b"}]),
            "spec.ePayment.endPoints[0].id",
            "1 to 36 letters",
        ),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a".repeat(37)}]),
            "spec.ePayment.endPoints[0].id",
            "than 36",
        ),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a", "providerId": ""}]),
            "spec.ePayment.endPoints[0].providerId",
            "1 to 36 letters",
        ),
        (
            "/spec/ePayment/endPoints",
            json!([{"id": "a", "bookingData": ["h st"]}]),
            "spec.ePayment.endPoints[0].bookingData[0]",
            "should match",
        ),
        (
            "/spec/ePayment/endPoints",
            point(json!({"length": 7})),
            "receipts.length",
            "greater than or equal to 8",
        ),
        (
            "/spec/ePayment/endPoints",
            point(json!({"length": 37})),
            "receipts.length",
            "less than or equal to 36",
        ),
        ("/spec/ePayment/endPoints", point(json!({"prefix": "ah-"})), "receipts.prefix", "capital letters"),
        ("/spec/ePayment/endPoints", point(json!({"prefix": "A".repeat(17)})), "receipts.prefix", "than 16"),
        (
            "/spec/ePayment/endPoints",
            point(json!({"prefix": "AH26-", "length": 11, "checkDigit": "Luhn"})),
            "receipts",
            "at least 6 places",
        ),
        (
            "/spec/ePayment/endPoints",
            point(json!({"checkDigit": "Mod97"})),
            "receipts.checkDigit",
            "supported values",
        ),
        ("/spec/ePayment/clients", clients(33), "spec.ePayment.clients", "at most 32"),
        (
            "/spec/ePayment/clients",
            json!([{"name": "a", "originators": ["x"]}]),
            "spec.ePayment.clients[0]",
            "exactly one of secret and module",
        ),
        (
            "/spec/ePayment/clients",
            json!([{"name": "a", "secret": "a", "module": "a", "originators": ["x"]}]),
            "spec.ePayment.clients[0]",
            "exactly one of secret and module",
        ),
        (
            "/spec/ePayment/clients",
            json!([{"name": "a", "secret": "s", "originators": ["x"]}, {"name": "b", "secret": "s", "originators": ["y"]}]),
            "spec.ePayment.clients",
            "could not be told apart",
        ),
        (
            "/spec/ePayment/clients",
            json!([{"name": "a", "module": "m", "originators": ["x"]}, {"name": "b", "module": "m", "originators": ["y"]}]),
            "spec.ePayment.clients",
            "could not be told apart",
        ),
        ("/spec/ePayment/clients/0/name", "Portal".into(), "spec.ePayment.clients[0].name", "DNS label"),
        (
            "/spec/ePayment/clients/0/originators",
            json!([]),
            "spec.ePayment.clients[0].originators",
            "at least 1",
        ),
        (
            "/spec/ePayment/clients/0/originators",
            json!(["ä"]),
            "spec.ePayment.clients[0].originators[0]",
            "should match",
        ),
        (
            "/spec/ePayment",
            json!({"provider": {"type": "Sandbox"}, "endPoints": [{"id": "here"}],
                "clients": [{"name": "a", "secret": "s", "originators": ["x"], "endPoints": ["there"]}]}),
            "spec.ePayment",
            "one of this module's endPoints",
        ),
        ("/spec/ePayment/clerks", clerks(String::new()), "spec.ePayment.clerks.role", "at least 1"),
        ("/spec/ePayment/clerks", clerks("a".repeat(257)), "spec.ePayment.clerks.role", "than 256"),
        (
            "/spec/ePayment/payerDataDays",
            0.into(),
            "spec.ePayment.payerDataDays",
            "greater than or equal to 1",
        ),
        (
            "/spec/ePayment/payerDataDays",
            3651.into(),
            "spec.ePayment.payerDataDays",
            "less than or equal to 3650",
        ),
    ]
}
