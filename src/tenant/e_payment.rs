// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The block `ePayment`, checked: what the module will be told, in the words of the contract.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::ops::RangeInclusive;

use rathaus_contract::{
    Authentication, CheckDigit, Clerks, Client, ClientCredential, EPayment, EndPoint, GiroCheckout, Provider,
    Receipts, XBezahldienste,
};
use url::Url;

use super::names::{Ars, ModuleName};
use super::verdict::Verdict;
use crate::api::conditions::CLASS_ACCEPTED;
use crate::api::{self, AuthenticationType, ProviderType};

/// The fewest places that a range of receipt numbers has for its running number: a million of them.
const RUNNING_PLACES: usize = 6;

/// What the block is judged against.
pub struct Place<'a> {
    /// The end point of a module that names none.
    pub ars: &'a Ars,
    /// The siblings that call the module.
    pub callers: &'a BTreeSet<ModuleName>,
    /// Whether the platform has an OpenID Connect issuer.
    pub has_issuer: bool,
}

/// Checks the block.
pub fn resolve(raw: &api::EPayment, place: &Place<'_>) -> Result<EPayment, Verdict> {
    let end_points = end_points(raw, place.ars)?;
    let clients: Vec<Client> = raw
        .clients
        .iter()
        .map(|client| self::client(client, &end_points, place))
        .collect::<Result<_, _>>()?;
    told_apart(&clients)?;
    Ok(EPayment {
        provider: provider(&raw.provider)?,
        clerks: raw.clerks.as_ref().map(|clerks| self::clerks(clerks, place)).transpose()?,
        payer_data_days: within("payerDataDays", raw.payer_data_days, 1..=3650)?,
        end_points,
        clients,
    })
}

fn wrong(reason: &'static str, field: impl Display, words: impl Display) -> Verdict {
    Verdict::invalid(CLASS_ACCEPTED, reason, format!("spec.ePayment.{field} {words}"))
}

/// What the API server would refuse today, and may have stored before it knew the rule.
fn malformed(field: impl Display, words: impl Display) -> Verdict {
    wrong("EPaymentInvalid", field, words)
}

fn text(
    field: impl Display,
    text: &str,
    longest: usize,
    allowed: impl Fn(char) -> bool,
) -> Result<String, Verdict> {
    if !text.is_empty() && text.len() <= longest && text.chars().all(allowed) {
        return Ok(text.to_owned());
    }
    Err(malformed(
        field,
        format!("{text:?} is empty, has more than {longest} characters, or has one that is not allowed"),
    ))
}

fn within<N>(field: impl Display, number: i32, range: RangeInclusive<i32>) -> Result<N, Verdict>
where
    N: TryFrom<i32>,
{
    let words = || format!("{number} must be from {} to {}", range.start(), range.end());
    N::try_from(number).ok().filter(|_| range.contains(&number)).ok_or_else(|| malformed(field, words()))
}

