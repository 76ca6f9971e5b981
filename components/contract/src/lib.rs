// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The module contract, written form: what the operator puts into `/etc/rathaus/module.json` and a
//! module image reads there. `docs/module-contract.md` tells the rest (ports, paths, signals).
//!
//! The operator writes exactly this; a module must ignore fields that it does not know, so that a
//! newer operator can serve an older image.

mod e_payment;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

pub use e_payment::{
    Authentication, CheckDigit, Clerks, Client, EPayment, EndPoint, GiroCheckout, Proof, Provider, Receipts,
    XBezahldienste,
};

/// Where the operator mounts [`ModuleConfig`], as JSON (RFC 8259, UTF-8).
pub const MODULE_FILE: &str = "/etc/rathaus/module.json";
/// Where the operator mounts the database URL: one line, `postgres://…` as libpq reads it.
pub const DATABASE_URL_FILE: &str = "/etc/rathaus/database/url";
/// Where the operator mounts the authority that signed the database server's certificate (PEM);
/// the URL in [`DATABASE_URL_FILE`] names this path. Absent where state IT gave none.
pub const DATABASE_CA_FILE: &str = "/etc/rathaus/database/ca.crt";
/// Where the operator mounts the Secrets that the town names: `<Secret>/<key>`, one file each. They may
/// change while the module runs: it reads them when it needs them.
pub const SECRETS_FOLDER: &str = "/etc/rathaus/secrets";
/// Where the operator mounts a token for each sibling in [`ModuleConfig::siblings`], a file of the
/// sibling's name: a JWT (RFC 7519) to be sent there as bearer token. Replaced before it expires.
pub const TOKENS_FOLDER: &str = "/etc/rathaus/tokens";
/// The port on which a module serves its public interface, from `/`, without TLS.
pub const PUBLIC_PORT: u16 = 8080;
/// The port on which a module serves `/livez`, `/readyz` and `/metrics`.
pub const ADMIN_PORT: u16 = 9090;

/// All that a module is told about its place: whose it is, how it is reached, what it may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ModuleConfig {
    /// The municipality whose module this is.
    pub municipality: Municipality,
    /// The module's own name within the municipality, such as `e-payment`.
    pub module: String,
    /// Where citizens reach the module; an origin of its own, without a path.
    pub public_url: Url,
    /// Pages of the municipality that every page of the module links to.
    pub legal: Legal,
    /// The sibling modules that this one may call: name to in-cluster URL. Nothing else is reachable.
    #[serde(default)]
    pub siblings: BTreeMap<String, Url>,
    /// How siblings prove that they may call this module; absent where none may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callers: Option<Callers>,
    /// The OpenID Connect issuer (Discovery 1.0) for citizens and clerks; absent where state IT has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Url>,
    /// Authorities (PEM) that sign the certificates of what the module calls by https, beside the public ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorities: Option<String>,
    /// What the municipality chose for an e-payment module; present exactly for class type `EPayment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_payment: Option<EPayment>,
}

/// A municipality as its modules know it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Municipality {
    /// Technical name, a DNS label (RFC 1123), such as `ahaus`.
    pub name: String,
    /// Name as citizens read it, such as `Stadt Ahaus`.
    pub display_name: String,
    /// Amtlicher Regionalschlüssel, 12 digits.
    pub ars: String,
}

/// The pages that the law asks a public body to link to.
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

/// How siblings prove who they are: by JWTs (RFC 7519) that the platform signs for them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Callers {
    /// The `iss` of their tokens.
    pub issuer: String,
    /// The `aud` of their tokens: this module.
    pub audience: String,
    /// The keys that sign them: a JWK Set (RFC 7517).
    pub keys: serde_json::Value,
    /// The modules that may call, and the `sub` of each one's tokens.
    pub subjects: BTreeMap<String, String>,
}
