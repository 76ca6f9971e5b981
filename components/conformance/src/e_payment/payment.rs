// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Requests to send: right ones, and ones that differ in a field.

use serde_json::{Value, json};

use super::session::Session;

/// A request, and in what it differs from a right one.
pub struct Sample {
    pub told: String,
    pub request: Value,
}

impl Session {
    /// A right request for 28.80 euros, of an id that nobody has used, with every field of the standard.
    pub fn payment(&self) -> Value {
        self.payment_of(vec![self.item(28_80, 0, 0)])
    }

    /// A right request for these items.
    pub fn payment_of(&self, items: Vec<Value>) -> Value {
        let cents = |item: &Value, field: &str| (item[field].as_f64().unwrap_or_default() * 100.0).round();
        let all = items.iter().map(|item| cents(item, "totalNetAmount") + cents(item, "totalTaxAmount"));
        json!({
            "requestId": self.request_id(), "requestTimestamp": now(), "currency": "EUR",
            "grosAmount": all.sum::<f64>() / 100.0,
            "purpose": "Parkausweis 2026_17-A", "description": "Bewohnerparkausweis, Größe 1.",
            "redirectUrl": "https://forms.rathaus.example/return?x=1&y=%C3%A4",
            "items": items,
            "requestor": {
                "name": "Muster", "firstName": "Eva", "gender": "F", "isOrganization": true,
                "organizationName": "Muster & Söhne",
                "address": {
                    "street": "Markt", "houseNumber": "12a", "addressLine": ["c/o Beispiel"],
                    "postalCode": "48683", "city": "Ahaus", "country": "DE",
                },
            },
        })
    }

    /// One thing for this net price and tax, in cents, at this rate in per cent.
    pub fn item(&self, net: u32, tax: u32, rate: u32) -> Value {
        json!({
            "id": "1", "reference": "99108005", "description": "Bewohnerparkausweis", "taxRate": rate, "quantity": 1,
            "totalNetAmount": euros(net), "totalTaxAmount": euros(tax),
            "singleNetAmount": euros(net), "singleTaxAmount": euros(tax),
            "bookingData": self.booking_data,
        })
    }

    /// A right request except for one field.
    pub fn with(&self, pointer: &str, value: impl Into<Value>) -> Sample {
        Sample::new(self.payment(), pointer, value)
    }

    /// A right request without a field.
    pub fn without(&self, pointer: &str) -> Sample {
        let mut request = self.payment();
        let (parent, key) = split(pointer);
        if let Some(Value::Object(fields)) = request.pointer_mut(parent) {
            fields.remove(key);
        }
        Sample { told: format!("without {pointer}"), request }
    }
}

impl Sample {
    /// `request` with one field changed or added.
    pub fn new(request: Value, pointer: &str, value: impl Into<Value>) -> Self {
        Self { told: String::new(), request }.and(pointer, value)
    }

    /// The same with one more.
    pub fn and(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let (length, shown) = match &value {
            Value::String(text) => (text.chars().count(), text.chars().take(40).collect()),
            Value::Array(entries) => (entries.len(), String::new()),
            other => (0, other.to_string()),
        };
        let length = if length > 20 { format!(" ({length} long)") } else { String::new() };
        self.told.push_str(&format!("{pointer} = {shown:?}{length} "));
        let (parent, key) = split(pointer);
        if let Some(parent) = self.request.pointer_mut(parent) {
            parent[key] = value;
        }
        self
    }
}

fn split(pointer: &str) -> (&str, &str) {
    pointer.rsplit_once('/').unwrap_or(("", pointer))
}

/// An amount in cents as a JSON number of euros.
pub fn euros(cents: u32) -> Value {
    json!(f64::from(cents) / 100.0)
}

/// ISO 8601, UTC, with milliseconds and `Z`.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// `count` times the same letter.
pub fn letters(letter: &str, count: usize) -> Value {
    letter.repeat(count).into()
}
