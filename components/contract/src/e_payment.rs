// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a town chose for an e-payment module: the block `ePayment` of `module.json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// The e-payment block. Where it names a Secret, the Secret's keys are files below
/// [`crate::SECRETS_FOLDER`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EPayment {
    /// Who moves the money.
    pub provider: Provider,
    /// The authorities of this municipality that receive money; never empty.
    pub end_points: Vec<EndPoint>,
    /// Who may ask for payments. Nobody else may.
    #[serde(default)]
    pub clients: Vec<Client>,
    /// The treasury's people; absent: nobody may log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clerks: Option<Clerks>,
    /// Days after which who paid is forgotten (Art. 5 (1) e DSGVO); what the books need stays.
    pub payer_data_days: u16,
}

/// A payment provider.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type")]
pub enum Provider {
    /// The module's own pay page, on which one confirms or cancels; no money moves. For tests and demonstrations.
    Sandbox,
    /// A payment platform that speaks XBezahldienste 1.0.0, such as the state's.
    XBezahldienste(XBezahldienste),
    /// GiroCheckout of S-Public Services.
    GiroCheckout(GiroCheckout),
}

/// How a platform that speaks XBezahldienste 1.0.0 is reached.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct XBezahldienste {
    /// Base URL, below which `/paymenttransaction` and `/status` are.
    pub url: Url,
    /// The originatorId as which the platform knows this municipality; absent: the one of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub originator_id: Option<String>,
    /// How the module proves who it is.
    pub authentication: Authentication,
}

/// How the module proves to a platform who it is.
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
        /// Token endpoint.
        token_url: Url,
    },
    /// Mutual TLS.
    MutualTLS {
        /// Secret with the keys `tls.crt` and `tls.key` (PEM).
        secret: String,
    },
}

/// A project at GiroCheckout.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GiroCheckout {
    /// Base URL of the API, below which `/transaction/start` is.
    pub url: Url,
    /// The municipality's number as a merchant.
    pub merchant_id: String,
    /// Number of its project.
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
    /// Its id at the provider; absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<String>,
    /// Its range of receipt numbers (Kassenzeichen).
    pub receipts: Receipts,
    /// Keys that the bookingData of every item must have, such as `hhst`.
    #[serde(default)]
    pub booking_data: Vec<String>,
}

/// A range of receipt numbers (Kassenzeichen): prefix, running number with leading zeros, check digit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipts {
    /// What every number begins with: capital letters, digits and hyphens.
    pub prefix: String,
    /// Characters of the whole number, prefix and check digit included.
    pub length: u8,
    /// How the last character is made.
    pub check_digit: CheckDigit,
}

/// How the last character of a receipt number is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CheckDigit {
    /// There is none.
    None,
    /// Luhn (ISO/IEC 7812-1 annex B); letters count as 10 to 35, as in an ISIN (ISO 6166); hyphens do not count.
    Luhn,
}

/// An online service that may ask for payments.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// Its name, also its user name and OAuth client id.
    pub name: String,
    /// How it proves that it is the one.
    #[serde(flatten)]
    pub proof: Proof,
    /// The originatorIds that it may use; never empty.
    pub originators: Vec<String>,
    /// The endPointIds that it may use; empty: all of this module.
    #[serde(default)]
    pub end_points: Vec<String>,
}

/// How a client proves who it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Proof {
    /// Secret with the key `token`: 32 to 256 visible ASCII characters, sent as bearer token
    /// (RFC 6750), as password (RFC 7617) or as client secret for a short-lived token (RFC 6749, 4.4).
    Secret(String),
    /// Sibling module of this name, by its token ([`crate::Callers`]).
    Module(String),
}

/// The treasury's people, who log in by OpenID Connect at [`crate::ModuleConfig::issuer`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Clerks {
    /// The module's client id at the issuer.
    pub client_id: String,
    /// Secret with the key `client-secret`.
    pub secret: String,
    /// Claim of the ID token that lists a person's roles, such as `groups`.
    pub role_claim: String,
    /// The role that makes a person a clerk.
    pub role: String,
}
