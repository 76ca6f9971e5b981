// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The configuration block `ePayment` of a `ServiceModule`.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Lengths are bounded tightly on purpose: the API server estimates the cost of a CEL rule from them, and
// refuses a CustomResourceDefinition whose rules could cost too much.

/// The rule for an id of XBezahldienste 1.0.0: originatorId and endPointId.
fn id_rule() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9_-]{1,36}$')")
        .message("must be 1 to 36 letters, digits, hyphens or underscores, such as 055540004004")
}

fn secret_name_rule() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
        .message("must be the name of a Secret of this namespace, such as epay-credentials")
}

fn https_url_rule() -> Rule {
    Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != '' && !self.matches('[@?#]')")
        .message("must be an https URL without user, query and fragment, such as https://epay.land.example/api")
}

/// Configuration of an e-payment module.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.endPoints) || self.endPoints.size() == 0 || !has(self.clients) || self.clients.all(client, !has(client.endPoints) || client.endPoints.all(id, self.endPoints.exists(point, point.id == id)))").message("each of a client's endPoints must be the id of one of this module's endPoints"))]
pub struct EPayment {
    /// Payment provider that moves the money.
    pub provider: Provider,

    /// Authorities of this municipality that receive money. If the list is empty, there is one, with the
    /// municipality's ARS as its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["id".into()]),
        validation = Rule::new("self.all(one, self.all(other, one.id == other.id || !one.receipts.prefix.startsWith(other.receipts.prefix)))").message("no end point's receipts.prefix may begin with another's: two of them could give the same number; with more than one end point, give each a prefix of its own, such as AH1- and AH2-")
    )]
    pub end_points: Vec<EndPoint>,

    /// Online services that may request payments; no others may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(one, self.all(other, one.name == other.name || !((has(one.secret) && has(other.secret) && one.secret == other.secret) || (has(one.module) && has(other.module) && one.module == other.module))))").message("no two clients may name the same secret or module: they could not be told apart")
    )]
    pub clients: Vec<Client>,

    /// Staff of the treasury, who log in at the platform's OpenID Connect issuer. If absent, no one can
    /// log in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clerks: Option<Clerks>,

    /// Days after which the payer's data is erased (Art. 5 (1) e DSGVO). The data that bookkeeping
    /// needs is kept.
    #[serde(default = "default_payer_data_days")]
    #[schemars(range(min = 1, max = 3650))]
    pub payer_data_days: i32,
}

fn default_payer_data_days() -> i32 {
    90
}

/// A payment provider.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'XBezahldienste') == has(self.xBezahldienste) && (self.type == 'GiroCheckout') == has(self.giroCheckout)").message("exactly the block that fits type is needed: xBezahldienste for XBezahldienste, giroCheckout for GiroCheckout, none for Sandbox"))]
pub struct Provider {
    /// Type of the provider.
    #[serde(rename = "type")]
    pub provider_type: ProviderType,
    /// Connection to a payment platform with the API XBezahldienste 1.0.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_bezahldienste: Option<XBezahldienste>,
    /// Project of the municipality at GiroCheckout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub giro_checkout: Option<GiroCheckout>,
}

/// The payment providers that an e-payment module can use.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderType {
    /// A pay page of the module on which one confirms or cancels the payment; no money moves.
    Sandbox,
    /// A payment platform with the API XBezahldienste 1.0.0, such as that of the state.
    XBezahldienste,
    /// GiroCheckout by S-Public Services.
    GiroCheckout,
}

/// Connection to a payment platform with the API XBezahldienste 1.0.0.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct XBezahldienste {
    /// Base URL of the API, to which the paths `/paymenttransaction` and `/status` are appended; https
    /// only.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = https_url_rule())]
    pub url: String,
    /// The originatorId under which the platform knows this municipality. If absent, the originatorId
    /// of each request is passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    #[x_kube(validation = id_rule())]
    pub originator_id: Option<String>,
    /// How the module authenticates to the platform.
    pub authentication: Authentication,
}

/// How the module authenticates to a payment platform.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.type == 'OAuth2') == has(self.tokenUrl)").message("tokenUrl is needed for OAuth2 and only for it"))]
pub struct Authentication {
    /// `Basic` (RFC 7617), `OAuth2` (client credentials, RFC 6749 section 4.4) or `MutualTLS`.
    #[serde(rename = "type")]
    pub authentication_type: AuthenticationType,
    /// Secret with the keys `username` and `password` (Basic), `client-id` and `client-secret` (OAuth2), or
    /// `tls.crt` and `tls.key` in PEM (MutualTLS).
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name_rule())]
    pub secret: String,
    /// URL of the token endpoint, for OAuth2; https only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = https_url_rule())]
    pub token_url: Option<String>,
}

