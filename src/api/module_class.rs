// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The kind `ModuleClass`: an entry of the state's catalogue. State IT writes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An entry of the catalogue: one version of one image that implements one contract; written by state IT.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "rathaus.dev", version = "v1alpha1", kind = "ModuleClass",
    plural = "moduleclasses", singular = "moduleclass", shortname = "mc", category = "rathaus",
    status = "ModuleClassStatus", derive = "PartialEq",
    doc = "An entry of the catalogue: one version of one image that implements one contract; written by state IT.",
    label("app.kubernetes.io/part-of", "rathaus"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Version", type_ = "string", json_path = ".spec.version"),
    printcolumn(name = "Users", type_ = "integer", json_path = ".status.users"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Image", type_ = "string", priority = "1", json_path = ".spec.image"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$')").message("metadata.name must be a DNS label: a letter first, then lower-case letters, digits and hyphens"),
)]
#[serde(rename_all = "camelCase")]
pub struct ModuleClassSpec {
    /// Contract that the image implements; immutable.
    #[serde(rename = "type")]
    #[x_kube(validation = Rule::new("self == oldSelf").message("is immutable: modules of this class were configured for it; publish a new class"))]
    pub contract_type: ContractType,

    /// Version of the module, Semantic Versioning 2.0.0.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^(0|[1-9][0-9]*)[.](0|[1-9][0-9]*)[.](0|[1-9][0-9]*)(-[0-9A-Za-z.-]+)?([+][0-9A-Za-z.-]+)?$') && self.matches('[0-9A-Za-z]$')").message("must be a semantic version, such as 1.0.0"))]
    pub version: String,

    /// Container image by digest, `NAME@sha256:…`. A tag is refused, since it can be moved to another
    /// image.
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z0-9]([a-z0-9._:/-]*[a-z0-9])?@sha256:[0-9a-f]{64}$')").message("must name an image by digest, NAME@sha256:<64 hex digits>; a tag is refused, since what is behind it can change"))]
    pub image: String,

    /// Licence of the module, an SPDX expression such as `EUPL-1.2`.
    #[schemars(length(max = 128))]
    #[x_kube(validation = Rule::new("self.matches('^[A-Za-z0-9.+()-]+( (AND|OR|WITH) [A-Za-z0-9.+()-]+)*$')").message("must be an SPDX licence expression, such as EUPL-1.2"))]
    pub licence: String,

    /// URL of the source code.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''").message("must be an https URL"))]
    pub source: String,

    /// URL of the documentation.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new("isURL(self) && url(self).getScheme() == 'https' && url(self).getHost() != ''").message("must be an https URL"))]
    pub documentation: String,

    /// Sizes in which the class is offered.
    #[schemars(length(min = 1, max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub plans: Vec<Plan>,

    /// What the status of its modules says about their failures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostics: Option<Diagnostics>,

    /// Municipalities that may use the class; all of them if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered_to: Option<Offering>,
}

/// A contract that an image implements; each is an open standard.
#[derive(JsonSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ContractType {
    /// E-payment: XBezahldienste 1.0.0.
    EPayment,
    /// Mailbox of citizens.
    Mailbox,
    /// Online forms.
    Form,
    /// Workflow.
    Workflow,
}

/// A size in which a class is offered.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Plan {
    /// Name by which a ServiceModule chooses the plan.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("must be a DNS label, such as small"))]
    pub name: String,
    /// Number of pods.
    #[schemars(range(min = 1, max = 10))]
    pub replicas: i32,
    /// Resources of each pod.
    pub resources: Resources,
}

/// Resources of each pod. Memory is limited; processor time is not, and is shared in proportion to the
/// requests.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("!quantity(self.limits.memory).isLessThan(quantity(self.requests.memory))").message("limits.memory must not be below requests.memory"))]
pub struct Resources {
    /// Resources that the scheduler reserves.
    pub requests: Requests,
    /// Upper limits that the kernel enforces.
    pub limits: Limits,
}

/// Resources that the scheduler reserves for a pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Requests {
    /// Processor cores, such as `10m`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}m?$')").message("must be cores or thousandths of one, such as 1 or 10m"))]
    pub cpu: String,
    /// Memory, such as `32Mi`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti)$')").message("must be an amount with the unit Ki, Mi, Gi or Ti, such as 32Mi"))]
    pub memory: String,
}

/// Upper limits that the kernel enforces for a pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Limits {
    /// Memory, such as `128Mi`.
    #[schemars(length(max = 16))]
    #[x_kube(validation = Rule::new("self.matches('^[1-9][0-9]{0,6}(Ki|Mi|Gi|Ti)$')").message("must be an amount with the unit Ki, Mi, Gi or Ti, such as 128Mi"))]
    pub memory: String,
}

/// What the status of the modules of a class says about their failures.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostics {
    /// Whether the last log lines of a failed container are copied into the status and events of its
    /// ServiceModule, where the municipality's administrators and auditors read them. Allow it only for an
    /// image that never logs passwords, connection URLs or personal data.
    #[serde(default)]
    pub container_logs: bool,
}

/// The municipalities that may use a class.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Offering {
    /// Prefixes of the ARS of these municipalities: of a land (`05`), a Kreis (`05554`) or one town.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 12), regex(pattern = "^[0-9]+$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ars_prefixes: Vec<String>,
}

/// What the operator observed when it last reconciled the class.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ModuleClassStatus {
    /// Generation of the spec that the rest of the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, which tells whether modules of this class can be provisioned; `Stalled` if not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// Number of ServiceModules of this class.
    #[serde(default)]
    pub users: i32,
}
