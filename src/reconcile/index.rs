// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! An index of the custom resources: modules by namespace and by class, municipalities by ARS and by host
//! name. The watches keep it up to date, and it says whom each of their events concerns, so that nothing
//! reads all objects.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;

use super::facts::{self, ClassFacts, ModuleFacts, TownFacts};
use super::key::{ObjectKey, OwnKind};
use super::table::{Change, Table};
use crate::api::{ModuleClass, ModuleCount, Municipality, ServiceModule};
use crate::tenant::{HostnameIndex, TownName};

/// The objects that an event concerns.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wakes {
    /// Objects that must be reconciled.
    pub objects: BTreeSet<ObjectKey>,
    /// Towns of which only the number of modules, or of ready ones, may have changed.
    pub counts: BTreeSet<ObjectKey>,
    /// Objects that no longer exist.
    pub gone: BTreeSet<ObjectKey>,
}

/// The index of all custom resources.
#[derive(Debug, Default)]
pub(super) struct Index(Mutex<Tables>);

/// Names by a property that several objects can share.
type Groups<T> = BTreeMap<String, BTreeSet<T>>;

#[derive(Debug, Default)]
struct Tables {
    towns: Table<TownFacts>,
    classes: Table<ClassFacts>,
    modules: Table<ModuleFacts>,
    modules_by_class: Groups<ObjectKey>,
    towns_by_ars: Groups<ObjectKey>,
    towns_by_hostname: HostnameIndex<ObjectKey>,
}

impl Index {
    /// Takes in an event of the watch of Municipalities.
    pub fn town_event(&self, event: &Event<DeserializeGuard<Municipality>>) -> Wakes {
        let tables = &mut *self.lock();
        let changes = tables.towns.take_in(OwnKind::Municipality, event);
        for Change { key, before, after, .. } in &changes {
            for (spec, is_present) in [(before, false), (after, true)] {
                let Some(spec) = spec.as_ref().and_then(|facts| facts.spec.as_ref()) else { continue };
                set(&mut tables.towns_by_ars, spec.ars.clone(), key, is_present);
                match is_present {
                    true => tables.towns_by_hostname.insert(&spec.hostname, key.clone()),
                    false => tables.towns_by_hostname.remove(&spec.hostname, key),
                }
            }
        }
        collect_wakes(&changes, |change, wakes| tables.wake_for_town(change, wakes))
    }

    /// Takes in an event of the watch of ModuleClasses.
    pub fn class_event(&self, event: &Event<DeserializeGuard<ModuleClass>>) -> Wakes {
        let tables = &mut *self.lock();
        let changes = tables.classes.take_in(OwnKind::ModuleClass, event);
        collect_wakes(&changes, |change, wakes| {
            let users = tables.modules_by_class.get(&change.key.name).into_iter().flatten();
            wakes.objects.extend(users.cloned());
        })
    }

    /// Takes in an event of the watch of ServiceModules.
    pub fn module_event(&self, event: &Event<DeserializeGuard<ServiceModule>>) -> Wakes {
        let tables = &mut *self.lock();
        let changes = tables.modules.take_in(OwnKind::ServiceModule, event);
        for Change { key, before, after, .. } in &changes {
            for (facts, is_present) in [(before, false), (after, true)] {
                let Some(spec) = facts.as_ref().and_then(|facts| facts.spec.as_ref()) else { continue };
                set(&mut tables.modules_by_class, spec.class.clone(), key, is_present);
            }
        }
        collect_wakes(&changes, |change, wakes| tables.wake_for_module(change, wakes))
    }

    /// Whether the object exists.
    pub fn contains(&self, key: &ObjectKey) -> bool {
        let tables = self.lock();
        match key.kind {
            OwnKind::Municipality => tables.towns.get(key).is_some(),
            OwnKind::ModuleClass => tables.classes.get(key).is_some(),
            OwnKind::ServiceModule => tables.modules.get(key).is_some(),
        }
    }

    /// The Municipalities that have this ARS, or a host name equal to, above or below this one.
    pub fn claimants(&self, ars: &str, hostname: &str) -> BTreeSet<ObjectKey> {
        self.lock().claimants(ars, hostname)
    }

    /// The ServiceModules of a namespace.
    pub fn modules_in(&self, namespace: &str) -> Vec<ObjectKey> {
        self.lock().modules.in_namespace(namespace).map(|(key, _)| key.clone()).collect()
    }

