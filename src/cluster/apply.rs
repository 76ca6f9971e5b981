// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Creates and replaces objects until they are as desired, and deletes those that are no longer desired. What the
//! ledger knows to be as desired costs no request.
//!
//! Objects are created and replaced, never merged: server-side apply and patches keep what others have added
//! to maps and lists.

use std::collections::BTreeMap;
use std::time::Instant;

use kube::api::{DeleteParams, DynamicObject, ObjectMeta, PostParams, Preconditions, PropagationPolicy};
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::Value;

use super::Error;
use super::ledger::{Ledger, Row, RowKey, watched_kinds};
use super::observed::{Observed, Rollout, RouteDecision};
use crate::desired::module::DatabaseAccess;
use crate::desired::{self, Digest, Kind, Object};
use crate::tenant::{FIELD_MANAGER, HOSTNAME, HOSTNAME_SEAL, Ownership, SEAL, SealKey, ownership};

/// How often an object is read and written again that others change at the same time.
const ATTEMPTS: usize = 3;

/// Access to the objects of one municipality, which are those that carry its seal.
#[derive(Clone, Copy)]
pub struct TownObjects<'a> {
    /// Client of the cluster.
    pub client: &'a Client,
    /// The key of the seals.
    pub key: &'a SealKey,
    /// What is known of the objects.
    pub ledger: &'a Ledger,
    /// ARS of the municipality.
    pub ars: &'a str,
}

