// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Compares a live object with the desired one, exactly: both are brought into a canonical form, and they
//! are equal if and only if their digests are. Whatever anybody adds, changes or removes is a difference.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::object::Kind;
use super::quantity;
use super::tolerated::Tolerated;

/// Metadata that the API server sets and that says nothing about what an object does.
const SET_BY_SERVER: [&str; 8] = [
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "managedFields",
    "selfLink",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
];

/// Maps of quantities, which the API server writes in its own form: it returns `1000m` as `1`.
const QUANTITIES: [&str; 8] =
    ["requests", "limits", "hard", "default", "defaultRequest", "max", "min", "maxLimitRequestRatio"];

/// The SHA-256 digest of an object in canonical form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Digest([u8; 32]);

/// Returns the digest of an object. Two objects of a kind have the same digest if and only if
/// [`canonical`] is the same for both.
pub fn digest(kind: Kind, object: &Value, tolerated: &Tolerated) -> Digest {
    Digest(Sha256::digest(canonical(kind, object, tolerated).to_string()).into())
}

/// Returns an object without status, without metadata that the API server sets and without what the
/// platform may add, with its quantities in one form and its keys sorted.
pub fn canonical(kind: Kind, object: &Value, tolerated: &Tolerated) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|field, _| !SET_BY_SERVER.contains(&field.as_str()));
    }
    tolerated.remove_from(kind, &mut object);
    normalise(object)
}

/// Sorts keys and normalises quantities. Fields that are `null` are dropped: to the API server they are absent.
fn normalise(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> = fields
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(key, value)| {
                    let value =
                        if QUANTITIES.contains(&key.as_str()) { normalise_amounts(value) } else { value };
                    (key, normalise(value))
                })
                .collect();
            fields.sort_by(|(left, _), (right, _)| left.cmp(right));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(normalise).collect()),
        other => other,
    }
}

/// Normalises the quantities of a map. What is no quantity stays as it is.
fn normalise_amounts(value: Value) -> Value {
    let Value::Object(amounts) = value else { return value };
    let normalise_amount = |amount: Value| match amount.as_str().and_then(quantity::normalise) {
        Some(normalised) => Value::String(normalised),
        None => amount,
    };
    Value::Object(amounts.into_iter().map(|(name, amount)| (name, normalise_amount(amount))).collect())
}

/// Returns the JSON pointers (RFC 6901) at which two objects in canonical form differ, without their values,
/// which may be secret.
pub fn differences(left: &Value, right: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect_differences(left, right, String::new(), &mut found);
    found
}

fn collect_differences(left: &Value, right: &Value, pointer: String, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let added = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(added) {
                let field = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                let pointer = format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"));
                collect_differences(&field(left), &field(right), pointer, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (at, (left, right)) in left.iter().zip(right).enumerate() {
                collect_differences(left, right, format!("{pointer}/{at}"), found);
            }
        }
        (left, right) if left != right => found.push(pointer),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn equal(kind: Kind, left: &Value, right: &Value) -> bool {
        let tolerated = Tolerated::default();
        digest(kind, left, &tolerated) == digest(kind, right, &tolerated)
    }

    #[test]
    fn what_the_server_sets_is_no_difference() {
        let desired = json!({"kind": "ResourceQuota", "metadata": {"name": "a"}, "spec": {"hard": {"requests.cpu": "1000m", "pods": "2"}}});
        let live = json!({"spec": {"hard": {"pods": "2", "requests.cpu": "1"}}, "status": {"used": {}}, "kind": "ResourceQuota",
            "metadata": {"name": "a", "uid": "1", "resourceVersion": "5", "generation": 1, "managedFields": [{}],
                "creationTimestamp": "2026-01-01T00:00:00Z", "selfLink": null}});
        assert!(equal(Kind::ResourceQuota, &live, &desired));
    }

    #[test]
    fn whatever_is_added_anywhere_is_a_difference() {
        let desired = json!({"metadata": {"name": "a", "labels": {"b": "c"}},
            "spec": {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}],
                "limits": {"memory": "1Gi"}}});
        for (pointer, added) in [
            ("/spec/podSelector", json!({"matchLabels": {"x": "y"}})),
            ("/spec/ingress/0/from/0", json!({"podSelector": {}, "namespaceSelector": {}})),
            ("/spec/ingress/0/ports/0", json!({"port": 8080, "endPort": 9090})),
            ("/spec/ingress", json!([{"from": [{"podSelector": {}}], "ports": [{"port": 8080}]}, {}])),
            ("/spec/limits", json!({"memory": "1Gi", "cpu": "1"})),
            ("/spec/limits/memory", json!("2Gi")),
            ("/metadata", json!({"name": "a", "labels": {"b": "c"}, "finalizers": ["example.com/x"]})),
            ("/metadata", json!({"name": "a", "labels": {"b": "c"}, "annotations": {"x": "y"}})),
            ("/metadata/labels", json!({"b": "c", "d": "e"})),
            ("/metadata/labels", json!({})),
            ("/metadata", json!({"name": "a", "labels": {"b": "c"}, "ownerReferences": [{"uid": "1"}]})),
        ] {
            let mut live = desired.clone();
            *live.pointer_mut(pointer).unwrap() = added;
            assert!(!equal(Kind::NetworkPolicy, &live, &desired), "{pointer}");
            let tolerated = Tolerated::default();
            let (left, right) = (
                canonical(Kind::NetworkPolicy, &desired, &tolerated),
                canonical(Kind::NetworkPolicy, &live, &tolerated),
            );
            let found = differences(&left, &right);
            assert!(found.len() == 1 && found[0].starts_with(pointer), "{pointer}: {found:?}");
        }
    }

    #[test]
    fn an_empty_selector_differs_from_none() {
        assert!(!equal(Kind::NetworkPolicy, &json!({"a": {}}), &json!({})));
        assert!(equal(Kind::Deployment, &json!({"a": {"creationTimestamp": null}}), &json!({"a": {}})));
    }

    #[test]
    fn the_order_of_keys_does_not_count_and_that_of_lists_does() {
        let (left, right) = (r#"{"a": 1, "b": [1, 2]}"#, r#"{"b": [1, 2], "a": 1}"#);
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        assert!(equal(Kind::ConfigMap, &parse(left), &parse(right)));
        assert!(!equal(Kind::ConfigMap, &json!({"b": [2, 1]}), &json!({"b": [1, 2]})));
    }

    #[test]
    fn a_text_that_is_no_quantity_is_compared_as_it_is() {
        let (left, right) = (json!({"data": {"limits": "1000m"}}), json!({"data": {"limits": "1"}}));
        assert!(!equal(Kind::ConfigMap, &left, &right));
        assert!(!equal(Kind::ResourceQuota, &json!({"hard": {"x": "a"}}), &json!({"hard": {"x": "b"}})));
    }
}
