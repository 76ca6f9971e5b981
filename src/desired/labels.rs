// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Labels by which people and the operator find what was made.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;

use crate::tenant::{ARS_LABEL, Module, Town};

pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
pub const MUNICIPALITY: &str = "rathaus.dev/municipality";
pub const MODULE: &str = "rathaus.dev/module";

type Labels = BTreeMap<String, String>;

fn map<const N: usize>(pairs: [(&str, &str); N]) -> Labels {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub fn of_town(town: &Town) -> Labels {
    map([
        (MANAGED_BY, "rathaus"),
        ("app.kubernetes.io/part-of", "rathaus"),
        (MUNICIPALITY, town.name.as_str()),
        (ARS_LABEL, town.ars.as_str()),
    ])
}

pub fn of_module(module: &Module) -> Labels {
    let mut labels = of_town(&module.town);
    labels.extend(map([
        (MODULE, module.name.as_str()),
        ("app.kubernetes.io/name", &module.class.name),
        ("app.kubernetes.io/instance", module.name.as_str()),
        ("app.kubernetes.io/component", "module"),
    ]));
    labels
}

/// Selects a module's pods. Deployments cannot change it, so it holds only what never changes.
pub fn selector(module: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(map([(MODULE, module)])), ..Default::default() }
}

/// Selects a namespace by the name that Kubernetes itself gives it as a label.
pub fn namespace_selector(namespace: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(map([("kubernetes.io/metadata.name", namespace)])),
        ..Default::default()
    }
}

pub fn town_meta(town: &Town, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(town.name.namespace()),
        labels: Some(of_town(town)),
        ..Default::default()
    }
}
