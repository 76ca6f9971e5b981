// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Describes what the removal of a municipality waits for.

use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;

use super::{Outcome, Step};
use crate::api::ServiceModule;
use crate::api::conditions::READY;

/// The conditions in which the namespace controller says what holds up the deletion of a namespace.
const NAMESPACE_CONDITIONS: [&str; 4] = [
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceContentRemaining",
    "NamespaceFinalizersRemaining",
];

/// Says what the removal of a municipality waits for: the modules that are still there, each with the reason
/// of its condition `Ready`, and what the namespace controller reports.
pub fn describe_removal<'a>(
    namespace: &Namespace,
    modules: impl IntoIterator<Item = &'a ServiceModule>,
) -> Step {
    let modules = modules.into_iter().map(|module| {
        let conditions = module.status.iter().flat_map(|status| &status.conditions);
        let reason =
            conditions.filter(|condition| condition.type_ == READY).map(|c| c.reason.as_str()).next();
        format!("ServiceModule {} ({})", module.name_any(), reason.unwrap_or("no status yet"))
    });
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let reported = conditions
        .filter(|condition| {
            NAMESPACE_CONDITIONS.contains(&condition.type_.as_str()) && condition.status == "True"
        })
        .filter_map(|condition| condition.message.clone());
    let causes: Vec<String> = modules.chain(reported).collect();
    let mut message = format!("namespace {} is being deleted", namespace.name_any());
    if !causes.is_empty() {
        message = format!("{message}; it waits for: {}", causes.join("; "));
    }
    Step { condition: READY, outcome: Outcome::Waiting, reason: "Deleting", message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixtures;

    fn message(namespace_conditions: Value, modules: &[ServiceModule]) -> String {
        let namespace =
            json!({"metadata": {"name": "mun-ahaus"}, "status": {"conditions": namespace_conditions}});
        describe_removal(&serde_json::from_value(namespace).unwrap(), modules).message
    }

    #[test]
    fn the_removal_names_the_modules_and_the_finalizers_that_it_waits_for() {
        let mut module = fixtures::module("e-payment", &[]);
        module.status = serde_json::from_value(json!({"conditions": [
            {"type": "Deployed", "status": "True", "reason": "Available", "message": "", "lastTransitionTime": "2026-11-24T10:00:00Z"},
            {"type": "Ready", "status": "False", "reason": "DatabaseUnreachable", "message": "", "lastTransitionTime": "2026-11-24T10:00:00Z"},
        ]}))
        .unwrap();
        let conditions = json!([
            {"type": "NamespaceDeletionContentFailure", "status": "False", "reason": "ContentDeleted", "message": "All content successfully deleted"},
            {"type": "NamespaceFinalizersRemaining", "status": "True", "reason": "SomeFinalizersRemain",
                "message": "Some content in the namespace has finalizers remaining: town.example/keep in 1 resource instances"},
        ]);
        assert_eq!(
            message(conditions, &[module, fixtures::module("form", &[])]),
            "namespace mun-ahaus is being deleted; it waits for: \
             ServiceModule e-payment (DatabaseUnreachable); ServiceModule form (no status yet); \
             Some content in the namespace has finalizers remaining: town.example/keep in 1 resource instances"
        );
        assert_eq!(message(json!([]), &[]), "namespace mun-ahaus is being deleted");
    }
}