impl TownObjects<'_> {
    /// To whom an object belongs.
    pub(super) fn ownership(&self, kind: Kind, meta: &ObjectMeta) -> Ownership {
        ownership(self.key, &format!("{kind:?}"), meta, self.ars)
    }

    /// Whether an object that the ledger knows carries the town's seal.
    pub(super) fn has_seal(&self, key: &RowKey, row: &Row) -> bool {
        let kind = format!("{:?}", key.kind);
        row.seal
            .as_ref()
            .is_some_and(|seal| self.key.verify_seal(&kind, &key.namespace, &key.name, self.ars, seal))
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

/// The existing objects that carry a town's seal, by kind and name.
pub type Children = BTreeMap<(Kind, String), Row>;

/// The objects of a plan as they are now in the cluster. Status is computed from these and never from the plan
/// itself.
#[derive(Debug, Default)]
pub struct Applied {
    objects: Children,
    /// Whether at least one object had to be written.
    pub has_changed: bool,
}

impl Applied {
    /// How far the pods of the module's Deployment are.
    pub fn rollout(&self) -> Option<&Rollout> {
        rollout(&self.objects)
    }

    /// What the gateway says about the module's route.
    pub fn route(&self) -> Option<&RouteDecision> {
        self.objects.values().find_map(|row| match &row.observed {
            Observed::HTTPRoute(decision) => Some(decision),
            _ => None,
        })
    }
}

/// How far the pods of a module's Deployment are; `None` without one.
pub fn rollout(children: &Children) -> Option<&Rollout> {
    children.values().find_map(|row| match &row.observed {
        Observed::Deployment(rollout) => Some(rollout),
        _ => None,
    })
}

/// Writes the objects in order, and adds what the cluster has then to `applied`.
///
/// An object that already is as desired is not written. An object of the same name that does not carry the
/// seal is left unchanged and ends the run with [`Error::Foreign`] or [`Error::Unsealed`].
pub async fn apply(town: TownObjects<'_>, desired: Vec<Object>, applied: &mut Applied) -> Result<(), Error> {
    for object in desired {
        let (row, is_written) = Write::new(town, &object)?.run().await?;
        applied.has_changed |= is_written;
        applied.objects.insert((object.kind(), object.name().to_owned()), row);
    }
    Ok(())
}

/// Reads how a module connects to its database by its Secret; `None` if there is no such Secret.
///
/// # Errors
/// [`Error::Foreign`] or [`Error::Unsealed`] if the Secret is not ours: the password that the module's pods use
/// may be in it, and must not be replaced.
pub async fn read_database_access(
    town: TownObjects<'_>,
    namespace: &str,
    module: &str,
) -> Result<Option<DatabaseAccess>, Error> {
    let key = RowKey { namespace: namespace.to_owned(), name: module.to_owned(), kind: Kind::Secret };
    let mut row = town.ledger.get(&key).filter(|row| town.has_seal(&key, row));
    if row.is_none() {
        let api = dynamic_api(town.client, Kind::Secret, Some(namespace));
        let found = api.get_opt(module).await;
        let Some(secret) = found.map_err(Error::from_kube(format!("read Secret {module} in {namespace}")))?
        else {
            return Ok(None);
        };
        town.check_ownership(Kind::Secret, &secret)?;
        row = town.ledger.record(Kind::Secret, &secret);
    }
    Ok(row.and_then(|row| match row.observed {
        Observed::Secret(access) => Some(access),
        _ => None,
    }))
}

/// Reads again what is being deleted of a module and is not watched.
///
/// # Errors
/// The API server cannot be read.
pub async fn reread_terminating(town: TownObjects<'_>, namespace: &str, module: &str) -> Result<(), Error> {
    let is_watched = |kind: Kind| watched_kinds().any(|watched| watched == kind);
    for (key, row) in town.ledger.named(namespace, module) {
        if !is_watched(key.kind) && row.is_terminating {
            let api = dynamic_api(town.client, key.kind, Some(namespace));
            let action = format!("read {:?} {module} in {namespace}", key.kind);
            match api.get_opt(module).await.map_err(Error::from_kube(action))? {
                Some(object) => drop(town.ledger.record(key.kind, &object)),
                None => town.ledger.forget(&key),
            }
        }
    }
    Ok(())
}

/// Deletes the children that are not among the applied objects.
pub async fn prune(
    town: TownObjects<'_>,
    namespace: &str,
    children: &Children,
    applied: &Applied,
) -> Result<(), Error> {
    for ((kind, name), row) in obsolete(children, applied) {
        let key = RowKey { namespace: namespace.to_owned(), name: name.clone(), kind: *kind };
        if delete(town.client, &key, row.uid.clone()).await? == Deleted::Gone {
            town.ledger.forget(&key);
        }
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
) -> impl Iterator<Item = (&'a (Kind, String), &'a Row)> {
    children.iter().filter(|(key, row)| !applied.objects.contains_key(key) && !row.is_terminating)
}

/// One object that is to be as desired.
struct Write<'a> {
    town: TownObjects<'a>,
    key: RowKey,
    api: Api<DynamicObject>,
    /// The object with its seal.
    desired: Value,
    digest: Digest,
}

impl<'a> Write<'a> {
    fn new(town: TownObjects<'a>, object: &Object) -> Result<Self, Error> {
        let (kind, name) = (object.kind(), object.name().to_owned());
        let namespace = object.meta().namespace.clone().unwrap_or_default();
        let seal = town.key.seal(&format!("{kind:?}"), &namespace, &name, town.ars);
        let mut desired = object.to_json().map_err(not_serializable(kind, &name))?;
        let annotations = &mut desired["metadata"]["annotations"];
        annotations[SEAL] = seal.into();
        // Who holds a host name is evidence, and takes the key as well.
        if let Some(hostname) = annotations[HOSTNAME].as_str() {
            annotations[HOSTNAME_SEAL] = town.key.seal_hostname(&name, hostname, town.ars).into();
        }
        let digest = desired::digest(kind, &desired, town.ledger.tolerated());
        let api = dynamic_api(town.client, kind, object.meta().namespace.as_deref());
        Ok(Self { town, key: RowKey { namespace, name, kind }, api, desired, digest })
    }

    /// Creates or replaces the object unless it is as desired; returns what the cluster has then, and whether it
    /// was written.
    async fn run(&self) -> Result<(Row, bool), Error> {
        let RowKey { kind, name, .. } = &self.key;
        let known = self.town.ledger.get(&self.key);
        if let Some(row) = known.as_ref().filter(|row| row.digest == self.digest) {
            return Ok((row.clone(), false));
        }
        // The ledger may not know an object that has lost its label, or whose last event is on its way.
        let mut may_exist = known.is_some();
        let mut attempts = 0..ATTEMPTS;
        loop {
            let live = match may_exist {
                true => {
                    self.api.get_opt(name).await.map_err(Error::from_kube(format!("read {kind:?} {name}")))?
                }
                false => None,
            };
            let written = match live {
                None => self.create().await,
                Some(live) => {
                    self.town.check_ownership(*kind, &live)?;
                    let differing = self.differences(&live)?;
                    if differing.is_empty() {
                        return Ok((self.record(&live)?, false));
                    }
                    self.check_replaceable(&live, &differing)?;
                    let replaced = self.replace(&live, &differing).await;
                    if replaced.is_ok() {
                        self.town.ledger.note_repair(&self.key, self.digest, &differing, Instant::now());
                    }
                    replaced
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
                    return Ok((self.record(&live)?, true));
                }
                // Created, changed or deleted since it was read.
                Err(kube::Error::Api(status))
                    if (status.is_conflict() || status.is_already_exists()) && attempts.next().is_some() =>
                {
                    may_exist = true;
                }
                Err(error) => return Err(Error::from_kube(format!("write {kind:?} {name}"))(error)),
            }
        }
    }

    fn record(&self, live: &DynamicObject) -> Result<Row, Error> {
        let RowKey { kind, name, .. } = &self.key;
        self.town.ledger.record(*kind, live).ok_or_else(|| Error::Rejected {
            action: format!("read {kind:?} {name}"),
            message: "it cannot be represented in JSON".to_owned(),
        })
    }

    /// Ends the run if the object is being deleted, or if another program changes it back each time.
    fn check_replaceable(&self, live: &DynamicObject, differing: &[String]) -> Result<(), Error> {
        let (kind, name) = (format!("{:?}", self.key.kind), self.key.name.clone());
        if live.meta().deletion_timestamp.is_some() {
            return Err(Error::Terminating { kind, name, finalizers: live.finalizers().join(", ") });
        }
        if !self.town.ledger.may_replace(&self.key, self.digest, Instant::now()) {
            let manager = last_other_manager(live).unwrap_or_else(|| "unknown".to_owned());
            return Err(Error::Contested { kind, name, manager, fields: differing.join(", ") });
        }
        Ok(())
    }

    /// The JSON pointers at which the live object is not as desired.
    fn differences(&self, live: &DynamicObject) -> Result<Vec<String>, Error> {
        let (kind, tolerated) = (self.key.kind, self.town.ledger.tolerated());
        let live = serde_json::to_value(live).map_err(not_serializable(kind, &self.key.name))?;
        if desired::digest(kind, &live, tolerated) == self.digest {
            return Ok(Vec::new());
        }
        let canonical = |object| desired::canonical(kind, object, tolerated);
        Ok(desired::differences(&canonical(&self.desired), &canonical(&live)))
    }

    async fn create(&self) -> kube::Result<DynamicObject> {
        let RowKey { kind, name, .. } = &self.key;
        tracing::info!(?kind, name, namespace = self.api.namespace(), "create");
        let object = serde_json::from_value(self.desired.clone()).map_err(kube::Error::SerdeError)?;
        self.api.create(&post_params(), &object).await
    }

    /// Replaces the live object. With its UID and resource version, the write fails if it was changed or
    /// created again since it was read.
    async fn replace(&self, live: &DynamicObject, differing: &[String]) -> kube::Result<DynamicObject> {
        let RowKey { kind, name, .. } = &self.key;
        tracing::info!(?kind, name, namespace = self.api.namespace(), ?differing, "replace");
        let mut desired = self.desired.clone();
        let found = serde_json::to_value(live).map_err(kube::Error::SerdeError)?;
        self.town.ledger.tolerated().take_over(*kind, &found, &mut desired);
        let mut object: DynamicObject = serde_json::from_value(desired).map_err(kube::Error::SerdeError)?;
        (object.metadata.uid, object.metadata.resource_version) = (live.uid(), live.resource_version());
        self.api.replace(name, &post_params(), &object).await
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

/// The program other than the operator that wrote to an object last, by the records of the API server.
fn last_other_manager(object: &DynamicObject) -> Option<String> {
    let others = object
        .managed_fields()
        .iter()
        .filter(|entry| entry.subresource.is_none() && entry.manager.as_deref() != Some(FIELD_MANAGER));
    others.max_by_key(|entry| entry.time.clone()).and_then(|entry| entry.manager.clone())
}

/// What remains of an object after its deletion was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deleted {
    Gone,
    Terminating,
}

async fn delete(client: &Client, key: &RowKey, uid: Option<String>) -> Result<Deleted, Error> {
    let RowKey { namespace, name, kind } = key;
    tracing::info!(?kind, name, namespace, "delete");
    // With the UID, only the observed object is deleted, and not one that was created since with its name. Only a
    // Deployment has dependents to wait for: its pods.
    let propagation = match kind {
        Kind::Deployment | Kind::Namespace => PropagationPolicy::Foreground,
        _ => PropagationPolicy::Background,
    };
    let params = DeleteParams {
        preconditions: Some(Preconditions { uid, resource_version: None }),
        propagation_policy: Some(propagation),
        ..DeleteParams::default()
    };
    let namespace = Some(namespace.as_str()).filter(|namespace| !namespace.is_empty());
    match dynamic_api(client, *kind, namespace).delete(name, &params).await {
        // The API server returns the object if it is still there.
        Ok(answer) if answer.is_left() => Ok(Deleted::Terminating),
        Ok(_) => Ok(Deleted::Gone),
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(Deleted::Gone),
        Err(error) => Err(Error::from_kube(format!("delete {kind:?} {name}"))(error)),
    }
}

/// Deletes a town's namespace, unless it was replaced since it was read: the UID must be the same.
pub async fn delete_namespace(
    client: &Client,
    namespace: &k8s_openapi::api::core::v1::Namespace,
) -> Result<(), Error> {
    let key = RowKey::namespace(&namespace.name_any());
    delete(client, &key, namespace.uid()).await.map(drop)
}
