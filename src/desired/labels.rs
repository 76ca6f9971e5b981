// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Labels by which people and the operator find the objects that the operator made.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use crate::tenant::{ARS_LABEL, Module, Town};

/// Label of every object that the operator makes; its value is `rathaus`.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label with the name of the Municipality that an object was made for.
pub const MUNICIPALITY: &str = "rathaus.dev/municipality";
/// Label with the name of the ServiceModule that an object was made for; a town's other objects lack it.
pub const MODULE: &str = "rathaus.dev/module";
/// Label with the name of a namespace, which Kubernetes sets on every namespace.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

type Labels = BTreeMap<String, String>;

fn label_map<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Whether an object of this name in a town's namespace is the town's own. Every other object has the name of
/// its module.
pub fn is_town_object(name: &str) -> bool {
    name == "rathaus" || name.starts_with("rathaus-")
}

/// Labels of every object that is made for a town.
pub fn for_town(town: &Town) -> Labels {
    label_map([
        (MANAGED_BY, "rathaus"),
        ("app.kubernetes.io/part-of", "rathaus"),
        (MUNICIPALITY, town.name.as_str()),
        (ARS_LABEL, town.ars.as_str()),
    ])
}

/// Labels of every object that is made for a module.
pub fn for_module(module: &Module) -> Labels {
    let mut labels = for_town(&module.town);
    labels.extend(label_map([
        (MODULE, module.name.as_str()),
        ("app.kubernetes.io/name", &module.class.name),
        ("app.kubernetes.io/instance", module.name.as_str()),
        ("app.kubernetes.io/component", "module"),
    ]));
    labels
}

/// Selects a module's pods. A Deployment's selector is immutable, so it contains only a label that never
/// changes.
pub fn module_selector(module: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(label_map([(MODULE, module)])), ..Default::default() }
}

/// Selects a namespace by its name, which Kubernetes sets as a label.
pub fn namespace_selector(namespace: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(label_map([(NAMESPACE_NAME, namespace)])), ..Default::default() }
}

/// Metadata of an object in a town's namespace that belongs to the town and not to one of its modules.
pub fn town_meta(town: &Town, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(town.name.namespace()),
        labels: Some(for_town(town)),
        ..Default::default()
    }
}
