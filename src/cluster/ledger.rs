// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The ledger: what the operator knows of the objects in the towns' namespaces without asking for them. Watches
//! and the operator's own reads and writes keep it up to date. It holds no objects, only a short row for each.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher::Event;
use tokio::sync::watch;

use super::contention::Repairs;
use super::observed::{HeldHostname, Observed};
use crate::desired::{self, Digest, KINDS, Kind, Tolerated, labels};
use crate::tenant::{HostnameIndex, SEAL, TownName};

/// The kinds that are watched. Secrets and ConfigMaps are not, since the operator has no cluster-wide right to
/// read them.
pub fn watched_kinds() -> impl Iterator<Item = Kind> {
    KINDS.iter().copied().filter(|kind| !matches!(kind, Kind::Secret | Kind::ConfigMap))
}

/// Identifies an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowKey {
    /// Empty for a Namespace.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// Kind of the object.
    pub kind: Kind,
}

impl RowKey {
    /// The key of a Namespace.
    pub fn namespace(name: &str) -> Self {
        Self { namespace: String::new(), name: name.to_owned(), kind: Kind::Namespace }
    }

    fn of(kind: Kind, object: &DynamicObject) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any(), kind }
    }

    /// Whether the object lies in the namespace of a town, or is one.
    fn is_of_a_town(&self) -> bool {
        let namespace = if self.kind == Kind::Namespace { &self.name } else { &self.namespace };
        TownName::from_namespace(namespace).is_some()
    }
}

/// What the operator knows of one object.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// UID of the object.
    pub uid: Option<String>,
    /// The resource version, which grows with every change of any object of the kind (Kubernetes 1.35, KEP-5504).
    version: u64,
    /// Digest of the object in canonical form.
    pub digest: Digest,
    /// The annotation with the seal, if the object carries one. It is not verified here.
    pub seal: Option<String>,
    /// Whether the object is being deleted.
    pub is_terminating: bool,
    /// What is kept of its status or content.
    pub observed: Observed,
}

impl Row {
    fn of(kind: Kind, object: &DynamicObject, tolerated: &Tolerated) -> Option<Self> {
        let resource = kind.api_resource();
        let mut json = serde_json::to_value(object).ok()?;
        // The API server omits apiVersion and kind in the items of a list.
        json["apiVersion"] = resource.api_version.into();
        json["kind"] = resource.kind.into();
        Some(Self {
            uid: object.uid(),
            version: object.resource_version().and_then(|version| version.parse().ok()).unwrap_or_default(),
            digest: desired::digest(kind, &json, tolerated),
            seal: object.annotations().get(SEAL).cloned(),
            is_terminating: object.metadata.deletion_timestamp.is_some(),
            observed: Observed::of(kind, object),
        })
    }

    /// Whether the owner of the object has the same to do for both.
    fn is_same_for_owner(&self, other: &Self) -> bool {
        (&self.uid, self.digest, &self.seal, self.is_terminating)
            == (&other.uid, other.digest, &other.seal, other.is_terminating)
            && self.observed.is_same_for_owner(&other.observed)
    }
}

/// An object that was created, changed or deleted, and not by the operator itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The object.
    pub key: RowKey,
    /// Whether it carries a seal; if it was deleted, whether it carried one.
    pub is_sealed: bool,
}

/// The rows of all objects.
#[derive(Debug)]
pub struct Ledger {
    tolerated: Tolerated,
    tables: Mutex<Tables>,
    /// Whether every watched kind was listed once.
    is_complete: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Tables {
    rows: BTreeMap<RowKey, Row>,
    /// The names of namespaces by the host names that these say are held.
    hostnames: HostnameIndex<String>,
    /// The objects of a listing that has begun. What it does not contain has vanished when it is complete.
    listings: BTreeMap<Kind, BTreeSet<RowKey>>,
    listed_once: BTreeSet<Kind>,
    repairs: BTreeMap<RowKey, Repairs>,
}

impl Ledger {
    /// An empty ledger for objects of which the platform fills these fields.
    pub fn new(tolerated: Tolerated) -> Self {
        Self { tolerated, tables: Mutex::default(), is_complete: watch::Sender::new(false) }
    }

