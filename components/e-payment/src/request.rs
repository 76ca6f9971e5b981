// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The `PaymentRequest` of XBezahldienste 1.0.0 and the constraints of the standard. This module has no I/O.

use jiff::civil::DateTime;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::booking_data::BookingData;
use crate::money::{Cents, Sum, TaxRate};
use crate::problem::{Code, Problem};
use crate::web_url::WebUrl;

/// A request of an online service for a payment. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    /// Chosen by the online service; unique for its originator and end point.
    #[schema(max_length = 36, pattern = r"^[\w\d-]+$")]
    pub request_id: String,
    /// ISO 8601, UTC, with milliseconds and `Z`.
    #[schema(format = DateTime, example = "2026-03-01T10:00:00.000Z")]
    pub request_timestamp: String,
    /// Currency code (ISO 4217); only `EUR` is allowed.
    #[schema(example = "EUR", pattern = "^EUR$")]
    pub currency: String,
    /// The total amount in euros, the sum of the items' net and tax amounts (spelled as in the standard).
    pub gros_amount: Cents,
    /// The purpose that the bank statement shows, at most 27 characters.
    #[schema(min_length = 1, max_length = 27, pattern = r"^[\w\d\s-]+$")]
    pub purpose: String,
    /// A longer description of the purpose.
    #[schema(max_length = 250, pattern = r"^[\w\d\s\-,.À-ſ]*$")]
    pub description: String,
    /// The URL to which the browser is redirected after the payment. The redirect does not carry the
    /// outcome; the online service must poll it. Without the URL, the pay page shows the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uri", max_length = 2082)]
    pub redirect_url: Option<WebUrl>,
    /// The items that are paid for, 1 to 99.
    #[schema(min_items = 1, max_items = 99)]
    pub items: Vec<Item>,
    /// The person or organization that pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<Requestor>,
}

/// An item of a payment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Id of the item in the request.
    #[schema(min_length = 1, max_length = 36)]
    pub id: String,
    /// Reference of the service that is paid for, such as its LeiKa key.
    #[schema(min_length = 1, max_length = 36)]
    pub reference: String,
    /// Description of the item.
    #[schema(max_length = 250)]
    pub description: String,
    /// Tax rate in per cent, 0 to 100, with at most two decimals.
    pub tax_rate: TaxRate,
    /// Quantity, 1 to 999,999.
    #[schema(minimum = 1, maximum = 999_999)]
    pub quantity: u32,
    /// Net amount of the whole quantity in euros.
    pub total_net_amount: Cents,
    /// Tax on the whole quantity in euros.
    pub total_tax_amount: Cents,
    /// Net amount of a single piece in euros.
    pub single_net_amount: Cents,
    /// Tax on a single piece in euros.
    pub single_tax_amount: Cents,
    /// Keys and values by which the treasury books the item.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub booking_data: BookingData,
}

/// The person or organization that pays. Every field is optional, as in the standard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Requestor {
    /// Family name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Given name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_name: Option<String>,
    /// Recorded gender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gender: Option<Gender>,
    /// Whether an organization pays and not a person.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_organization: Option<bool>,
    /// Name of the organization, required if an organization pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    /// Postal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// Recorded gender: `M` (male), `F` (female) or `D` (diverse).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[allow(missing_docs, reason = "the standard's letters")]
pub enum Gender {
    M,
    F,
    D,
}

/// A postal address.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
#[allow(missing_docs, reason = "named as the standard names them")]
pub struct Address {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 20)]
    pub house_number: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_as_default")]
    #[schema(max_items = 9)]
    pub address_line: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// Country code (ISO 3166-1 alpha-2).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Z]{2}$")]
    pub country: Option<String>,
}

impl PaymentRequest {
    /// Checks that every item has the booking data that the end point's treasury requires.
    ///
    /// # Errors
    /// Fails with `BOOKING_DATA_MISSING` naming the first item and key that is missing or empty.
    pub fn check_booking_data(&self, keys: &[String]) -> Result<(), Problem> {
        for (number, item) in self.items.iter().enumerate() {
            if let Some(key) = keys.iter().find(|key| item.booking_data.get(key).is_none_or(str::is_empty)) {
                let detail =
                    format!("items[{number}].bookingData.{key} is required by this end point's treasury");
                return Err(Problem::new(Code::BookingDataMissing, detail));
            }
        }
        Ok(())
    }
}

/// Parses the JSON of a request and checks it against the constraints of the standard.
///
/// # Errors
/// Fails with `VALIDATION_ERROR` naming the first invalid field, or with `CALCULATION_ERROR` naming both sums
/// if the total amount is not the sum of the items.
pub fn parse(body: &[u8]) -> Result<PaymentRequest, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|error| Problem::invalid_field("the body", &format!("must be UTF-8: {error}")))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let request: PaymentRequest = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        // For a missing field, the path is that of the object that lacks it; the path of the root is `.`.
        let path = Some(error.path().to_string()).filter(|path| path != ".");
        let field = path.as_deref().unwrap_or("the body");
        Problem::invalid_field(field, &format!("is invalid: {}", error.inner()))
    })?;
    json.end().map_err(|error| {
        Problem::invalid_field("the body", &format!("has text after the JSON value: {error}"))
    })?;
    validate(&request)?;
    Ok(request)
}

