// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Whether a live object already is as desired: everything that is desired is there. What the
//! server or others added beside it does not count.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube_quantity::ParsedQuantity;
use serde_json::{Map, Value};

/// Lists that server-side apply merges by key, as Kubernetes declares them (`listType: map`): others
/// may add elements to them. Every other list is compared whole.
const MERGED_LISTS: [(&str, &str); 7] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("env", "name"),
    ("volumes", "name"),
    ("volumeMounts", "mountPath"),
    ("imagePullSecrets", "name"),
    ("ownerReferences", "uid"),
];

/// Maps of quantities, which the server writes in canonical form: `1000m` comes back as `1`.
const QUANTITIES: [&str; 5] = ["requests", "limits", "hard", "default", "defaultRequest"];

/// Whether `live` has everything that `desired` has.
pub fn covers(live: &Value, desired: &Value) -> bool {
    match (live, desired) {
        (Value::Object(live), Value::Object(desired)) => object_covers(live, desired),
        (Value::Array(live), Value::Array(desired)) => {
            live.len() == desired.len()
                && live.iter().zip(desired).all(|(live, desired)| covers(live, desired))
        }
        (live, desired) => live == desired,
    }
}

fn object_covers(live: &Map<String, Value>, desired: &Map<String, Value>) -> bool {
    desired.iter().all(|(key, wanted)| match live.get(key) {
        // An empty list or map is stored as none.
        None => match wanted {
            Value::Object(map) => map.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        },
        Some(there) if QUANTITIES.contains(&key.as_str()) => quantities_cover(there, wanted),
        Some(there) => match MERGED_LISTS.iter().find(|(list, _)| list == key) {
            Some((_, merge_key)) => merged_list_covers(there, wanted, merge_key),
            None => covers(there, wanted),
        },
    })
}

fn merged_list_covers(live: &Value, desired: &Value, key: &str) -> bool {
    let (Value::Array(live), Value::Array(desired)) = (live, desired) else { return live == desired };
    desired.iter().all(|wanted| live.iter().any(|there| there[key] == wanted[key] && covers(there, wanted)))
}

fn quantities_cover(live: &Value, desired: &Value) -> bool {
    let (Value::Object(live), Value::Object(desired)) = (live, desired) else { return covers(live, desired) };
    live.len() == desired.len()
        && desired
            .iter()
            .all(|(name, wanted)| live.get(name).is_some_and(|there| quantity(there) == quantity(wanted)))
}

fn quantity(value: &Value) -> Option<ParsedQuantity> {
    ParsedQuantity::try_from(Quantity(value.as_str()?.to_owned())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_adds_is_no_drift() {
        let desired = json!({"spec": {"containers": [{"name": "module", "image": "a"}], "hard": {"requests.cpu": "1000m"}}});
        let live = json!({"metadata": {"uid": "1"}, "spec": {"containers": [{"name": "sidecar"}, {"name": "module", "image": "a", "terminationMessagePath": "/dev/termination-log"}], "hard": {"requests.cpu": "1"}}});
        assert!(covers(&live, &desired));
    }

    #[test]
    fn invariant_5_a_rule_added_by_hand_is_drift() {
        let desired = json!({"spec": {"ingress": [{"ports": [{"port": 8080}]}]}});
        let live = json!({"spec": {"ingress": [{"ports": [{"port": 8080}]}, {}]}});
        assert!(!covers(&live, &desired));
        let none = json!({"spec": {"ingress": []}});
        assert!(!covers(&live, &none) && covers(&json!({"spec": {}}), &none));
    }

    #[test]
    fn invariant_5_changed_and_missing_values_are_drift() {
        let desired = json!({"spec": {"replicas": 2, "limits": {"memory": "1Gi"}}});
        assert!(!covers(&json!({"spec": {"replicas": 3, "limits": {"memory": "1Gi"}}}), &desired));
        assert!(!covers(&json!({"spec": {"limits": {"memory": "1Gi"}}}), &desired));
        assert!(!covers(&json!({"spec": {"replicas": 2, "limits": {"memory": "2Gi"}}}), &desired));
        assert!(covers(&json!({"spec": {"replicas": 2, "limits": {"memory": "1024Mi"}}}), &desired));
    }
}
