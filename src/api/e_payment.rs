// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The block `ePayment` of a `ServiceModule`.

use kube::KubeSchema;
use kube::core::Rule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

// Bounds are small on purpose: the API server works out what a rule may cost at most from them, and
// refuses a definition whose rules may cost too much.

/// An id of XBezahldienste 1.0.0: originatorId and endPointId.
fn id() -> Rule {
    Rule::new("self.matches('^[A-Za-z0-9_-]{1,36}$')")
        .message("must be 1 to 36 letters, digits, hyphens or underscores, such as 055540004004")
}

fn secret_name() -> Rule {
    Rule::new("self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')")
        .message("must be the name of a Secret of this namespace, such as epay-credentials")
}

fn https_url() -> Rule {
    Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != '' && !self.matches('[@?#]')")
        .message("must be an https URL without user, query and fragment, such as https://epay.land.example/api")
}

/// Configuration of an e-payment module.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.endPoints) || self.endPoints.size() == 0 || !has(self.clients) || self.clients.all(client, !has(client.endPoints) || client.endPoints.all(id, self.endPoints.exists(point, point.id == id)))").message("each of a client's endPoints must be the id of one of this module's endPoints"))]
pub struct EPayment {
    /// Who moves the money.
    pub provider: Provider,

    /// The authorities of this municipality that receive money; none: one, with the municipality's ARS as its id.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["id".into()]),
        validation = Rule::new("self.all(one, self.all(other, one.id == other.id || !one.receipts.prefix.startsWith(other.receipts.prefix)))").message("no end point's receipts.prefix may begin with another's: two of them could give the same number; with more than one end point, give each a prefix of its own, such as AH1- and AH2-")
    )]
    pub end_points: Vec<EndPoint>,

    /// The online services that may ask for payments. Nobody else may.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(
        merge_strategy = ListMerge::Map(vec!["name".into()]),
        validation = Rule::new("self.all(one, self.all(other, one.name == other.name || !((has(one.secret) && has(other.secret) && one.secret == other.secret) || (has(one.module) && has(other.module) && one.module == other.module))))").message("no two clients may name the same secret or module: they could not be told apart")
    )]
    pub clients: Vec<Client>,

    /// The treasury's people, who log in at the platform's OpenID Connect issuer; absent: nobody may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clerks: Option<Clerks>,

    /// Days after which who paid is forgotten (Art. 5 (1) e DSGVO); what the books need stays.
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
    /// Which one.
    #[serde(rename = "type")]
    pub provider_type: ProviderType,
    /// How a platform that speaks XBezahldienste 1.0.0 is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x_bezahldienste: Option<XBezahldienste>,
    /// The municipality's project at GiroCheckout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub giro_checkout: Option<GiroCheckout>,
}

/// The payment providers that an e-payment module can use.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProviderType {
    /// The module's own pay page, on which one confirms or cancels; no money moves.
    Sandbox,
    /// A payment platform that speaks XBezahldienste 1.0.0, such as the state's.
    XBezahldienste,
    /// GiroCheckout of S-Public Services.
    GiroCheckout,
}

/// How a platform that speaks XBezahldienste 1.0.0 is reached.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct XBezahldienste {
    /// Base URL, below which `/paymenttransaction` and `/status` are; https only.
    #[schemars(length(max = 1024))]
    #[x_kube(validation = https_url())]
    pub url: String,
    /// The originatorId as which the platform knows this municipality; absent: the one of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    #[x_kube(validation = id())]
    pub originator_id: Option<String>,
    /// How the module proves who it is.
    pub authentication: Authentication,
}

/// How the module proves to a platform who it is.
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
    #[x_kube(validation = secret_name())]
    pub secret: String,
    /// Token endpoint, for OAuth2; https only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = https_url())]
    pub token_url: Option<String>,
}

/// The ways of proving who one is.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuthenticationType {
    /// HTTP Basic (RFC 7617).
    Basic,
    /// OAuth 2.0 client credentials (RFC 6749, section 4.4).
    OAuth2,
    /// A certificate of the client.
    MutualTLS,
}

/// A project at GiroCheckout.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct GiroCheckout {
    /// Base URL of the API, below which `/transaction/start` is; https only.
    #[serde(default = "default_giro_checkout_url")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = https_url())]
    pub url: String,
    /// The municipality's number as a merchant.
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,20}$')").message("must be the number that GiroCheckout shows: 1 to 20 digits, in quotation marks"))]
    pub merchant_id: String,
    /// Number of its project.
    #[schemars(length(max = 20))]
    #[x_kube(validation = Rule::new("self.matches('^[0-9]{1,20}$')").message("must be the number that GiroCheckout shows: 1 to 20 digits, in quotation marks"))]
    pub project_id: String,
    /// Secret with the key `project-password`.
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name())]
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
    #[x_kube(validation = id())]
    pub id: String,
    /// Its id at the provider; absent: the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 36))]
    #[x_kube(validation = id())]
    pub provider_id: Option<String>,
    /// Its range of receipt numbers (Kassenzeichen).
    #[serde(default)]
    pub receipts: Receipts,
    /// Keys that the bookingData of every item must have, such as `hhst`.
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
    /// What every number begins with: capital letters, digits and hyphens.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Z0-9-]{0,16}$')").message("must be at most 16 capital letters, digits and hyphens, such as AH26-"))]
    pub prefix: String,
    /// Characters of the whole number, prefix and check digit included.
    #[serde(default = "default_length")]
    #[schemars(range(min = 8, max = 36))]
    pub length: i32,
    /// How the last character is made.
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

/// How the last character of a receipt number is made.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CheckDigit {
    /// There is none.
    #[default]
    None,
    /// Luhn (ISO/IEC 7812-1 annex B); letters count as 10 to 35, as in an ISIN (ISO 6166).
    Luhn,
}

/// An online service that may ask for payments.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.secret) != has(self.module)").message("exactly one of secret and module is needed: a Secret with the key token, or a module of this municipality"))]
pub struct Client {
    /// Its name, also its user name and OAuth client id.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]{0,30}[a-z0-9])?$')").message("must be a DNS label of at most 32 characters, a letter first, such as parkportal"))]
    pub name: String,
    /// Secret with the key `token`: 32 to 256 visible ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name())]
    pub secret: Option<String>,
    /// Another module of this municipality, whose `spec.uses` names this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 22))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("must be the name of another module of this municipality, such as forms"))]
    pub module: Option<String>,
    /// The originatorIds that it may use.
    #[schemars(length(min = 1, max = 32), inner(length(max = 36), regex(pattern = "^[A-Za-z0-9_-]{1,36}$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub originators: Vec<String>,
    /// The end points that it may use, by id; none: all of this module.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 36), regex(pattern = "^[A-Za-z0-9_-]{1,36}$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub end_points: Vec<String>,
}

/// The treasury's people, who log in by OpenID Connect.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Clerks {
    /// The module's client id at the platform's issuer.
    #[schemars(length(min = 1, max = 256))]
    pub client_id: String,
    /// Secret with the key `client-secret`.
    #[schemars(length(max = 253))]
    #[x_kube(validation = secret_name())]
    pub secret: String,
    /// Claim of the ID token that lists a person's roles.
    #[serde(default = "default_role_claim")]
    #[schemars(length(min = 1, max = 256))]
    pub role_claim: String,
    /// The role that makes a person a clerk.
    #[schemars(length(min = 1, max = 256))]
    pub role: String,
}

fn default_role_claim() -> String {
    "groups".to_owned()
}