/// Deserializes `null` as an empty list or map, because many programs send `null` for an omitted field.
fn null_as_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Checks the constraints of the standard that the types do not express.
fn validate(request: &PaymentRequest) -> Result<(), Problem> {
    check_id("requestId", &request.request_id)?;
    check_timestamp(&request.request_timestamp)?;
    ensure(request.currency == "EUR", "currency", "must be EUR")?;
    let allowed = |c: char| is_word_char(c) || c.is_whitespace() || c == '-';
    ensure(!request.purpose.is_empty(), "purpose", "must not be empty")?;
    check_text("purpose", &request.purpose, 27, allowed, "letters a to z, digits, _, - and spaces")?;
    check_description("description", &request.description)?;
    ensure((1..=99).contains(&request.items.len()), "items", "must have 1 to 99 entries")?;
    for (number, item) in request.items.iter().enumerate() {
        check_item(&format!("items[{number}]"), item)?;
    }
    if let Some(requestor) = &request.requestor {
        check_requestor(requestor)?;
    }
    let sum = request
        .items
        .iter()
        .fold(Sum::default(), |sum, item| sum + item.total_net_amount + item.total_tax_amount);
    if sum != request.gros_amount {
        let detail = format!(
            "grosAmount is {}, but the items' net and tax amounts add up to {sum}",
            request.gros_amount
        );
        return Err(Problem::new(Code::CalculationError, detail));
    }
    Ok(())
}

fn check_item(path: &str, item: &Item) -> Result<(), Problem> {
    check_length(&format!("{path}.id"), &item.id, 36)?;
    check_length(&format!("{path}.reference"), &item.reference, 36)?;
    check_description(&format!("{path}.description"), &item.description)?;
    ensure((1..=999_999).contains(&item.quantity), &format!("{path}.quantity"), "must be 1 to 999999")?;
    for (key, value) in item.booking_data.iter() {
        let field = format!("{path}.bookingData.{key}");
        ensure(value.chars().count() <= 250, &field, "must be at most 250 characters")?;
    }
    Ok(())
}

fn check_requestor(requestor: &Requestor) -> Result<(), Problem> {
    let is_organization = requestor.is_organization == Some(true);
    let has_name = requestor.organization_name.as_ref().is_some_and(|name| !name.is_empty());
    ensure(
        !is_organization || has_name,
        "requestor.organizationName",
        "is required if isOrganization is true",
    )?;
    let Some(address) = &requestor.address else { return Ok(()) };
    let house_number = address.house_number.as_deref().unwrap_or_default();
    ensure(
        house_number.chars().count() <= 20,
        "requestor.address.houseNumber",
        "must be at most 20 characters",
    )?;
    ensure(address.address_line.len() <= 9, "requestor.address.addressLine", "must have at most 9 lines")?;
    let country = address.country.as_deref().unwrap_or("DE");
    let is_alpha_2 = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    ensure(is_alpha_2, "requestor.address.country", "must be a country code of two letters, such as DE")
}

fn ensure(condition: bool, field: &str, expected: &str) -> Result<(), Problem> {
    if condition { Ok(()) } else { Err(Problem::invalid_field(field, expected)) }
}

/// Whether `\w` in the patterns of the standard matches a character.
fn is_word_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Checks an identifier of the standard: 1 to 36 letters, digits, `_` or `-`.
///
/// # Errors
/// Fails with `VALIDATION_ERROR` naming the field.
pub fn check_id(field: &str, value: &str) -> Result<(), Problem> {
    ensure(!value.is_empty(), field, "must not be empty")?;
    check_text(field, value, 36, |c| is_word_char(c) || c == '-', "letters a to z, digits, _ and -")
}

fn check_length(field: &str, value: &str, max_length: usize) -> Result<(), Problem> {
    let length = value.chars().count();
    ensure((1..=max_length).contains(&length), field, &format!("must be 1 to {max_length} characters"))
}

fn check_description(field: &str, value: &str) -> Result<(), Problem> {
    let allowed =
        |c: char| is_word_char(c) || c.is_whitespace() || "-,.".contains(c) || ('À'..='ſ').contains(&c);
    check_text(field, value, 250, allowed, "letters, digits, _, -, comma, full stop and spaces")
}

fn check_text(
    field: &str,
    value: &str,
    max_length: usize,
    allowed: impl Fn(char) -> bool,
    allowed_text: &str,
) -> Result<(), Problem> {
    let is_short_enough = value.chars().count() <= max_length;
    ensure(is_short_enough, field, &format!("must be at most {max_length} characters"))?;
    ensure(value.chars().all(allowed), field, &format!("may contain only {allowed_text}"))
}

fn check_timestamp(value: &str) -> Result<(), Problem> {
    let is_valid = DateTime::strptime("%Y-%m-%dT%H:%M:%S%.3fZ", value).is_ok() && value.len() == 24;
    ensure(is_valid, "requestTimestamp", "must be UTC with milliseconds, such as 2026-03-01T10:00:00.000Z")
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
