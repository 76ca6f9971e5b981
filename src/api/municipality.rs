// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The kind `Municipality`: a town on the platform. State IT writes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A municipality that may opt in to modules; written by state IT.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "rathaus.dev", version = "v1alpha1", kind = "Municipality",
    plural = "municipalities", singular = "municipality", shortname = "mun", category = "rathaus",
    status = "MunicipalityStatus", derive = "PartialEq",
    doc = "A municipality that may opt in to modules; written by state IT.",
    label("app.kubernetes.io/part-of", "rathaus"),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.displayName"),
    printcolumn(name = "ARS", type_ = "string", json_path = ".spec.ars"),
    printcolumn(name = "Modules", type_ = "integer", json_path = ".status.modules.total"),
    printcolumn(name = "Modules Ready", type_ = "integer", json_path = ".status.modules.ready"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", priority = "1", json_path = r#".status.conditions[?(@.type=="Ready")].message"#),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$')").message("metadata.name must be a DNS label of at most 40 characters: a letter first, then lower-case letters, digits and hyphens, such as bad-homburg"),
)]
#[serde(rename_all = "camelCase")]
pub struct MunicipalitySpec {
    /// Name that citizens read, such as `Stadt Ahaus`.
    #[schemars(length(min = 1, max = 100))]
    pub display_name: String,

    /// Amtlicher Regionalschlüssel, 12 digits. It is immutable and unique on the platform: where two
    /// municipalities have the same ARS, the older object keeps it.
    #[schemars(length(max = 64))]
    #[x_kube(
        validation = Rule::new("self.matches('^[0-9]{12}$')").message("must be an Amtlicher Regionalschlüssel: exactly 12 digits, such as 055540004004"),
        validation = Rule::new("!self.matches('^[0-9]{12}$') || self.matches('^(0[1-9]|1[0-6])')").message("starts with a land code that does not exist: the first two digits run from 01 (Schleswig-Holstein) to 16 (Thüringen)"),
        validation = Rule::new("self == oldSelf").message("is immutable: a municipality with another ARS is another municipality; create a new object")
    )]
    pub ars: String,

    /// Public host name; each module is served at `<module>.<hostname>`. It must lie below a domain
    /// that the platform's gateway serves, and must not be equal to, above or below another
    /// municipality's host name.
    #[schemars(length(max = 200))]
    #[x_kube(validation = Rule::new("self.matches('^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?[.])+[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message("must be a lower-case DNS name with at least two labels, such as ahaus.rathaus.example"))]
    pub hostname: String,

    /// Who may opt in to modules in this municipality's namespace.
    #[schemars(length(max = 16))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub administrators: Vec<Administrator>,

    /// E-mail addresses at which state IT reaches the municipality.
    pub contact: Contact,

    /// Legal pages to which every page of the modules links.
    pub legal: Legal,

    /// Upper bounds for all modules of the municipality together.
    #[serde(default)]
    pub quota: Quota,

    /// If true, the operator changes nothing for this municipality; what runs keeps running.
    #[serde(default)]
    pub suspend: bool,

    /// Whether databases are kept or dropped when a module or the municipality is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

/// A subject of Kubernetes RBAC that may opt in to modules.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("(self.kind == 'ServiceAccount') == has(self.namespace)").message("namespace is required for a ServiceAccount and only for one"))]
pub struct Administrator {
    /// `User`, `Group` or `ServiceAccount` (for a GitOps engine).
    pub kind: AdministratorKind,
    /// Name of the subject; `system:` names are refused, since they stand for far more than one town.
    #[schemars(length(min = 1, max = 253))]
    #[x_kube(validation = Rule::new("!self.startsWith('system:')").message("must not start with system: these names belong to Kubernetes; name the town's own group or user"))]
    pub name: String,
    /// Namespace of the ServiceAccount; required for a ServiceAccount and only for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Kind of an RBAC subject.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdministratorKind {
    /// A user, by the name that the cluster's authentication gives it.
    User,
    /// A group, by the name that the cluster's authentication gives it.
    Group,
    /// A ServiceAccount of the cluster.
    ServiceAccount,
}

/// E-mail addresses at which state IT reaches the municipality, and to which security reports go.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Contact {
    /// E-mail address of the town's IT.
    #[schemars(length(max = 254))]
    #[x_kube(validation = Rule::new("self.matches('^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$')").message("must be an e-mail address, such as it@ahaus.example"))]
    pub email: String,
    /// E-mail address for security incidents.
    #[schemars(length(max = 254))]
    #[x_kube(validation = Rule::new("self.matches('^[^@[:space:]]+@[^@[:space:]]+[.][^@[:space:]]+$')").message("must be an e-mail address, such as sicherheit@ahaus.example"))]
    pub security_email: String,
}

/// The pages to which a public body must link by law; `https` only.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Legal {
    /// Impressum (§ 5 DDG).
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''").message("must be an https URL, such as https://www.ahaus.example/impressum"))]
    pub imprint_url: String,
    /// Datenschutzerklärung (Art. 13 DSGVO).
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''").message("must be an https URL, such as https://www.ahaus.example/datenschutz"))]
    pub privacy_url: String,
    /// Erklärung zur Barrierefreiheit (§ 12b BGG and the laws of the Länder).
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''").message("must be an https URL, such as https://www.ahaus.example/barrierefreiheit"))]
    pub accessibility_url: String,
}

/// Upper bounds for all modules of a municipality together. Amounts are Kubernetes quantities.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Quota {
    /// Processor cores requested, such as `2` or `500m`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}m?$')").message("must be cores or thousandths of one, such as 2 or 500m"))]
    #[serde(default = "default_cpu")]
    pub cpu: String,
    /// Memory, such as `4Gi`; the sum of the requests and the sum of the limits must each fit.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti)$')").message("must be an amount with the unit Ki, Mi, Gi or Ti, such as 4Gi"))]
    #[serde(default = "default_memory")]
    pub memory: String,
    /// Storage requested by volumes, such as `20Gi`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti)$')").message("must be an amount with the unit Ki, Mi, Gi or Ti, such as 20Gi"))]
    #[serde(default = "default_storage")]
    pub storage: String,
    /// Number of ServiceModules.
    #[schemars(range(min = 0, max = 64))]
    #[serde(default = "default_modules")]
    pub modules: i32,
}

// There is one function for each default, since the derive macro of the schema cannot use a
// struct-level one.
fn default_cpu() -> String {
    "2".into()
}
fn default_memory() -> String {
    "4Gi".into()
}
fn default_storage() -> String {
    "20Gi".into()
}
fn default_modules() -> i32 {
    8
}

impl Default for Quota {
    fn default() -> Self {
        Self {
            cpu: default_cpu(),
            memory: default_memory(),
            storage: default_storage(),
            modules: default_modules(),
        }
    }
}

/// Whether databases are kept or dropped on deletion.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeletionPolicy {
    /// Databases are kept and locked; a module of the same name takes them over again.
    #[default]
    Retain,
    /// Databases are dropped.
    Delete,
}

/// What the operator observed and did when it last reconciled the object.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MunicipalityStatus {
    /// Generation of the spec that the rest of the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `NamespaceReady`, `AccessReady` and `Isolated`; `Stalled` while a person must act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Namespace of the municipality, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Amtlicher Gemeindeschlüssel, 8 digits, derived from the ARS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ags: Option<String>,
    /// Number of modules that the municipality has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modules: Option<ModuleCount>,
}

/// Number of modules of a municipality.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModuleCount {
    /// Number of modules whose condition `Ready` is true.
    pub ready: i32,
    /// Number of all modules.
    pub total: i32,
}
