// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The fields of the operator's objects that the API server, a controller or the platform fills by right.
//! They are no difference when objects are compared, and they stay when an object is replaced.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::object::{KINDS, Kind};

/// What every cluster fills, by kind.
const BUILT_IN: [(Kind, &str); 7] = [
    // Removed by the namespace controller; no other client can write it.
    (Kind::Namespace, "/spec/finalizers"),
    // Allocated by the API server.
    (Kind::Service, "/spec/clusterIP"),
    (Kind::Service, "/spec/clusterIPs"),
    (Kind::Service, "/spec/ipFamilies"),
    // Written by the Deployment controller.
    (Kind::Deployment, "/metadata/annotations/deployment.kubernetes.io~1revision"),
    // Credentials for the platform's own registry, which OpenShift adds to every ServiceAccount.
    (Kind::ServiceAccount, "/secrets"),
    (Kind::ServiceAccount, "/imagePullSecrets"),
];

/// A JSON pointer (RFC 6901) to a field, as its unescaped steps; there is at least one.
#[derive(Clone, Debug, PartialEq)]
struct Pointer(Vec<String>);

/// The tolerated fields of each kind.
#[derive(Clone, Debug, PartialEq)]
pub struct Tolerated(Vec<(Kind, Pointer)>);

/// An entry of `settings.tolerated` that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq)]
pub enum InvalidTolerated {
    /// The operator makes no objects of this kind.
    #[error("settings.tolerated: the operator makes no objects of kind {name:?}; it makes: {KINDS:?}")]
    Kind {
        /// The name that is no such kind.
        name: String,
    },
    /// The text does not name a field.
    #[error(
        "settings.tolerated.{kind}: {pointer:?} must be a JSON pointer (RFC 6901) to a field, such as /metadata/annotations/example.com~1zone"
    )]
    Pointer {
        /// The kind.
        kind: String,
        /// The text.
        pointer: String,
    },
}

impl Default for Tolerated {
    /// What every cluster fills.
    fn default() -> Self {
        Self(BUILT_IN.iter().filter_map(|(kind, pointer)| Some((*kind, Pointer::parse(pointer)?))).collect())
    }
}

impl Tolerated {
    /// What every cluster fills, and what state IT names in its settings: JSON pointers by kind.
    ///
    /// # Errors
    /// Returns the first entry whose kind or pointer cannot be used.
    pub fn new(settings: &BTreeMap<String, Vec<String>>) -> Result<Self, InvalidTolerated> {
        let mut tolerated = Self::default();
        for (name, pointers) in settings {
            let kind = KINDS.iter().find(|kind| format!("{kind:?}") == *name);
            let kind = kind.ok_or_else(|| InvalidTolerated::Kind { name: name.clone() })?;
            for pointer in pointers {
                let invalid = || InvalidTolerated::Pointer { kind: name.clone(), pointer: pointer.clone() };
                tolerated.0.push((*kind, Pointer::parse(pointer).ok_or_else(invalid)?));
            }
        }
        Ok(tolerated)
    }

    fn of(&self, kind: Kind) -> impl Iterator<Item = &Pointer> {
        self.0.iter().filter(move |(of, _)| *of == kind).map(|(_, pointer)| pointer)
    }

    /// Removes the tolerated fields of an object of this kind.
    pub(super) fn remove_from(&self, kind: Kind, object: &mut Value) {
        for pointer in self.of(kind) {
            remove(object, &pointer.0);
        }
    }

    /// Takes the tolerated fields over from the live object into the one that will replace it.
    pub fn take_over(&self, kind: Kind, live: &Value, desired: &mut Value) {
        for pointer in self.of(kind) {
            let found = pointer.0.iter().try_fold(live, |value, step| child(value, step));
            if let Some(value) = found {
                set(desired, &pointer.0, value);
            }
        }
    }
}

impl Pointer {
    /// `None` if the text is no pointer, or points to the whole object.
    fn parse(text: &str) -> Option<Self> {
        let steps = text.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
        let steps: Vec<_> = steps.collect();
        steps.iter().all(|step| !step.is_empty()).then_some(Self(steps))
    }
}

fn child<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    }
}

