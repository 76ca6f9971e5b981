// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Creates and replaces objects until they are as desired, and deletes those that are no longer desired.
//!
//! Objects are created and replaced, never merged: server-side apply and patches keep what others have added
//! to maps and lists.

use std::collections::BTreeMap;

use kube::api::{DeleteParams, DynamicObject, ObjectMeta, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Children, Error};
use crate::desired::{self, Kind, Object, Tolerated};
use crate::tenant::{FIELD_MANAGER, Ownership, SEAL, SealKey, ownership};

/// How often an object is read and written again that others change at the same time.
const ATTEMPTS: usize = 3;

/// Access to the objects of one municipality, which are those that carry its seal.
#[derive(Clone, Copy)]
pub struct TownObjects<'a> {
    /// Client of the cluster.
    pub client: &'a Client,
    /// The key of the seals.
    pub key: &'a SealKey,
    /// The fields that the platform fills.
    pub tolerated: &'a Tolerated,
    /// ARS of the municipality.
    pub ars: &'a str,
}

impl TownObjects<'_> {
    /// To whom an object belongs.
    pub(super) fn ownership(&self, kind: Kind, meta: &ObjectMeta) -> Ownership {
        ownership(self.key, &format!("{kind:?}"), meta, self.ars)
    }

    /// Ends the run if the object is not ours.
    fn check_ownership(&self, kind: Kind, object: &DynamicObject) -> Result<(), Error> {
        let (name, kind_name) = (object.name_any(), format!("{kind:?}"));
        match self.ownership(kind, object.meta()) {
            Ownership::Ours => Ok(()),
            Ownership::Unsealed => Err(Error::Unsealed { kind: kind_name, name }),
            Ownership::Foreign => Err(Error::Foreign { kind: kind_name, name }),
        }
    }
}

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

/// Writes the objects in order, and adds what the API server returned to `applied`.
///
/// An object that already is as desired is not written. An object of the same name that does not carry the
/// seal is left unchanged and ends the run with [`Error::Foreign`] or [`Error::Unsealed`].
pub async fn apply(
    town: TownObjects<'_>,
    desired: Vec<Object>,
    children: &Children,
    applied: &mut Applied,
) -> Result<(), Error> {
    for object in desired {
        let key = (object.kind(), object.name().to_owned());
        let write = Write::new(town, &object)?;
        let (live, changed) = write.run(children.get(&key).cloned()).await?;
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

/// One object that is to be as desired.
struct Write<'a> {
    town: TownObjects<'a>,
    kind: Kind,
    name: String,
    api: Api<DynamicObject>,
    /// The object with its seal.
    desired: Value,
}

impl<'a> Write<'a> {
    fn new(town: TownObjects<'a>, object: &Object) -> Result<Self, Error> {
        let (kind, name) = (object.kind(), object.name().to_owned());
        let namespace = object.meta().namespace.as_deref();
        let seal = town.key.seal(&format!("{kind:?}"), namespace.unwrap_or_default(), &name, town.ars);
        let mut desired = object.to_json().map_err(not_serializable(kind, &name))?;
        desired["metadata"]["annotations"][SEAL] = seal.into();
        Ok(Self { town, kind, api: dynamic_api(town.client, kind, namespace), name, desired })
    }

    /// Creates or replaces the object unless the live one is as desired; returns the live object, and whether
    /// it was written. `live` is the live object if it was read already.
    async fn run(&self, mut live: Option<DynamicObject>) -> Result<(DynamicObject, bool), Error> {
        let (kind, name) = (self.kind, &self.name);
        let action = format!("write {kind:?} {name}");
        let mut attempts = 0..ATTEMPTS;
        loop {
            if live.is_none() {
                // Children are listed by label: this object does not exist, has lost its labels, or is foreign.
                let found = self.api.get_opt(name).await;
                live = found.map_err(Error::from_kube(format!("read {kind:?} {name}")))?;
            }
            let written = match live.take() {
                None => self.create().await,
                Some(live) => {
                    self.town.check_ownership(kind, &live)?;
                    let differing = self.differences(&live)?;
                    if differing.is_empty() {
                        return Ok((live, false));
                    }
                    if live.meta().deletion_timestamp.is_some() {
                        let finalizers = live.finalizers().join(", ");
                        return Err(Error::Terminating {
                            kind: format!("{kind:?}"),
                            name: name.clone(),
                            finalizers,
                        });
                    }
                    self.replace(&live, &differing).await
                }
            };
            match written {
                Ok(live) => {
                    let differing = self.differences(&live)?;
                    if !differing.is_empty() {
                        // The platform adds these: the next reconcile would write the object again.
                        tracing::warn!(
                            ?kind,
                            name,
                            namespace = live.namespace(),
                            ?differing,
                            "the API server returned another object than was written; name these fields in settings.tolerated if the platform fills them by right"
                        );
                    }
                    return Ok((live, true));
                }
                // Created, changed or deleted since it was read.
                Err(kube::Error::Api(status))
                    if (status.is_conflict() || status.is_already_exists()) && attempts.next().is_some() => {}
                Err(error) => return Err(Error::from_kube(action)(error)),
            }
        }
    }

    /// The JSON pointers at which the live object is not as desired.
    fn differences(&self, live: &DynamicObject) -> Result<Vec<String>, Error> {
        let live = serde_json::to_value(live).map_err(not_serializable(self.kind, &self.name))?;
        let (kind, tolerated) = (self.kind, self.town.tolerated);
        if desired::digest(kind, &live, tolerated) == desired::digest(kind, &self.desired, tolerated) {
            return Ok(Vec::new());
        }
        let canonical = |object| desired::canonical(kind, object, tolerated);
        Ok(desired::differences(&canonical(&self.desired), &canonical(&live)))
    }

    async fn create(&self) -> kube::Result<DynamicObject> {
        tracing::info!(kind = ?self.kind, name = self.name, namespace = self.api.namespace(), "create");
        let object = serde_json::from_value(self.desired.clone()).map_err(kube::Error::SerdeError)?;
        self.api.create(&post_params(), &object).await
    }

    /// Replaces the live object. With its UID and resource version, the write fails if it was changed or
    /// created again since it was read.
    async fn replace(&self, live: &DynamicObject, differing: &[String]) -> kube::Result<DynamicObject> {
        tracing::info!(kind = ?self.kind, name = self.name, namespace = self.api.namespace(), ?differing, "replace");
        let mut desired = self.desired.clone();
        let found = serde_json::to_value(live).map_err(kube::Error::SerdeError)?;
        self.town.tolerated.take_over(self.kind, &found, &mut desired);
        let mut object: DynamicObject = serde_json::from_value(desired).map_err(kube::Error::SerdeError)?;
        (object.metadata.uid, object.metadata.resource_version) = (live.uid(), live.resource_version());
        self.api.replace(&self.name, &post_params(), &object).await
    }
}

fn not_serializable(kind: Kind, name: &str) -> impl FnOnce(serde_json::Error) -> Error {
    let action = format!("write {kind:?} {name}");
    move |error| Error::Rejected { action, message: error.to_string() }
}

pub(super) fn post_params() -> PostParams {
    PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }
}

pub(super) fn dynamic_api(client: &Client, kind: Kind, namespace: Option<&str>) -> Api<DynamicObject> {
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