    /// The fields that the platform fills.
    pub fn tolerated(&self) -> &Tolerated {
        &self.tolerated
    }

    /// Waits until every watched kind was listed once.
    pub async fn wait_until_complete(&self) {
        // It fails only if the sender is gone, which lives as long as the ledger.
        let _ = self.is_complete.subscribe().wait_for(|is_complete| *is_complete).await;
    }

    /// Takes in an event of the watch of a kind, and returns the objects that changed. What the first listing
    /// brings is no change: every owner is reconciled after the start.
    pub fn take_in(&self, kind: Kind, event: &Event<DynamicObject>) -> Vec<Change> {
        let found = match event {
            Event::Init | Event::InitDone => None,
            Event::InitApply(object) | Event::Apply(object) | Event::Delete(object) => {
                self.read(kind, object)
            }
        };
        let tables = &mut *self.lock();
        let was_listed = tables.listed_once.contains(&kind);
        let changes: Vec<Change> = match (event, found) {
            (Event::Init, _) => {
                tables.listings.insert(kind, BTreeSet::new());
                Vec::new()
            }
            (Event::InitDone, _) => {
                let vanished = tables.finish_listing(kind);
                self.is_complete.send_if_modified(|is_complete| {
                    let was_complete = std::mem::replace(is_complete, tables.is_listed_once());
                    was_complete != *is_complete
                });
                vanished
            }
            (Event::InitApply(_), Some((key, row))) => {
                tables.listings.entry(kind).or_default().insert(key.clone());
                tables.set(key, row).into_iter().collect()
            }
            (Event::Apply(_), Some((key, row))) => tables.set(key, row).into_iter().collect(),
            (Event::Delete(_), Some((key, row))) => tables.remove(&key, row.version).into_iter().collect(),
            (_, None) => Vec::new(),
        };
        if was_listed { changes } else { Vec::new() }
    }

    /// Key and row of an object of a town. Others' objects cost nothing.
    fn read(&self, kind: Kind, object: &DynamicObject) -> Option<(RowKey, Row)> {
        let key = RowKey::of(kind, object);
        if !key.is_of_a_town() {
            return None;
        }
        Row::of(kind, object, &self.tolerated).map(|row| (key, row))
    }

    /// Records an object that the operator has read or written itself, and returns its row.
    pub(super) fn record(&self, kind: Kind, object: &DynamicObject) -> Option<Row> {
        let (key, row) = (RowKey::of(kind, object), Row::of(kind, object, &self.tolerated)?);
        let tables = &mut *self.lock();
        if let Some(listing) = tables.listings.get_mut(&kind) {
            listing.insert(key.clone());
        }
        tables.set(key.clone(), row);
        tables.rows.get(&key).cloned()
    }

    /// Forgets an object that the operator has deleted itself.
    pub(super) fn forget(&self, key: &RowKey) {
        self.lock().rows.remove(key);
    }

    /// Replaces all rows of a kind in a namespace by those of a list that began at this time; newer rows stay.
    pub(super) fn replace(&self, kind: Kind, namespace: &str, objects: &[DynamicObject], list_version: u64) {
        let tables = &mut *self.lock();
        let listed: BTreeSet<RowKey> = objects.iter().map(|object| RowKey::of(kind, object)).collect();
        let in_namespace = |key: &RowKey| key.kind == kind && key.namespace == namespace;
        tables
            .rows
            .retain(|key, row| !in_namespace(key) || listed.contains(key) || row.version > list_version);
        for object in objects {
            if let Some(row) = Row::of(kind, object, &self.tolerated) {
                tables.set(RowKey::of(kind, object), row);
            }
        }
    }

    /// The row of an object; `None` if none is known.
    pub fn get(&self, key: &RowKey) -> Option<Row> {
        self.lock().rows.get(key).cloned()
    }

    /// The namespaces whose municipalities hold host names that overlap with this one, as the namespaces say.
    pub(super) fn holders(&self, hostname: &str) -> Vec<(String, HeldHostname)> {
        let tables = self.lock();
        let held = |namespace: &String| match &tables.rows.get(&RowKey::namespace(namespace))?.observed {
            Observed::Namespace(held) => Some((namespace.clone(), held.clone())),
            _ => None,
        };
        tables.hostnames.overlapping(hostname).into_iter().filter_map(held).collect()
    }

