// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The settings of an e-payment module: the block `ePayment` of `module.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// The settings of an e-payment module. The keys of the Secrets that it names are files below
/// [`crate::SECRETS_FOLDER`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EPayment {
    /// The payment provider that moves the money.
    pub provider: Provider,
    /// The authorities of this municipality that receive money; never empty.
    pub end_points: Vec<EndPoint>,
    /// The online services that may create payments; all others are refused.
    #[serde(default)]
    pub clients: Vec<Client>,
    /// The clerks of the treasury; if absent, nobody can log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clerks: Option<Clerks>,
    /// Days after which the data about the payer is erased (Art. 5 (1) e DSGVO); bookkeeping data stays.
    pub payer_data_days: u16,
}

/// A payment provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum Provider {
    /// A pay page of the module itself with buttons to confirm and to cancel, for tests and demonstrations. No money moves.
    Sandbox,
    /// A payment platform with an API of XBezahldienste 1.0.0, such as the one of the state.
    XBezahldienste(XBezahldienste),
    /// GiroCheckout of S-Public Services.
    GiroCheckout(GiroCheckout),
}

/// Address and credentials of a payment platform with an API of XBezahldienste 1.0.0.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct XBezahldienste {
    /// Base URL of the API: the part before `/paymenttransaction` and `/status`.
    pub url: Url,
    /// The originatorId of this municipality at the platform; if absent, the one of each request is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originator_id: Option<String>,
    /// How the module authenticates at the platform.
    pub authentication: Authentication,
}

/// How the module authenticates at a payment platform.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Authentication {
    /// HTTP Basic (RFC 7617).
    Basic {
        /// Secret with the keys `username` and `password`.
        secret: String,
    },
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    OAuth2 {
        /// Secret with the keys `client-id` and `client-secret`.
        secret: String,
        /// URL of the token endpoint.
        token_url: Url,
    },
    /// Mutual TLS with a client certificate.
    MutualTLS {
        /// Secret with the keys `tls.crt` and `tls.key` (PEM).
        secret: String,
    },
}

/// Address and credentials of a project at GiroCheckout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GiroCheckout {
    /// Base URL of the API: the part before `/transaction/start`.
    pub url: Url,
    /// The merchant number of the municipality.
    pub merchant_id: String,
    /// The number of the project.
    pub project_id: String,
    /// Secret with the key `project-password`.
    pub secret: String,
}

/// An authority that receives money.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndPoint {
    /// The endPointId of XBezahldienste, commonly the ARS.
    pub id: String,
    /// The id of this authority at the provider; if absent, it is the same as `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// The range from which its payments get receipt numbers (Kassenzeichen).
    pub receipts: Receipts,
    /// Keys that the bookingData of every item must contain, such as `hhst`.
    #[serde(default)]
    pub booking_data: Vec<String>,
}

/// A range of receipt numbers (Kassenzeichen): a prefix, a sequence number with leading zeros and a check digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipts {
    /// The start of every receipt number: capital letters, digits and hyphens.
    pub prefix: String,
    /// Length of a receipt number in characters, including prefix and check digit.
    pub length: u8,
    /// How the check digit, the last character, is calculated.
    pub check_digit: CheckDigit,
}

/// How the check digit of a receipt number is calculated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckDigit {
    /// Receipt numbers have no check digit.
    None,
    /// Luhn (ISO/IEC 7812-1 annex B). Letters count as 10 to 35, as in an ISIN (ISO 6166); hyphens are skipped.
    Luhn,
}

/// An online service that may create payments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// Name of the client, which is also its HTTP user name and OAuth client id.
    pub name: String,
    /// How the client authenticates.
    #[serde(flatten)]
    pub credential: ClientCredential,
    /// The originatorIds that the client may use; never empty.
    pub originators: Vec<String>,
    /// The endPointIds that the client may use; if empty, all of this module.
    #[serde(default)]
    pub end_points: Vec<String>,
}

/// How a client authenticates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ClientCredential {
    /// Secret with the key `token`: 32 to 256 visible ASCII characters, sent as bearer token
    /// (RFC 6750), as password (RFC 7617) or as client secret for a short-lived token (RFC 6749, 4.4).
    Secret(String),
    /// Name of the sibling module that is the client; it sends its token ([`crate::Callers`]).
    Module(String),
}

/// The clerks of the treasury, who log in by OpenID Connect at [`crate::ModuleConfig::issuer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clerks {
    /// The client id of the module at the issuer.
    pub client_id: String,
    /// Secret with the key `client-secret`.
    pub secret: String,
    /// The claim of the ID token that lists the roles of a person, such as `groups`.
    pub role_claim: String,
    /// The role that makes a person a clerk.
    pub role: String,
}
