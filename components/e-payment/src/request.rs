// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The `PaymentRequest` of XBezahldienste 1.0.0 and its constraint table. Pure.

use jiff::civil::DateTime;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use crate::booking_data::BookingData;
use crate::money::{Cents, Sum, TaxRate};
use crate::problem::{Code, Problem};
use crate::web_url::WebUrl;

/// A payment that an online service asks for. Unknown fields are ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentRequest {
    /// Chosen by the online service; unique for its originator and end point.
    #[schema(max_length = 36, pattern = r"^[\w\d-]+$")]
    pub request_id: String,
    /// ISO 8601, UTC, with milliseconds and `Z`.
    #[schema(format = DateTime, example = "2026-03-01T10:00:00.000Z")]
    pub request_timestamp: String,
    /// ISO 4217; only `EUR`.
    #[schema(example = "EUR", pattern = "^EUR$")]
    pub currency: String,
    /// What is to be paid (the standard's spelling).
    pub gros_amount: Cents,
    /// Purpose on the bank statement, at most 27 characters.
    #[schema(min_length = 1, max_length = 27, pattern = r"^[\w\d\s-]+$")]
    pub purpose: String,
    /// Purpose in words.
    #[schema(max_length = 250, pattern = r"^[\w\d\s\-,.À-ſ]*$")]
    pub description: String,
    /// Where the browser goes afterwards; the outcome must be fetched, never trusted from there.
    /// Without it the pay page tells the outcome.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "uri", max_length = 2082)]
    pub redirect_url: Option<WebUrl>,
    /// What is paid for, 1 to 99.
    #[schema(min_items = 1, max_items = 99)]
    pub items: Vec<Item>,
    /// Who pays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requestor: Option<Requestor>,
}

/// Something that is paid for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Item {
    /// Its number in the request.
    #[schema(min_length = 1, max_length = 36)]
    pub id: String,
    /// Such as the LeiKa key.
    #[schema(min_length = 1, max_length = 36)]
    pub reference: String,
    /// In words.
    #[schema(max_length = 250)]
    pub description: String,
    /// Per cent, 0 to 100; with decimals where a tax has them.
    pub tax_rate: TaxRate,
    /// How many.
    #[schema(minimum = 1, maximum = 999_999)]
    pub quantity: u32,
    /// All of them, without tax.
    pub total_net_amount: Cents,
    /// Tax on all of them.
    pub total_tax_amount: Cents,
    /// One of them, without tax.
    pub single_net_amount: Cents,
    /// Tax on one of them.
    pub single_tax_amount: Cents,
    /// For the treasury's books.
    #[serde(default, deserialize_with = "null_is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub booking_data: BookingData,
}

/// Who pays. Every field is optional, as in the standard.
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
    /// Whether `organization_name` holds who pays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_organization: Option<bool>,
    /// Required for an organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization_name: Option<String>,
    /// Postal address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Address>,
}

/// Recorded gender: male, female, diverse.
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
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "null_is_empty")]
    #[schema(max_items = 9)]
    pub address_line: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postal_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<String>,
    /// ISO 3166-1 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Z]{2}$")]
    pub country: Option<String>,
}

impl PaymentRequest {
    /// Whether every item has the data that the end point's treasury books by.
    ///
    /// # Errors
    /// `BOOKING_DATA_MISSING` names the first item and key.
    pub fn has_booking_data(&self, keys: &[String]) -> Result<(), Problem> {
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

/// Reads and checks a request.
///
/// # Errors
/// `VALIDATION_ERROR` names the first field that is wrong; `CALCULATION_ERROR` names both sums.
pub fn parse(body: &[u8]) -> Result<PaymentRequest, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|wrong| Problem::field("the body", &format!("must be UTF-8: {wrong}")))?;
    let mut json = serde_json::Deserializer::from_str(text);
    let request: PaymentRequest = serde_path_to_error::deserialize(&mut json).map_err(|wrong| {
        // What is missing is told with the object that lacks it; the outermost has no name.
        let path = Some(wrong.path().to_string()).filter(|path| path != ".");
        let field = path.as_deref().unwrap_or("the body");
        Problem::field(field, &format!("is wrong: {}", wrong.inner()))
    })?;
    json.end().map_err(|wrong| Problem::field("the body", &format!("goes on after its end: {wrong}")))?;
    check(&request)?;
    Ok(request)
}

