// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Writing what should be there, and taking away what should not.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::drift::covers;
use super::{Children, Error};
use crate::desired::{Kind, Object};
use crate::tenant::{FIELD_MANAGER, is_applied_by_us};

/// Annotation with the hash of what was applied: a field that is no longer desired makes a
/// difference here, although the live object still covers everything that is.
const APPLIED_HASH: &str = "rathaus.dev/applied-hash";

/// What the API server answered. Status is computed from this and never from what was planned.
#[derive(Debug, Default)]
pub struct Applied {
    objects: BTreeMap<(Kind, String), DynamicObject>,
    /// Whether anything had to be written.
    pub changed: bool,
}

impl Applied {
    /// The only object of a kind that a module has one of, as the server knows it.
    pub fn one<K: DeserializeOwned>(&self, kind: Kind) -> Option<K> {
        one(&self.objects, kind)
    }
}

/// The first object of a kind, typed.
pub fn one<K: DeserializeOwned>(objects: &Children, kind: Kind) -> Option<K> {
    let (_, object) = objects.iter().find(|((k, _), _)| *k == kind)?;
    serde_json::from_value(serde_json::to_value(object).ok()?).ok()
}

/// Makes the objects so, in order. One that already is as desired is not written; one that somebody
/// else made stops everything before it is touched.
pub async fn apply(
    client: &Client,
    desired: Vec<Object>,
    children: &Children,
    applied: &mut Applied,
) -> Result<(), Error> {
    for object in desired {
        let key = (object.kind(), object.name().to_owned());
        let (live, changed) = ensure(client, &object, children.get(&key)).await?;
        applied.changed |= changed;
        applied.objects.insert(key, live);
    }
    Ok(())
}

/// Deletes those children that are not among the applied.
pub async fn prune(client: &Client, children: &Children, keep: &Applied) -> Result<(), Error> {
    let superfluous = children
        .iter()
        .filter(|(key, child)| !keep.objects.contains_key(key) && child.meta().deletion_timestamp.is_none());
    for ((kind, _), child) in superfluous {
        delete(client, *kind, child).await?;
    }
    Ok(())
}

async fn ensure(
    client: &Client,
    object: &Object,
    known: Option<&DynamicObject>,
) -> Result<(DynamicObject, bool), Error> {
    let (kind, name) = (object.kind(), object.name());
    let what = format!("write {kind:?} {name}");
    let unserializable =
        |e: serde_json::Error| Error::Rejected { what: what.clone(), message: e.to_string() };
    let desired = hashed(object.to_json().map_err(unserializable)?);
    let api = api(client, kind, object.meta().namespace.as_deref());
    let found;
    let live = match known {
        Some(live) => Some(live),
        // Not among the labelled: it is missing, lost its labels, or is somebody else's.
        None => {
            found = api.get_opt(name).await.map_err(Error::of(format!("read {kind:?} {name}")))?;
            found.as_ref()
        }
    };
    if let Some(live) = live {
        if !is_applied_by_us(live.meta()) {
            return Err(Error::Foreign { kind: format!("{kind:?}"), name: name.to_owned() });
        }
        if covers(&serde_json::to_value(live).map_err(unserializable)?, &desired) {
            return Ok((live.clone(), false));
        }
    }
    tracing::info!(kind = ?kind, name, namespace = object.meta().namespace, "apply");
    let params = PatchParams::apply(FIELD_MANAGER).force().validation_strict();
    let live = api.patch(name, &params, &Patch::Apply(&desired)).await.map_err(Error::of(what.clone()))?;
    Ok((live, true))
}

fn hashed(mut desired: Value) -> Value {
    let hash: String =
        Sha256::digest(desired.to_string()).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    if let Some(metadata) = desired.get_mut("metadata").and_then(Value::as_object_mut) {
        let annotations = metadata.entry("annotations").or_insert_with(|| json!({}));
        annotations[APPLIED_HASH] = hash.into();
    }
    desired
}

fn api(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
    let resource = kind.api_resource();
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

async fn delete(client: &Client, kind: Kind, object: &DynamicObject) -> Result<(), Error> {
    let name = object.name_any();
    tracing::info!(kind = ?kind, name, namespace = object.namespace(), "delete");
    // The very object that was looked at, not another of the same name that came since.
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid: object.uid(), resource_version: None }),
        propagation_policy: Some(PropagationPolicy::Foreground),
        ..DeleteParams::default()
    };
    match api(client, kind, object.namespace().as_deref()).delete(&name, &params).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(error) => Err(Error::of(format!("delete {kind:?} {name}"))(error)),
    }
}

/// Deletes a town's namespace, if it is the one that was looked at.
pub async fn delete_namespace(
    client: &Client,
    namespace: &k8s_openapi::api::core::v1::Namespace,
) -> Result<(), Error> {
    let object = DynamicObject { types: None, metadata: namespace.metadata.clone(), data: Value::Null };
    delete(client, Kind::Namespace, &object).await
}