    /// The number of ServiceModules of a namespace, unreadable ones included.
    pub fn count_modules(&self, namespace: &str) -> ModuleCount {
        let tables = self.lock();
        tables.modules.in_namespace(namespace).fold(ModuleCount::default(), |count, (_, facts)| ModuleCount {
            ready: count.ready + i32::from(facts.is_ready),
            total: count.total + 1,
        })
    }

    /// The number of ServiceModules of a class.
    pub fn count_users(&self, class: &str) -> usize {
        self.lock().modules_by_class.get(class).map_or(0, BTreeSet::len)
    }

    fn lock(&self) -> MutexGuard<'_, Tables> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tables {
    fn claimants(&self, ars: &str, hostname: &str) -> BTreeSet<ObjectKey> {
        let same_ars = self.towns_by_ars.get(ars).into_iter().flatten();
        same_ars.chain(self.towns_by_hostname.overlapping(hostname)).cloned().collect()
    }

    /// A town's modules read all of its facts. Other towns read only what it claims: whoever claimed the same
    /// and was refused may have it now, and whoever has it may lose it.
    fn wake_for_town(&self, change: &Change<TownFacts>, wakes: &mut Wakes) {
        let Change { key, before, after, .. } = change;
        let namespace = TownName::namespace_of(&key.name);
        wakes.objects.extend(self.modules.in_namespace(&namespace).map(|(module, _)| module.clone()));
        let [old, new] = [before, after].map(|facts| {
            let facts = facts.as_ref()?;
            facts.spec.as_ref().map(|spec| (&facts.age, &spec.ars, &spec.hostname))
        });
        if old != new {
            for (_, ars, hostname) in [old, new].into_iter().flatten() {
                wakes.objects.extend(self.claimants(ars, hostname).into_iter().filter(|other| other != key));
            }
        }
    }

    fn wake_for_module(&self, change: &Change<ModuleFacts>, wakes: &mut Wakes) {
        let Change { key, before, after, .. } = change;
        let concerned = facts::wakes(before.as_ref(), after.as_ref());
        let town = TownName::from_namespace(&key.namespace).map(|town| ObjectKey::town(town.as_str()));
        if concerned.town {
            wakes.counts.extend(town.clone());
        }
        wakes.objects.extend(concerned.classes.into_iter().map(ObjectKey::class));
        let called = concerned.called.into_iter().map(|name| ObjectKey::module(&key.namespace, name));
        wakes.objects.extend(called.filter(|sibling| self.modules.get(sibling).is_some()));
        if concerned.existence {
            let age = before.iter().chain(after).map(|facts| &facts.age).min();
            let is_full = town.is_some_and(|town| self.is_full(&town, &key.namespace));
            let siblings = self.modules.in_namespace(&key.namespace).filter(|(_, sibling)| {
                let names = sibling.spec.as_ref();
                let depends =
                    names.is_some_and(|s| s.uses.contains(&key.name) || s.secrets.contains(&key.name));
                // The oldest modules are within the limit, so that only younger ones gain or lose a place.
                depends || (is_full && age < Some(&sibling.age))
            });
            wakes.objects.extend(siblings.map(|(sibling, _)| sibling.clone()).filter(|other| other != key));
        }
    }

    /// Whether the namespace has as many modules as the town may have, or more.
    fn is_full(&self, town: &ObjectKey, namespace: &str) -> bool {
        let limit = self.towns.get(town).and_then(|facts| facts.spec.as_ref()).map(|spec| spec.module_limit);
        limit.is_some_and(|limit| {
            usize::try_from(limit).is_ok_and(|limit| self.modules.in_namespace(namespace).count() >= limit)
        })
    }
}

/// Collects whom the changes concern. What the first listing brings concerns nobody: every object is
/// reconciled after the start.
fn collect_wakes<F>(changes: &[Change<F>], mut wake: impl FnMut(&Change<F>, &mut Wakes)) -> Wakes {
    let mut wakes = Wakes::default();
    for change in changes.iter().filter(|change| !change.is_first_listing) {
        wake(change, &mut wakes);
        if change.after.is_none() {
            wakes.gone.insert(change.key.clone());
        } else if change.is_listed {
            // The watch was interrupted. The object's own event came before the cache had the object, and may
            // have been lost.
            wakes.objects.insert(change.key.clone());
        }
    }
    wakes
}

fn set<T: Ord + Clone>(groups: &mut Groups<T>, group: String, member: &T, is_present: bool) {
    if is_present {
        groups.entry(group).or_default().insert(member.clone());
    } else if let Some(members) = groups.get_mut(&group) {
        members.remove(member);
        if members.is_empty() {
            groups.remove(&group);
        }
    }
}

#[cfg(test)]
#[path = "index_tests.rs"]
mod tests;