/// The methods of authentication.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationType {
    /// HTTP Basic (RFC 7617).
    Basic,
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    OAuth2,
    /// TLS with a client certificate.
    MutualTLS,
}

/// A project at GiroCheckout.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GiroCheckout {
    /// Base URL of the API, to which the path `/transaction/start` is appended; https only.
    #[serde(default = "default_giro_checkout_url")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = https_url_rule())]
    pub url: String,
    /// Merchant number of the municipality.
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,20}$')").message("must be the number that GiroCheckout shows: 1 to 20 digits, in quotation marks"))]
    pub merchant_id: String,
    /// Number of the project.
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,20}$')").message("must be the number that GiroCheckout shows: 1 to 20 digits, in quotation marks"))]
    pub project_id: String,
    /// Secret with the key `project-password`.
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name_rule())]
    pub secret: String,
}

fn default_giro_checkout_url() -> String {
    "https://payment.girosolution.de/girocheckout/api/v2".to_owned()
}

/// An authority that receives money.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EndPoint {
    /// The endPointId of XBezahldienste, commonly the ARS.
    #[schemars(length(max = 36))]
    #[x_kube(validation = id_rule())]
    pub id: String,
    /// Id of the end point at the provider; the same as `id` if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    #[x_kube(validation = id_rule())]
    pub provider_id: Option<String>,
    /// Range from which the end point's receipt numbers (Kassenzeichen) are issued.
    #[serde(default)]
    pub receipts: Receipts,
    /// Keys that `bookingData` of every item must have, such as `hhst`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 36), regex(pattern = "^[A-Za-z0-9_.-]{1,36}$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub booking_data: Vec<String>,
}

/// A range of receipt numbers (Kassenzeichen): prefix, running number with leading zeros, check digit.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.length - self.prefix.size() - (self.checkDigit == 'None' ? 0 : 1) >= 6").message("length must leave at least 6 places for the running number, beside prefix and check digit"))]
pub struct Receipts {
    /// Prefix of every number: capital letters, digits and hyphens.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z0-9-]{0,16}$')").message("must be at most 16 capital letters, digits and hyphens, such as AH26-"))]
    pub prefix: String,
    /// Length of the number in characters, including prefix and check digit.
    #[serde(default = "default_length")]
    #[schemars(range(min = 8, max = 36))]
    pub length: i32,
    /// Check digit at the end of the number.
    #[serde(default)]
    pub check_digit: CheckDigit,
}

fn default_length() -> i32 {
    12
}

impl Default for Receipts {
    fn default() -> Self {
        Self { prefix: String::new(), length: default_length(), check_digit: CheckDigit::None }
    }
}

/// The check digit at the end of a receipt number.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckDigit {
    /// No check digit.
    #[default]
    None,
    /// Luhn (ISO/IEC 7812-1 annex B); letters count as 10 to 35, as in an ISIN (ISO 6166).
    Luhn,
}

/// An online service that may request payments.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secret) != has(self.module)").message("exactly one of secret and module is needed: a Secret with the key token, or a module of this municipality"))]
pub struct Client {
    /// Name of the client, which is also its user name (Basic) and its OAuth client id.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$')").message("must be a DNS label of at most 32 characters, a letter first, such as parkportal"))]
    pub name: String,
    /// Secret with the key `token`: 32 to 256 visible ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name_rule())]
    pub secret: Option<String>,
    /// Name of another module of this municipality whose `spec.uses` names this module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 22))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("must be the name of another module of this municipality, such as forms"))]
    pub module: Option<String>,
    /// The originatorIds that the client may use.
    #[schemars(length(min = 1, max = 32), inner(length(max = 36), regex(pattern = "^[A-Za-z0-9_-]{1,36}$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub originators: Vec<String>,
    /// Ids of the end points that the client may use. If the list is empty, it may use all of this module.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 36), regex(pattern = "^[A-Za-z0-9_-]{1,36}$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub end_points: Vec<String>,
}

/// Staff of the treasury, who log in with OpenID Connect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Clerks {
    /// Client id of the module at the platform's issuer.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// Secret with the key `client-secret`.
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name_rule())]
    pub secret: String,
    /// Claim of the ID token that lists the roles of a person.
    #[serde(default = "default_role_claim")]
    #[schemars(length(min = 1, max = 256))]
    pub role_claim: String,
    /// Role that a person needs to log in.
    #[schemars(length(min = 1, max = 256))]
    pub role: String,
}

fn default_role_claim() -> String {
    "groups".to_owned()
}
