// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::runtime::watcher::Event;

use super::key::{ObjectKey, OwnKind};

/// The facts about all objects of a kind, kept up to date by the events of its watch.
#[derive(Debug)]
pub(super) struct Table<F> {
    rows: BTreeMap<ObjectKey, F>,
    /// The objects of a listing that has begun. They replace the rows when it is complete, as they replace
    /// the content of the watch's cache: an object that was deleted while the watch was interrupted has no
    /// event of its own.
    listed: BTreeMap<ObjectKey, F>,
    was_listed: bool,
}

/// An object whose facts changed; `None` stands for an object that does not exist.
#[derive(Debug)]
pub(super) struct Change<F> {
    pub key: ObjectKey,
    pub before: Option<F>,
    pub after: Option<F>,
    /// Whether a listing brought the change, and not an event of its own.
    pub is_listed: bool,
    /// Whether it was the first listing.
    pub is_first_listing: bool,
}

impl<F> Default for Table<F> {
    fn default() -> Self {
        Self { rows: BTreeMap::new(), listed: BTreeMap::new(), was_listed: false }
    }
}

impl<F: Clone + PartialEq> Table<F> {
    /// Takes in an event, and returns the objects whose facts it changed.
    pub fn take_in<K: ResourceExt>(&mut self, kind: OwnKind, event: &Event<K>) -> Vec<Change<F>>
    where
        F: for<'a> From<&'a K>,
    {
        let key = |object: &K| ObjectKey::of(kind, object);
        match event {
            Event::Init => {
                self.listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                self.listed.insert(key(object), F::from(object));
                Vec::new()
            }
            Event::InitDone => self.take_over_listing(),
            Event::Apply(object) => {
                let (key, after) = (key(object), F::from(object));
                let before = self.rows.insert(key.clone(), after.clone());
                changes(key, before, Some(after)).into_iter().collect()
            }
            Event::Delete(object) => {
                let key = key(object);
                let before = self.rows.remove(&key);
                changes(key, before, None).into_iter().collect()
            }
        }
    }

    fn take_over_listing(&mut self) -> Vec<Change<F>> {
        let is_first_listing = !std::mem::replace(&mut self.was_listed, true);
        let rows = std::mem::take(&mut self.listed);
        let mut old_rows = std::mem::replace(&mut self.rows, rows.clone());
        let present: Vec<_> =
            rows.into_iter().map(|(key, after)| (old_rows.remove(&key), key, Some(after))).collect();
        let gone = old_rows.into_iter().map(|(key, before)| (Some(before), key, None));
        let all = present.into_iter().chain(gone);
        all.filter_map(|(before, key, after)| changes(key, before, after))
            .map(|change| Change { is_listed: true, is_first_listing, ..change })
            .collect()
    }

    /// The facts about an object; `None` if it does not exist.
    pub fn get(&self, key: &ObjectKey) -> Option<&F> {
        self.rows.get(key)
    }

    /// The objects of a namespace. The table must be that of ServiceModules.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = (&ObjectKey, &F)> {
        let rows = self.rows.range(ObjectKey::module(namespace, "")..);
        rows.take_while(move |(key, _)| key.namespace == namespace)
    }
}

fn changes<F: PartialEq>(key: ObjectKey, before: Option<F>, after: Option<F>) -> Option<Change<F>> {
    (before != after).then_some(Change { key, before, after, is_listed: false, is_first_listing: false })
}
