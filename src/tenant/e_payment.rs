// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Checks the configuration block `ePayment` and turns it into the form that the module reads
//! ([`rathaus_contract::EPayment`]).

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use rathaus_contract::{
    Authentication, CheckDigit, Clerks, Client, ClientCredential, EPayment, EndPoint, GiroCheckout, Provider,
    Receipts, XBezahldienste,
};
use url::Url;

use super::names::{Ars, ModuleName};
use super::rejection::Rejection;
use crate::api::conditions::CLASS_ACCEPTED;
use crate::api::{self, AuthenticationType, ProviderType};

/// The least number of digits that a receipt number has for its running number: enough for a million.
const MIN_RUNNING_DIGITS: usize = 6;

/// The facts outside of the block that it is checked against.
pub struct BlockContext<'a> {
    /// ARS of the municipality: the id of the end point if the block lists none.
    pub ars: &'a Ars,
    /// The sibling modules that call this one.
    pub callers: &'a BTreeSet<ModuleName>,
    /// Whether the settings name an OpenID Connect issuer.
    pub has_issuer: bool,
}

/// Checks the block.
///
/// # Errors
/// Returns the first check that failed; its message names the field.
pub fn resolve(raw: &api::EPayment, context: &BlockContext<'_>) -> Result<EPayment, Rejection> {
    let end_points = parse_end_points(raw, context.ars)?;
    let clients: Vec<Client> = raw
        .clients
        .iter()
        .map(|client| parse_client(client, &end_points, context))
        .collect::<Result<_, _>>()?;
    check_clients_distinct(&clients)?;
    Ok(EPayment {
        provider: parse_provider(&raw.provider)?,
        clerks: raw.clerks.as_ref().map(|clerks| parse_clerks(clerks, context)).transpose()?,
        payer_data_days: parse_in_range("payerDataDays", raw.payer_data_days, 1..=3650)?,
        end_points,
        clients,
    })
}

/// A rejection whose message is `spec.ePayment.<field> <problem>`.
fn invalid(reason: &'static str, field: impl Display, problem: impl Display) -> Rejection {
    Rejection::invalid(CLASS_ACCEPTED, reason, format!("spec.ePayment.{field} {problem}"))
}

/// A rejection of a value that the schema forbids. The API server may have stored it before the schema had
/// the rule.
fn malformed(field: impl Display, problem: impl Display) -> Rejection {
    invalid("EPaymentInvalid", field, problem)
}

fn parse_text(
    field: impl Display,
    text: &str,
    max_length: usize,
    is_allowed: impl Fn(char) -> bool,
) -> Result<String, Rejection> {
    if !text.is_empty() && text.len() <= max_length && text.chars().all(is_allowed) {
        return Ok(text.to_owned());
    }
    Err(malformed(
        field,
        format!(
            "{text:?} is empty, has more than {max_length} characters, or contains a character that is not allowed"
        ),
    ))
}

/// Checks that a number is within a range, and converts it to the type of the contract.
fn parse_in_range<N>(field: impl Display, number: i32, range: RangeInclusive<i32>) -> Result<N, Rejection>
where
    N: TryFrom<i32>,
{
    let problem = || format!("{number} must be from {} to {}", range.start(), range.end());
    N::try_from(number).ok().filter(|_| range.contains(&number)).ok_or_else(|| malformed(field, problem()))
}

