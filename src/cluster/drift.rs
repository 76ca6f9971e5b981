// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Compares a live object with the desired one. Every desired field must have its desired value; fields
//! that the API server or other clients have added are ignored.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube_quantity::ParsedQuantity;
use serde_json::{Map, Value};

/// Lists that server-side apply merges by key, as Kubernetes declares them (`listType: map`): other
/// clients may add elements to them. In every other list, an additional element is drift.
const MERGED_LISTS: [(&str, &str); 7] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("ownerReferences", "uid"),
];

/// Maps of quantities, which the API server writes in canonical form: it returns `1000m` as `1`.
const QUANTITIES: [&str; 5] = ["requests", "limits", "hard", "default", "defaultRequest"];

/// Whether each field of `desired` has the same value in `live`.
pub fn matches_desired(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => object_matches(live, desired),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len()
                && live.iter().zip(desired).all(|(live, desired)| matches_desired(live, desired))
        }
        (live, desired) => live == desired,
    }
}

fn object_matches(live: &Map<String, Value>, desired: &Map<String, Value>) -> bool {
    desired.iter().all(|(key, wanted)| match live.get(key) {
        // The API server omits empty lists and maps.
        None => match wanted {
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        },
        Some(actual) if QUANTITIES.contains(&key.as_str()) => quantities_match(actual, wanted),
        Some(actual) => match MERGED_LISTS.iter().find(|(list, _)| list == key) {
            Some((_, merge_key)) => merged_list_matches(actual, wanted, merge_key),
            None => matches_desired(actual, wanted),
        },
    })
}

fn merged_list_matches(live: &Value, desired: &Value, key: &str) -> bool {
    let (Value::Array(live), Value::Array(desired)) = (live, desired) else { return live == desired };
    desired
        .iter()
        .all(|wanted| live.iter().any(|actual| actual[key] == wanted[key] && matches_desired(actual, wanted)))
}

fn quantities_match(live: &Value, desired: &Value) -> bool {
    let (Value::Object(live), Value::Object(desired)) = (live, desired) else {
        return matches_desired(live, desired);
    };
    live.len() == desired.len()
        && desired.iter().all(|(name, wanted)| {
            live.get(name).is_some_and(|actual| parse_quantity(actual) == parse_quantity(wanted))
        })
}

fn parse_quantity(value: &Value) -> Option<ParsedQuantity> {
    ParsedQuantity::try_from(Quantity(value.as_str()?.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_added_by_the_server_are_no_drift() {
        let desired = json!({"spec": {"containers": [{"name": "module", "image": "a"}], "hard": {"requests.cpu": "1000m"}}});
        let live = json!({"metadata": {"uid": "1"}, "spec": {"containers": [{"name": "sidecar"}, {"name": "module", "image": "a", "terminationMessagePath": "/dev/termination-log"}], "hard": {"requests.cpu": "1"}}});
        assert!(matches_desired(&live, &desired));
    }

    #[test]
    fn invariant_5_a_rule_added_by_hand_is_drift() {
        let desired = json!({"spec": {"ingress": [{"ports": [{"port": 8080}]}]}});
        let live = json!({"spec": {"ingress": [{"ports": [{"port": 8080}]}, {}]}});
        assert!(!matches_desired(&live, &desired));
        let none = json!({"spec": {"ingress": []}});
        assert!(!matches_desired(&live, &none) && matches_desired(&json!({"spec": {}}), &none));
    }

    #[test]
    fn invariant_5_changed_and_missing_values_are_drift() {
        let desired = json!({"spec": {"replicas": 2, "limits": {"memory": "1Gi"}}});
        assert!(!matches_desired(&json!({"spec": {"replicas": 3, "limits": {"memory": "1Gi"}}}), &desired));
        assert!(!matches_desired(&json!({"spec": {"limits": {"memory": "1Gi"}}}), &desired));
        assert!(!matches_desired(&json!({"spec": {"replicas": 2, "limits": {"memory": "2Gi"}}}), &desired));
        assert!(matches_desired(&json!({"spec": {"replicas": 2, "limits": {"memory": "1024Mi"}}}), &desired));
    }
}