/// Lists and maps that may be left out may be `null`: many programs write it for what they leave out.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

fn check(request: &PaymentRequest) -> Result<(), Problem> {
    id("requestId", &request.request_id)?;
    timestamp(&request.request_timestamp)?;
    demand(request.currency == "EUR", "currency", "must be EUR")?;
    let purpose = |c: char| is_word(c) || c.is_whitespace() || c == '-';
    demand(!request.purpose.is_empty(), "purpose", "must not be empty")?;
    text("purpose", &request.purpose, 27, purpose, "letters a to z, digits, _, - and spaces")?;
    description("description", &request.description)?;
    demand((1..=99).contains(&request.items.len()), "items", "must be 1 to 99")?;
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
        let detail =
            format!("grosAmount is {}, and the items' net and tax amounts are {sum}", request.gros_amount);
        return Err(Problem::new(Code::CalculationError, detail));
    }
    Ok(())
}

fn check_item(path: &str, item: &Item) -> Result<(), Problem> {
    short(&format!("{path}.id"), &item.id, 36)?;
    short(&format!("{path}.reference"), &item.reference, 36)?;
    description(&format!("{path}.description"), &item.description)?;
    demand((1..=999_999).contains(&item.quantity), &format!("{path}.quantity"), "must be 1 to 999999")?;
    for (key, value) in item.booking_data.iter() {
        let field = format!("{path}.bookingData.{key}");
        demand(value.chars().count() <= 250, &field, "must be at most 250 characters")?;
    }
    Ok(())
}

fn check_requestor(requestor: &Requestor) -> Result<(), Problem> {
    let organization = requestor.is_organization == Some(true);
    let named = requestor.organization_name.as_ref().is_some_and(|name| !name.is_empty());
    demand(!organization || named, "requestor.organizationName", "is required where isOrganization is true")?;
    let Some(address) = &requestor.address else { return Ok(()) };
    let house_number = address.house_number.as_deref().unwrap_or_default();
    demand(
        house_number.chars().count() <= 20,
        "requestor.address.houseNumber",
        "must be at most 20 characters",
    )?;
    demand(address.address_line.len() <= 9, "requestor.address.addressLine", "must be at most 9 lines")?;
    let country = address.country.as_deref().unwrap_or("DE");
    let alpha_2 = country.len() == 2 && country.bytes().all(|b| b.is_ascii_uppercase());
    demand(alpha_2, "requestor.address.country", "must be a country code of two letters, such as DE")
}

fn demand(holds: bool, field: &str, expected: &str) -> Result<(), Problem> {
    if holds { Ok(()) } else { Err(Problem::field(field, expected)) }
}

/// `\w` of the standard's patterns.
fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Checks an identifier of the standard: 1 to 36 letters, digits, `_` or `-`.
///
/// # Errors
/// `VALIDATION_ERROR` naming the field.
pub fn id(field: &str, value: &str) -> Result<(), Problem> {
    demand(!value.is_empty(), field, "must not be empty")?;
    text(field, value, 36, |c| is_word(c) || c == '-', "letters a to z, digits, _ and -")
}

fn short(field: &str, value: &str, longest: usize) -> Result<(), Problem> {
    let length = value.chars().count();
    demand((1..=longest).contains(&length), field, &format!("must be 1 to {longest} characters"))
}

fn description(field: &str, value: &str) -> Result<(), Problem> {
    let allowed = |c: char| is_word(c) || c.is_whitespace() || "-,.".contains(c) || ('À'..='ſ').contains(&c);
    text(field, value, 250, allowed, "letters, digits, _, -, comma, full stop and spaces")
}

fn text(
    field: &str,
    value: &str,
    longest: usize,
    allowed: impl Fn(char) -> bool,
    what: &str,
) -> Result<(), Problem> {
    let fits = value.chars().count() <= longest;
    demand(fits, field, &format!("must be at most {longest} characters"))?;
    demand(value.chars().all(allowed), field, &format!("may hold only {what}"))
}

fn timestamp(value: &str) -> Result<(), Problem> {
    let written = DateTime::strptime("%Y-%m-%dT%H:%M:%S%.3fZ", value).is_ok() && value.len() == 24;
    demand(written, "requestTimestamp", "must be UTC with milliseconds, such as 2026-03-01T10:00:00.000Z")
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
