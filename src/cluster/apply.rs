// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Applies desired objects (server-side apply), and deletes those that are no longer desired.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::drift::matches_desired;
use super::{Children, Error};
use crate::desired::{Kind, Object};
use crate::tenant::{FIELD_MANAGER, is_applied_by_us};

/// Annotation with the hash of the applied object. It reveals a field that is no longer desired: the
/// live object still has every desired field then, but the hash differs.
const APPLIED_HASH: &str = "rathaus.dev/applied-hash";

/// The objects of a plan as the API server returned them. Status is computed from these and never from
/// the plan itself.
#[derive(Debug, Default)]
pub struct Applied {
    objects: BTreeMap<(Kind, String), DynamicObject>,
    /// Whether at least one object had to be written.
    pub changed: bool,
}

impl Applied {
    /// The first object of a kind, typed; for kinds of which a module has only one.
    pub fn first_of_kind<K: DeserializeOwned>(&self, kind: Kind) -> Option<K> {
        first_of_kind(&self.objects, kind)
    }
}

/// The first object of a kind, typed; `None` if there is none, or if it does not have the form of `K`.
pub fn first_of_kind<K: DeserializeOwned>(objects: &Children, kind: Kind) -> Option<K> {
    let (_, object) = objects.iter().find(|((k, _), _)| *k == kind)?;
    serde_json::from_value(serde_json::to_value(object).ok()?).ok()
}

/// Applies the objects in order, and adds what the API server returned to `applied`.
///
/// An object that already is as desired is not written. An object of the same name that rathaus did
/// not make is left unchanged and ends the run with [`Error::Foreign`].
pub async fn apply(
    client: &Client,
    desired: Vec<Object>,
    children: &Children,
    applied: &mut Applied,
) -> Result<(), Error> {
    for object in desired {
        let key = (object.kind(), object.name().to_owned());
        let (live, changed) = apply_if_changed(client, &object, children.get(&key)).await?;
        applied.changed |= changed;
        applied.objects.insert(key, live);
    }
    Ok(())
}

/// Deletes the children that are not among the applied objects.
pub async fn prune(client: &Client, children: &Children, applied: &Applied) -> Result<(), Error> {
    for ((kind, _), child) in obsolete(children, applied) {
        delete(client, *kind, child).await?;
    }
    Ok(())
}

/// Whether [`prune`] would delete something.
pub fn has_obsolete(children: &Children, applied: &Applied) -> bool {
    obsolete(children, applied).next().is_some()
}

fn obsolete<'a>(
    children: &'a Children,
    applied: &'a Applied,
) -> impl Iterator<Item = (&'a (Kind, String), &'a DynamicObject)> {
    children.iter().filter(|(key, child)| {
        !applied.objects.contains_key(key) && child.meta().deletion_timestamp.is_none()
    })
}

/// Applies one object unless the live one matches it; returns the live object, and whether it was
/// written. `child` is the live object if it is among the listed children.
async fn apply_if_changed(
    client: &Client,
    object: &Object,
    child: Option<&DynamicObject>,
) -> Result<(DynamicObject, bool), Error> {
    let (kind, name) = (object.kind(), object.name());
    let action = format!("write {kind:?} {name}");
    let not_serializable =
        |e: serde_json::Error| Error::Rejected { action: action.clone(), message: e.to_string() };
    let desired = with_applied_hash(object.to_json().map_err(not_serializable)?);
    let api = dynamic_api(client, kind, object.meta().namespace.as_deref());
    let found;
    let live = match child {
        Some(live) => Some(live),
        // Children are listed by label: this object does not exist, has lost its labels, or is foreign.
        None => {
            found = api.get_opt(name).await.map_err(Error::from_kube(format!("read {kind:?} {name}")))?;
            found.as_ref()
        }
    };
    if let Some(live) = live {
        if !is_applied_by_us(live.meta()) {
            return Err(Error::Foreign { kind: format!("{kind:?}"), name: name.to_owned() });
        }
        if matches_desired(&serde_json::to_value(live).map_err(not_serializable)?, &desired) {
            return Ok((live.clone(), false));
        }
    }
    tracing::info!(kind = ?kind, name, namespace = object.meta().namespace, "apply");
    let params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
    let live =
        api.patch(name, &params, &Patch::Apply(&desired)).await.map_err(Error::from_kube(action.clone()))?;
    Ok((live, true))
}

fn with_applied_hash(mut desired: Value) -> Value {
    let hash: String =
        Sha256::digest(desired.to_string()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    if let Some(metadata) = desired.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        annotations[APPLIED_HASH] = hash.into();
    }
    desired
}

fn dynamic_api(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = kind.api_resource();
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn delete(client: &Client, kind: Kind, object: &DynamicObject) -> Result<(), Error> {
    let name = object.name_any();
    tracing::info!(kind = ?kind, name, namespace = object.namespace(), "delete");
    // With the UID, only the observed object is deleted, and not one that was created since with its name.
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: object.uid(), resource_version: None }),
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    match dynamic_api(client, kind, object.namespace().as_deref()).delete(&name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(Error::from_kube(format!("delete {kind:?} {name}"))(error)),
    }
}

/// Deletes a town's namespace, unless it was replaced since it was read: the UID must be the same.
pub async fn delete_namespace(
    client: &Client,
    namespace: &k8s_openapi::api::core::v1::Namespace,
) -> Result<(), Error> {
    let object = DynamicObject { types: None, metadata: namespace.metadata.clone(), data: Value::Null };
    delete(client, Kind::Namespace, &object).await
}
