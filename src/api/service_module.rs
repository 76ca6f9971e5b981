// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The kind `ServiceModule`: a component that a municipality opted in to. The municipality writes it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::EPayment;

/// A component that a municipality opted in to; written by the municipality.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "rathaus.dev", version = "v1alpha1", kind = "ServiceModule", namespaced,
    plural = "servicemodules", singular = "servicemodule", shortname = "sm", category = "rathaus",
    status = "ServiceModuleStatus", derive = "PartialEq",
    doc = "A component that a municipality opted in to; written by the municipality.",
    label("app.kubernetes.io/part-of", "rathaus"),
    printcolumn(name = "Class", type_ = "string", json_path = ".spec.class"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", priority = "1", json_path = r#".status.conditions[?(@.type=="Ready")].message"#),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]{0,20}[a-z0-9])?$')").message("metadata.name must be a DNS label of at most 22 characters: a letter first, then lower-case letters, digits and hyphens, such as e-payment"),
    // At creation only: the finalizer of a stored object must go even if the object has such a name.
    validation = Rule::new("oldSelf.hasValue() || !self.metadata.name.matches('^rathaus(-|$)')").optional_old_self(true).message("metadata.name must not be rathaus or start with rathaus-, as the names of the municipality's own objects do; choose another name, such as e-payment"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.ePayment)].exists_one(chosen, chosen)").message("exactly one configuration block is needed, the one that fits the class's type: ePayment"))]
pub struct ServiceModuleSpec {
    /// Name of the ModuleClass.
    #[schemars(length(max = 63))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("must be the name of a ModuleClass, such as e-payment; kubectl get mc lists them"))]
    pub class: String,

    /// Name of one of the class's plans.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new("self.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')").message("must be the name of a plan of the class, such as small"))]
    pub plan: String,

    /// If true, the operator changes nothing for this module; what runs keeps running.
    #[serde(default)]
    pub suspend: bool,

    /// Names of the sibling modules that this module calls. The operator opens exactly these network
    /// paths and passes the URLs to the module.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 22), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$")))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub uses: Vec<String>,

    /// Configuration of an e-payment module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e_payment: Option<EPayment>,
}

/// What the operator observed and did when it last reconciled the object.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ServiceModuleStatus {
    /// Generation of the spec that the rest of the status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, `ClassAccepted`, `DatabaseReady`, `Deployed` and `Routed`; `Stalled` while a person must act.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// URL at which citizens reach the module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Version of the class from which the Deployment was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Image of the Deployment, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}