/// Parses an originatorId or endPointId of XBezahldienste 1.0.0.
fn parse_id(field: impl Display, id: &str) -> Result<String, Rejection> {
    parse_text(field, id, 36, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// Parses the name of a Secret (DNS subdomain, RFC 1123). The name becomes a folder in the pod, so it must
/// not contain a path such as `..`.
fn parse_secret_name(field: impl Display, name: &str) -> Result<String, Rejection> {
    let has_valid_labels =
        name.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !has_valid_labels {
        return Err(malformed(field, format!("{name:?} is not a valid name of a Secret")));
    }
    parse_text(field, name, 253, is_allowed)
}

fn parse_https_url(field: impl Display, text: &str) -> Result<Url, Rejection> {
    let is_plain_https = |url: &Url| {
        let has_no_user = url.username().is_empty() && url.password().is_none();
        url.scheme() == "https"
            && url.has_host()
            && has_no_user
            && url.query().is_none()
            && url.fragment().is_none()
    };
    Url::parse(text).ok().filter(is_plain_https).ok_or_else(|| {
        malformed(field, format!("{text:?} must be an https URL without user, query and fragment"))
    })
}

fn parse_provider(raw: &api::Provider) -> Result<Provider, Rejection> {
    match (raw.provider_type, &raw.x_bezahldienste, &raw.giro_checkout) {
        (ProviderType::Sandbox, None, None) => Ok(Provider::Sandbox),
        (ProviderType::XBezahldienste, Some(raw), None) => {
            let field = "provider.xBezahldienste";
            let originator = |text: &String| parse_id(format!("{field}.originatorId"), text);
            Ok(Provider::XBezahldienste(XBezahldienste {
                url: parse_https_url(format!("{field}.url"), &raw.url)?,
                originator_id: raw.originator_id.as_ref().map(originator).transpose()?,
                authentication: parse_authentication(
                    &raw.authentication,
                    &format!("{field}.authentication"),
                )?,
            }))
        }
        (ProviderType::GiroCheckout, None, Some(raw)) => {
            let field = |name: &str| format!("provider.giroCheckout.{name}");
            let is_digit = |c: char| c.is_ascii_digit();
            Ok(Provider::GiroCheckout(GiroCheckout {
                url: parse_https_url(field("url"), &raw.url)?,
                merchant_id: parse_text(field("merchantId"), &raw.merchant_id, 20, is_digit)?,
                project_id: parse_text(field("projectId"), &raw.project_id, 20, is_digit)?,
                secret: parse_secret_name(field("secret"), &raw.secret)?,
            }))
        }
        (provider_type, ..) => Err(malformed(
            "provider",
            format!("must have exactly the block that fits type {provider_type:?}"),
        )),
    }
}

fn parse_authentication(raw: &api::Authentication, field: &str) -> Result<Authentication, Rejection> {
    let secret = parse_secret_name(format!("{field}.secret"), &raw.secret)?;
    match (raw.authentication_type, &raw.token_url) {
        (AuthenticationType::Basic, None) => Ok(Authentication::Basic { secret }),
        (AuthenticationType::MutualTLS, None) => Ok(Authentication::MutualTLS { secret }),
        (AuthenticationType::OAuth2, Some(url)) => Ok(Authentication::OAuth2 {
            secret,
            token_url: parse_https_url(format!("{field}.tokenUrl"), url)?,
        }),
        _ => Err(malformed(field, "must have tokenUrl for OAuth2 and only for it")),
    }
}

/// Parses the end points. A block that lists none has one, with the municipality's ARS as its id.
fn parse_end_points(raw: &api::EPayment, ars: &Ars) -> Result<Vec<EndPoint>, Rejection> {
    if raw.end_points.is_empty() {
        let receipts = parse_receipts("endPoints", &api::Receipts::default())?;
        return Ok(vec![EndPoint {
            id: ars.to_string(),
            provider_id: None,
            receipts,
            booking_data: Vec::new(),
        }]);
    }
    let end_points: Vec<EndPoint> = raw.end_points.iter().map(parse_end_point).collect::<Result<_, _>>()?;
    for (index, end_point) in end_points.iter().enumerate() {
        for other in &end_points[..index] {
            check_receipts_disjoint(end_point, other)?;
        }
    }
    Ok(end_points)
}

fn parse_end_point(raw: &api::EndPoint) -> Result<EndPoint, Rejection> {
    let field = |name: &str| format!("endPoints[{}].{name}", raw.id);
    let key = |key: &String| {
        parse_text(field("bookingData"), key, 36, |c| {
            c.is_ascii_alphanumeric() || ['_', '.', '-'].contains(&c)
        })
    };
    Ok(EndPoint {
        id: parse_id("endPoints[].id", &raw.id)?,
        provider_id: raw.provider_id.as_ref().map(|text| parse_id(field("providerId"), text)).transpose()?,
        receipts: parse_receipts(&field("receipts"), &raw.receipts)?,
        booking_data: raw.booking_data.iter().map(key).collect::<Result<_, _>>()?,
    })
}

fn parse_receipts(field: &str, raw: &api::Receipts) -> Result<Receipts, Rejection> {
    let prefix = match raw.prefix.as_str() {
        "" => String::new(),
        prefix => parse_text(format!("{field}.prefix"), prefix, 16, |c| {
            c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'
        })?,
    };
    let length: u8 = parse_in_range(format!("{field}.length"), raw.length, 8..=36)?;
    let (check_digit, check_digits) = match raw.check_digit {
        api::CheckDigit::None => (CheckDigit::None, 0),
        api::CheckDigit::Luhn => (CheckDigit::Luhn, 1),
    };
    if usize::from(length) < prefix.len() + check_digits + MIN_RUNNING_DIGITS {
        let problem = format!(
            "{length} must leave at least {MIN_RUNNING_DIGITS} places for the running number, beside prefix and check digit"
        );
        return Err(malformed(format!("{field}.length"), problem));
    }
    Ok(Receipts { prefix, length, check_digit })
}

/// Rejects two end points of which both could issue the same receipt number.
fn check_receipts_disjoint(end_point: &EndPoint, other: &EndPoint) -> Result<(), Rejection> {
    let (prefix, other_prefix) = (&end_point.receipts.prefix, &other.receipts.prefix);
    if end_point.id != other.id
        && !prefix.starts_with(other_prefix.as_str())
        && !other_prefix.starts_with(prefix.as_str())
    {
        return Ok(());
    }
    let problem = format!(
        "({prefix:?}) and that of endPoints[{}] ({other_prefix:?}) begin alike, so that both could issue the same number; give each end point a prefix of its own, such as AH1- and AH2-",
        other.id
    );
    Err(invalid("ReceiptsOverlap", format!("endPoints[{}].receipts.prefix", end_point.id), problem))
}

fn parse_client(
    raw: &api::Client,
    end_points: &[EndPoint],
    context: &BlockContext<'_>,
) -> Result<Client, Rejection> {
    let field = |name: &str| format!("clients[{}].{name}", raw.name);
    let credential = match (&raw.secret, &raw.module) {
        (Some(secret), None) => ClientCredential::Secret(parse_secret_name(field("secret"), secret)?),
        (None, Some(module)) if context.callers.iter().any(|caller| caller.as_str() == module) => {
            ClientCredential::Module(module.clone())
        }
        (None, Some(module)) => {
            let problem = format!(
                "names {module:?}, which is not another module of this municipality whose spec.uses names this one; create that module, or add this one to its spec.uses"
            );
            return Err(invalid("CallerNotFound", field("module"), problem));
        }
        _ => {
            return Err(malformed(
                format!("clients[{}]", raw.name),
                "must have exactly one of secret and module",
            ));
        }
    };
    let existing_end_point = |id: &String| {
        if end_points.iter().any(|point| point.id == *id) {
            return Ok(id.clone());
        }
        let ids = end_points.iter().map(|point| point.id.as_str()).collect::<Vec<_>>().join(", ");
        Err(invalid("EndPointUnknown", field("endPoints"), format!("names {id:?}; this module has: {ids}")))
    };
    if raw.originators.is_empty() {
        return Err(malformed(field("originators"), "must name at least one originatorId"));
    }
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    Ok(Client {
        name: parse_text("clients[].name", &raw.name, 32, is_allowed)?,
        credential,
        originators: raw
            .originators
            .iter()
            .map(|originator| parse_id(field("originators"), originator))
            .collect::<Result<_, _>>()?,
        end_points: raw.end_points.iter().map(existing_end_point).collect::<Result<_, _>>()?,
    })
}

/// Rejects two clients with the same name or the same credentials: a request must identify its client.
fn check_clients_distinct(clients: &[Client]) -> Result<(), Rejection> {
    for (index, client) in clients.iter().enumerate() {
        let collides = |other: &&Client| other.name == client.name || other.credential == client.credential;
        if let Some(other) = clients[..index].iter().find(collides) {
            let problem = format!(
                "and clients[{}] have the same name, secret or module, so that they could not be told apart; give each client different ones",
                other.name
            );
            return Err(malformed(format!("clients[{}]", client.name), problem));
        }
    }
    Ok(())
}

fn parse_clerks(raw: &api::Clerks, context: &BlockContext<'_>) -> Result<Clerks, Rejection> {
    if !context.has_issuer {
        let problem = "needs an OpenID Connect issuer, and the platform has none; ask state IT to set settings.issuer, or remove the block";
        return Err(invalid("IssuerMissing", "clerks", problem));
    }
    let is_printable = |c: char| !c.is_control();
    Ok(Clerks {
        client_id: parse_text("clerks.clientId", &raw.client_id, 1024, is_printable)?,
        secret: parse_secret_name("clerks.secret", &raw.secret)?,
        role_claim: parse_text("clerks.roleClaim", &raw.role_claim, 1024, is_printable)?,
        role: parse_text("clerks.role", &raw.role, 1024, is_printable)?,
    })
}
