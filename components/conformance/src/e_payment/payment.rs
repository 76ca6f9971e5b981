// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Builds payment requests: valid ones, and ones that differ from a valid one in some fields.

use serde_json::{Value, json};

use super::session::Session;

/// A payment request, with a label for the report that says how it differs from other requests.
pub struct Sample {
    pub label: String,
    pub request: Value,
}

impl Session {
    /// Returns a valid request over 28.80 euros with a new requestId and every field of the standard.
    pub fn payment(&self) -> Value {
        self.payment_with_items(vec![self.item(28_80, 0, 0)])
    }

    /// Returns a valid request with a new requestId for these items.
    pub fn payment_with_items(&self, items: Vec<Value>) -> Value {
        let cents_of = |item: &Value, field: &str| (item[field].as_f64().unwrap_or_default() * 100.0).round();
        let totals =
            items.iter().map(|item| cents_of(item, "totalNetAmount") + cents_of(item, "totalTaxAmount"));
        json!({
            "requestId": self.request_id(), "requestTimestamp": now(), "currency": "EUR",
            "grosAmount": totals.sum::<f64>() / 100.0,
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

    /// Returns an item of quantity one. `net` and `tax` are in cents, `rate` is the tax rate in per cent.
    pub fn item(&self, net: u32, tax: u32, rate: u32) -> Value {
        json!({
            "id": "1", "reference": "99108005", "description": "Bewohnerparkausweis", "taxRate": rate, "quantity": 1,
            "totalNetAmount": euros(net), "totalTaxAmount": euros(tax),
            "singleNetAmount": euros(net), "singleTaxAmount": euros(tax),
            "bookingData": self.booking_data,
        })
    }

    /// Returns a valid request in which the field at `pointer` (JSON Pointer, RFC 6901) has this value.
    pub fn payment_with(&self, pointer: &str, value: impl Into<Value>) -> Sample {
        Sample::new(self.payment(), pointer, value)
    }

    /// Returns a valid request without the field at `pointer`.
    pub fn payment_without(&self, pointer: &str) -> Sample {
        let mut request = self.payment();
        let (parent, key) = split_pointer(pointer);
        if let Some(Value::Object(fields)) = request.pointer_mut(parent) {
            fields.remove(key);
        }
        Sample { label: format!("without {pointer}"), request }
    }
}

impl Sample {
    /// Changes or adds one field of `request`.
    pub fn new(request: Value, pointer: &str, value: impl Into<Value>) -> Self {
        Self { label: String::new(), request }.and_with(pointer, value)
    }

    /// Changes or adds one more field.
    pub fn and_with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        let (length, shown) = match &value {
            Value::String(text) => (text.chars().count(), text.chars().take(40).collect()),
            Value::Array(entries) => (entries.len(), String::new()),
            other => (0, other.to_string()),
        };
        let length = if length > 20 { format!(" ({length} long)") } else { String::new() };
        self.label.push_str(&format!("{pointer} = {shown:?}{length} "));
        let (parent, key) = split_pointer(pointer);
        if let Some(parent) = self.request.pointer_mut(parent) {
            parent[key] = value;
        }
        self
    }
}

fn split_pointer(pointer: &str) -> (&str, &str) {
    pointer.rsplit_once('/').unwrap_or(("", pointer))
}

/// Converts cents to a JSON number of euros.
pub fn euros(cents: u32) -> Value {
    json!(f64::from(cents) / 100.0)
}

/// Returns the current time as ISO 8601 in UTC, with milliseconds and `Z`.
pub fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

/// Returns `letter` repeated `count` times.
pub fn repeat_letter(letter: &str, count: usize) -> Value {
    letter.repeat(count).into()
}