    /// The rows of all objects of that name in a namespace, by kind.
    pub(super) fn named(&self, namespace: &str, name: &str) -> Vec<(RowKey, Row)> {
        self.in_namespace(namespace, |key| key.name == name)
    }

    /// The rows of a town's own objects in its namespace, those of its modules excepted.
    pub(super) fn of_town(&self, namespace: &str) -> Vec<(RowKey, Row)> {
        self.in_namespace(namespace, |key| labels::is_town_object(&key.name))
    }

    /// The rows of all objects of a kind in a namespace.
    pub(super) fn of_kind(&self, namespace: &str, kind: Kind) -> Vec<(RowKey, Row)> {
        self.in_namespace(namespace, |key| key.kind == kind)
    }

    fn in_namespace(&self, namespace: &str, is_wanted: impl Fn(&RowKey) -> bool) -> Vec<(RowKey, Row)> {
        let tables = self.lock();
        let first = RowKey { namespace: namespace.to_owned(), name: String::new(), kind: KINDS[0] };
        let rows = tables.rows.range(first..).take_while(|(key, _)| key.namespace == namespace);
        rows.filter(|(key, _)| is_wanted(key)).map(|(key, row)| (key.clone(), row.clone())).collect()
    }

    /// Whether an object may be replaced now so that it is as `desired`, and is not contested by another program.
    pub(super) fn may_replace(&self, key: &RowKey, desired: Digest, now: Instant) -> bool {
        self.lock().repairs.get(key).is_none_or(|repairs| repairs.may_replace(desired, now))
    }

    /// Notes that the operator replaced an object. `fields` are the JSON pointers at which it differed.
    pub(super) fn note_repair(&self, key: &RowKey, desired: Digest, fields: &[String], now: Instant) {
        let repairs = &mut self.lock().repairs;
        repairs.retain(|_, repairs| !repairs.is_over(now));
        repairs.entry(key.clone()).or_insert_with(|| Repairs::new(desired)).note(desired, fields, now);
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.tables.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    /// Takes over a row unless a newer one is known; returns the change if the owner has to know.
    fn set(&mut self, key: RowKey, row: Row) -> Option<Change> {
        let before = self.rows.get(&key);
        if before.is_some_and(|before| before.version > row.version) {
            return None;
        }
        let is_same = before.is_some_and(|before| before.is_same_for_owner(&row));
        let was_unsealed = before.is_some_and(|before| before.seal.is_none());
        let is_sealed = row.seal.is_some() && !was_unsealed;
        self.index_hostname(&key, false);
        self.rows.insert(key.clone(), row);
        self.index_hostname(&key, true);
        (!is_same).then_some(Change { key, is_sealed })
    }

    /// Removes the row of an object that was deleted at this version, unless a newer one is known.
    fn remove(&mut self, key: &RowKey, version: u64) -> Option<Change> {
        if self.rows.get(key)?.version > version {
            return None;
        }
        self.index_hostname(key, false);
        let row = self.rows.remove(key)?;
        Some(Change { key: key.clone(), is_sealed: row.seal.is_some() })
    }

    /// Adds the host name that a row says is held to the index, or removes it.
    fn index_hostname(&mut self, key: &RowKey, is_present: bool) {
        if let Some(Observed::Namespace(held)) = self.rows.get(key).map(|row| &row.observed) {
            match is_present {
                true => self.hostnames.insert(&held.name, key.name.clone()),
                false => self.hostnames.remove(&held.name, &key.name),
            }
        }
    }

    fn finish_listing(&mut self, kind: Kind) -> Vec<Change> {
        let listed = self.listings.remove(&kind).unwrap_or_default();
        self.listed_once.insert(kind);
        let vanished: Vec<RowKey> =
            self.rows.keys().filter(|key| key.kind == kind && !listed.contains(key)).cloned().collect();
        vanished.iter().filter_map(|key| self.remove(key, u64::MAX)).collect()
    }

    fn is_listed_once(&self) -> bool {
        watched_kinds().all(|kind| self.listed_once.contains(&kind))
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;
