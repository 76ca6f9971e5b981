// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of the module contract that is data: the format of `/etc/rathaus/module.json`, which the
//! operator writes and a module image reads. `docs/module-contract.md` describes the rest (ports, paths,
//! signals).
//!
//! A module must ignore fields that it does not know, so that an older image works with a newer operator.

mod e_payment;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use e_payment::{
    Authentication, CheckDigit, Clerks, Client, ClientCredential, EPayment, EndPoint, GiroCheckout, Provider,
    Receipts, XBezahldienste,
};

/// Where the operator mounts [`ModuleConfig`], as JSON (RFC 8259, UTF-8).
pub const MODULE_FILE: &str = "/etc/rathaus/module.json";
/// Where the operator mounts the database URL: one line, `postgres://…` as libpq reads it.
pub const DATABASE_URL_FILE: &str = "/etc/rathaus/database/url";
/// Where the operator mounts the certificate authority that signed the database server's certificate (PEM);
/// the URL in [`DATABASE_URL_FILE`] names this path. The file is absent if state IT configured none.
pub const DATABASE_CA_FILE: &str = "/etc/rathaus/database/ca.crt";
/// Where the operator mounts the Secrets that the town names, one file `<Secret>/<key>` for each key. The
/// files may change while the module runs, so the module reads them each time it needs them.
pub const SECRETS_FOLDER: &str = "/etc/rathaus/secrets";
/// Where the operator mounts the tokens for the siblings in [`ModuleConfig::siblings`], one file for each,
/// named like the sibling. It holds a JWT (RFC 7519), which the module sends to that sibling as bearer token
/// (RFC 6750). The file is replaced before the token expires.
pub const TOKENS_FOLDER: &str = "/etc/rathaus/tokens";
/// The port on which a module serves its public interface, from `/`, without TLS.
pub const PUBLIC_PORT: u16 = 8080;
/// The port on which a module serves `/livez`, `/readyz` and `/metrics`.
pub const ADMIN_PORT: u16 = 9090;

/// The configuration of a module: its municipality, its public URL, and which services it may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleConfig {
    /// The municipality that the module belongs to.
    pub municipality: Municipality,
    /// The name of the module within the municipality, such as `e-payment`.
    pub module: String,
    /// The URL where citizens reach the module: an origin that no other module shares, without a path.
    pub public_url: Url,
    /// The pages of the municipality that every page of the module must link to.
    pub legal: Legal,
    /// The sibling modules that this one may call: name to in-cluster URL. Network policies block all others.
    #[serde(default)]
    pub siblings: BTreeMap<String, Url>,
    /// How to verify the tokens of siblings that call this module; absent if no sibling may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callers: Option<Callers>,
    /// The OpenID Connect issuer (Discovery 1.0) for citizens and clerks; absent if state IT configured none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Url>,
    /// Certificate authorities (PEM) that the module trusts in its https calls, besides the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// The settings of an e-payment module; present exactly if the class has the type `EPayment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_payment: Option<EPayment>,
}

/// The municipality that a module belongs to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Municipality {
    /// Technical name, a DNS label (RFC 1123), such as `ahaus`.
    pub name: String,
    /// Name to display to citizens, such as `Stadt Ahaus`.
    pub display_name: String,
    /// Amtlicher Regionalschlüssel, 12 digits.
    pub ars: String,
}

/// The pages that a public body must link to by law.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Legal {
    /// Impressum (§ 5 DDG).
    pub imprint_url: Url,
    /// Datenschutzerklärung (Art. 13 DSGVO).
    pub privacy_url: Url,
    /// Erklärung zur Barrierefreiheit (§ 12b BGG and the laws of the Länder).
    pub accessibility_url: Url,
}

/// How to verify that a call comes from a sibling: by a JWT (RFC 7519) that the platform signs for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Callers {
    /// The claim `iss` of the siblings' tokens.
    pub issuer: String,
    /// The claim `aud` of their tokens, which stands for this module.
    pub audience: String,
    /// The public keys that verify their signatures: a JWK Set (RFC 7517).
    pub keys: serde_json::Value,
    /// The siblings that may call: name to the claim `sub` of the sibling's tokens.
    pub subjects: BTreeMap<String, String>,
}