/// Removes the field at the end of the steps, and each parent that has become empty by that.
fn remove(value: &mut Value, steps: &[String]) {
    let Some((step, rest)) = steps.split_first() else { return };
    match value {
        Value::Object(fields) => {
            let Some(field) = fields.get_mut(step) else { return };
            remove(field, rest);
            let is_empty = field.as_object().is_some_and(Map::is_empty);
            if rest.is_empty() || is_empty {
                fields.remove(step);
            }
        }
        Value::Array(items) => {
            if let Some(item) = step.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                remove(item, rest);
            }
        }
        _ => {}
    }
}

/// Sets the field at the end of the steps, and creates the parents that are not there. Lists are not
/// extended: an element that is not desired is no parent.
fn set(value: &mut Value, steps: &[String], to: &Value) {
    let Some((step, rest)) = steps.split_first() else {
        *value = to.clone();
        return;
    };
    match value {
        Value::Object(fields) => {
            set(fields.entry(step.clone()).or_insert_with(|| Map::new().into()), rest, to)
        }
        Value::Array(items) => {
            if let Some(item) = step.parse::<usize>().ok().and_then(|at| items.get_mut(at)) {
                set(item, rest, to);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::canonical::digest;
    use super::*;

    fn named(kind: &str, pointer: &str) -> Result<Tolerated, InvalidTolerated> {
        Tolerated::new(&[(kind.to_owned(), vec![pointer.to_owned()])].into())
    }

    #[test]
    fn what_the_server_allocates_is_no_difference_and_stays_when_an_object_is_replaced() {
        let tolerated = Tolerated::default();
        let desired = json!({"spec": {"type": "ClusterIP"}});
        let live =
            json!({"spec": {"type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"]}});
        assert_eq!(digest(Kind::Service, &live, &tolerated), digest(Kind::Service, &desired, &tolerated));
        let mut replacement = desired.clone();
        tolerated.take_over(Kind::Service, &live, &mut replacement);
        assert_eq!(replacement, live);
        // Another kind has no such field.
        assert_ne!(digest(Kind::ConfigMap, &live, &tolerated), digest(Kind::ConfigMap, &desired, &tolerated));
    }

    #[test]
    fn a_parent_that_only_has_what_is_tolerated_is_no_difference() {
        let (live, desired) = (json!({"spec": {"finalizers": ["kubernetes"]}}), json!({}));
        let tolerated = Tolerated::default();
        assert_eq!(digest(Kind::Namespace, &live, &tolerated), digest(Kind::Namespace, &desired, &tolerated));
        let mut replacement = desired;
        tolerated.take_over(Kind::Namespace, &live, &mut replacement);
        assert_eq!(replacement, live);
    }

    #[test]
    fn state_it_can_name_what_its_platform_adds() {
        let tolerated = named("Deployment", "/spec/template/spec/containers/0/env").unwrap();
        let live =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "env": [{"name": "B"}]}]}}}});
        let desired = json!({"spec": {"template": {"spec": {"containers": [{"name": "a"}]}}}});
        assert_eq!(
            digest(Kind::Deployment, &live, &tolerated),
            digest(Kind::Deployment, &desired, &tolerated)
        );
        let mut replacement = desired.clone();
        tolerated.take_over(Kind::Deployment, &live, &mut replacement);
        assert_eq!(replacement, live);
        let other =
            json!({"spec": {"template": {"spec": {"containers": [{"name": "a", "command": ["sh"]}]}}}});
        assert_ne!(
            digest(Kind::Deployment, &other, &tolerated),
            digest(Kind::Deployment, &desired, &tolerated)
        );
    }

    #[test]
    fn an_entry_that_names_no_kind_or_no_field_is_rejected_by_name() {
        let error = named("Pod", "/spec").unwrap_err().to_string();
        assert!(error.contains("\"Pod\"") && error.contains("Deployment"), "{error}");
        for pointer in ["", "/", "spec/replicas", "/spec//a"] {
            let error = named("Deployment", pointer).unwrap_err().to_string();
            assert!(error.contains("settings.tolerated.Deployment") && error.contains("RFC 6901"), "{error}");
        }
    }
}