fn id(field: impl Display, id: &str) -> Result<String, Verdict> {
    text(field, id, 36, |c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// The name becomes a folder in the pod: it must not lead out of it.
fn secret_name(field: impl Display, name: &str) -> Result<String, Verdict> {
    let labels =
        name.split('.').all(|label| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-'));
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
    if !labels {
        return Err(malformed(field, format!("{name:?} is no name of a Secret")));
    }
    text(field, name, 253, allowed)
}

fn https_url(field: impl Display, text: &str) -> Result<Url, Verdict> {
    let plain = |url: &Url| {
        let bare = url.username().is_empty() && url.password().is_none();
        url.scheme() == "https" && url.has_host() && bare && url.query().is_none() && url.fragment().is_none()
    };
    Url::parse(text).ok().filter(plain).ok_or_else(|| {
        malformed(field, format!("{text:?} must be an https URL without user, query and fragment"))
    })
}

fn provider(raw: &api::Provider) -> Result<Provider, Verdict> {
    match (raw.provider_type, &raw.x_bezahldienste, &raw.giro_checkout) {
        (ProviderType::Sandbox, None, None) => Ok(Provider::Sandbox),
        (ProviderType::XBezahldienste, Some(raw), None) => {
            let field = "provider.xBezahldienste";
            let originator = |text: &String| id(format!("{field}.originatorId"), text);
            Ok(Provider::XBezahldienste(XBezahldienste {
                url: https_url(format!("{field}.url"), &raw.url)?,
                originator_id: raw.originator_id.as_ref().map(originator).transpose()?,
                authentication: authentication(&raw.authentication, &format!("{field}.authentication"))?,
            }))
        }
        (ProviderType::GiroCheckout, None, Some(raw)) => {
            let field = |name: &str| format!("provider.giroCheckout.{name}");
            let digit = |c: char| c.is_ascii_digit();
            Ok(Provider::GiroCheckout(GiroCheckout {
                url: https_url(field("url"), &raw.url)?,
                merchant_id: text(field("merchantId"), &raw.merchant_id, 20, digit)?,
                project_id: text(field("projectId"), &raw.project_id, 20, digit)?,
                secret: secret_name(field("secret"), &raw.secret)?,
            }))
        }
        (provider_type, ..) => Err(malformed(
            "provider",
            format!("must have exactly the block that fits type {provider_type:?}"),
        )),
    }
}

fn authentication(raw: &api::Authentication, field: &str) -> Result<Authentication, Verdict> {
    let secret = secret_name(format!("{field}.secret"), &raw.secret)?;
    match (raw.authentication_type, &raw.token_url) {
        (AuthenticationType::Basic, None) => Ok(Authentication::Basic { secret }),
        (AuthenticationType::MutualTLS, None) => Ok(Authentication::MutualTLS { secret }),
        (AuthenticationType::OAuth2, Some(url)) => {
            Ok(Authentication::OAuth2 { secret, token_url: https_url(format!("{field}.tokenUrl"), url)? })
        }
        _ => Err(malformed(field, "must have tokenUrl for OAuth2 and only for it")),
    }
}

fn end_points(raw: &api::EPayment, ars: &Ars) -> Result<Vec<EndPoint>, Verdict> {
    if raw.end_points.is_empty() {
        let receipts = receipts("endPoints", &api::Receipts::default())?;
        return Ok(vec![EndPoint {
            id: ars.to_string(),
            provider_id: None,
            receipts,
            booking_data: Vec::new(),
        }]);
    }
    let all: Vec<EndPoint> = raw.end_points.iter().map(end_point).collect::<Result<_, _>>()?;
    for (index, one) in all.iter().enumerate() {
        for other in &all[..index] {
            apart(one, other)?;
        }
    }
    Ok(all)
}

fn end_point(raw: &api::EndPoint) -> Result<EndPoint, Verdict> {
    let field = |name: &str| format!("endPoints[{}].{name}", raw.id);
    let key = |key: &String| {
        text(field("bookingData"), key, 36, |c| c.is_ascii_alphanumeric() || ['_', '.', '-'].contains(&c))
    };
    Ok(EndPoint {
        id: id("endPoints[].id", &raw.id)?,
        provider_id: raw.provider_id.as_ref().map(|text| id(field("providerId"), text)).transpose()?,
        receipts: receipts(&field("receipts"), &raw.receipts)?,
        booking_data: raw.booking_data.iter().map(key).collect::<Result<_, _>>()?,
    })
}

fn receipts(field: &str, raw: &api::Receipts) -> Result<Receipts, Verdict> {
    let prefix = match raw.prefix.as_str() {
        "" => String::new(),
        prefix => text(format!("{field}.prefix"), prefix, 16, |c| {
            c.is_ascii_uppercase() || c.is_ascii_digit() || c == '-'
        })?,
    };
    let length: u8 = within(format!("{field}.length"), raw.length, 8..=36)?;
    let (check_digit, places) = match raw.check_digit {
        api::CheckDigit::None => (CheckDigit::None, 0),
        api::CheckDigit::Luhn => (CheckDigit::Luhn, 1),
    };
    if usize::from(length) < prefix.len() + places + RUNNING_PLACES {
        let words = format!(
            "{length} must leave at least {RUNNING_PLACES} places for the running number, beside prefix and check digit"
        );
        return Err(malformed(format!("{field}.length"), words));
    }
    Ok(Receipts { prefix, length, check_digit })
}

/// Whether no number of one can be a number of the other.
fn apart(one: &EndPoint, other: &EndPoint) -> Result<(), Verdict> {
    let (mine, theirs) = (&one.receipts.prefix, &other.receipts.prefix);
    if one.id != other.id && !mine.starts_with(theirs.as_str()) && !theirs.starts_with(mine.as_str()) {
        return Ok(());
    }
    let words = format!(
        "({mine:?}) and that of endPoints[{}] ({theirs:?}) begin alike, so that two could give the same number; give each a prefix of its own, such as AH1- and AH2-",
        other.id
    );
    Err(wrong("ReceiptsOverlap", format!("endPoints[{}].receipts.prefix", one.id), words))
}

fn client(raw: &api::Client, end_points: &[EndPoint], place: &Place<'_>) -> Result<Client, Verdict> {
    let field = |name: &str| format!("clients[{}].{name}", raw.name);
    let credential = match (&raw.secret, &raw.module) {
        (Some(secret), None) => ClientCredential::Secret(secret_name(field("secret"), secret)?),
        (None, Some(module)) if place.callers.iter().any(|caller| caller.as_str() == module) => {
            ClientCredential::Module(module.clone())
        }
        (None, Some(module)) => {
            let words = format!(
                "names {module:?}, which is no other module of this municipality whose spec.uses names this one; take it up, or add this module to its spec.uses"
            );
            return Err(wrong("CallerNotFound", field("module"), words));
        }
        _ => {
            return Err(malformed(
                format!("clients[{}]", raw.name),
                "must have exactly one of secret and module",
            ));
        }
    };
    let known = |id: &String| {
        if end_points.iter().any(|point| point.id == *id) {
            return Ok(id.clone());
        }
        let ids = end_points.iter().map(|point| point.id.as_str()).collect::<Vec<_>>().join(", ");
        Err(wrong("EndPointUnknown", field("endPoints"), format!("names {id:?}; this module has: {ids}")))
    };
    if raw.originators.is_empty() {
        return Err(malformed(field("originators"), "must name at least one originatorId"));
    }
    let label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    Ok(Client {
        name: text("clients[].name", &raw.name, 32, label)?,
        credential,
        originators: raw
            .originators
            .iter()
            .map(|originator| id(field("originators"), originator))
            .collect::<Result<_, _>>()?,
        end_points: raw.end_points.iter().map(known).collect::<Result<_, _>>()?,
    })
}

/// A token must say whose it is.
fn told_apart(clients: &[Client]) -> Result<(), Verdict> {
    for (index, one) in clients.iter().enumerate() {
        let same = |other: &&Client| other.name == one.name || other.credential == one.credential;
        if let Some(other) = clients[..index].iter().find(same) {
            let words = format!(
                "and clients[{}] have the same name, secret or module, so that they could not be told apart; give each its own",
                other.name
            );
            return Err(malformed(format!("clients[{}]", one.name), words));
        }
    }
    Ok(())
}

fn clerks(raw: &api::Clerks, place: &Place<'_>) -> Result<Clerks, Verdict> {
    if !place.has_issuer {
        let words = "needs an OpenID Connect issuer, and the platform has none; ask state IT to set settings.issuer, or remove the block";
        return Err(wrong("IssuerMissing", "clerks", words));
    }
    let printable = |c: char| !c.is_control();
    Ok(Clerks {
        client_id: text("clerks.clientId", &raw.client_id, 1024, printable)?,
        secret: secret_name("clerks.secret", &raw.secret)?,
        role_claim: text("clerks.roleClaim", &raw.role_claim, 1024, printable)?,
        role: text("clerks.role", &raw.role, 1024, printable)?,
    })
}
