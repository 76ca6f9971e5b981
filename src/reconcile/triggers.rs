// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Triggers: changes of other objects that make the operator reconcile an object.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use kube::api::DynamicObject;
use kube::core::{ApiResource, DeserializeGuard};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::index::Wakes;
use super::key::{ObjectKey, OwnKind};
use super::record_lists;
use super::retry::Retries;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::cluster::{Change, Ledger, watched_kinds};
use crate::desired::{AdditiveKind, Kind, labels};
use crate::serve::Freshness;
use crate::tenant::TownName;

type RefStream<K> = Pin<Box<dyn Stream<Item = ObjectRef<DeserializeGuard<K>>> + Send>>;

/// Sends references to the objects that must be reconciled. The channels are unbounded, but the scheduler
/// of the receiving controller holds each reference only once.
pub(super) struct Triggers {
    retries: Arc<Retries>,
    towns: UnboundedSender<ObjectRef<DeserializeGuard<Municipality>>>,
    classes: UnboundedSender<ObjectRef<DeserializeGuard<ModuleClass>>>,
    modules: UnboundedSender<ObjectRef<DeserializeGuard<ServiceModule>>>,
}

/// The receiving ends of [`Triggers`]: one stream for each controller.
pub(super) struct Receivers {
    pub towns: RefStream<Municipality>,
    pub classes: RefStream<ModuleClass>,
    pub modules: RefStream<ServiceModule>,
}

fn into_stream<T: Send + 'static>(receiver: UnboundedReceiver<T>) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
        .boxed()
}

impl Triggers {
    pub fn new(retries: Arc<Retries>) -> (Self, Receivers) {
        let ((towns, t), (classes, c), (modules, m)) =
            (unbounded_channel(), unbounded_channel(), unbounded_channel());
        let receivers = Receivers { towns: into_stream(t), classes: into_stream(c), modules: into_stream(m) };
        (Self { retries, towns, classes, modules }, receivers)
    }

    /// What the triggers wake.
    pub fn retries(&self) -> Arc<Retries> {
        self.retries.clone()
    }

    /// Triggers whom an event concerns, and forgets what no longer exists.
    pub fn send(&self, wakes: Wakes) {
        for key in &wakes.gone {
            self.retries.forget(key);
        }
        for key in &wakes.objects {
            self.trigger(key);
        }
        // Without a note at the object: it is not reconciled but only counts its modules.
        for key in &wakes.counts {
            self.enqueue(key);
        }
    }

    fn trigger(&self, key: &ObjectKey) {
        self.retries.wake(key);
        self.enqueue(key);
    }

    fn enqueue(&self, key: &ObjectKey) {
        // Sending fails only if the controller was dropped, which happens when the operator stops. The error
        // can be ignored.
        let _ = match key.kind {
            OwnKind::Municipality => self.towns.send(ObjectRef::new(&key.name)).is_ok(),
            OwnKind::ModuleClass => self.classes.send(ObjectRef::new(&key.name)).is_ok(),
            OwnKind::ServiceModule => {
                self.modules.send(ObjectRef::new(&key.name).within(&key.namespace)).is_ok()
            }
        };
    }

    /// Triggers the object that the child is made for, which its namespace and name tell. Labels do not: they
    /// may have been removed or forged, and that is what is to be repaired. An additive object without a seal
    /// concerns the town, too: somebody else made it, or removed the seal. Admission lets nobody but the operator
    /// write one.
    fn child_changed(&self, Change { key, is_sealed }: &Change) {
        let namespace = if key.kind == Kind::Namespace { &key.name } else { &key.namespace };
        let Some(town) = TownName::from_namespace(namespace) else { return };
        let is_of_town = key.kind == Kind::Namespace || labels::is_town_object(&key.name);
        if !is_of_town {
            self.trigger(&ObjectKey::module(namespace, &key.name));
        }
        if is_of_town || (!is_sealed && is_additive(key.kind)) {
            self.trigger(&ObjectKey::town(town.as_str()));
        }
    }
}

fn is_additive(kind: Kind) -> bool {
    AdditiveKind::ALL.iter().any(|additive| additive.kind() == kind)
}

/// How the API server names the kinds of children that are watched.
pub(super) fn watched_children() -> impl Iterator<Item = ApiResource> {
    watched_kinds().map(Kind::api_resource)
}

/// Watches the objects that the operator has made, keeps the ledger up to date, and triggers the owners of those
/// that changed. Of the additive kinds, the objects of everybody are watched.
pub(super) async fn watch_children(
    client: Client,
    triggers: Arc<Triggers>,
    ledger: Arc<Ledger>,
    freshness: Arc<Freshness>,
) {
    let streams = watched_kinds().map(|kind| {
        let resource = kind.api_resource();
        let api: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
        // Objects arrive one by one: a list of all Deployments would be held in memory at once.
        let everything = watcher::Config::default().streaming_lists();
        let config = match is_additive(kind) {
            true => everything,
            false => everything.labels(&format!("{}=rathaus", labels::MANAGED_BY)),
        };
        let record_list = record_lists(resource.plural, freshness.clone());
        let events = watcher(api, config).default_backoff().inspect(record_list);
        events.map(move |event| (kind, event)).boxed()
    });
    stream::select_all(streams)
        .for_each(|(kind, event)| {
            // Errors are logged where lists are recorded; the watch is restarted after each.
            if let Ok(event) = event {
                for change in ledger.take_in(kind, &event) {
                    triggers.child_changed(&change);
                }
            }
            futures::future::ready(())
        })
        .await;
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::cluster::RowKey;

    #[test]
    fn a_changed_child_triggers_its_owner_whatever_its_labels_say() {
        let (triggers, mut receivers) = Triggers::new(Arc::default());
        let change = |kind, namespace: &str, name: &str, is_sealed| {
            let key = RowKey { namespace: namespace.to_owned(), name: name.to_owned(), kind };
            triggers.child_changed(&Change { key, is_sealed });
        };
        change(Kind::Deployment, "mun-ahaus", "e-payment", true);
        let module = receivers.modules.next().now_or_never().flatten().unwrap();
        assert_eq!((module.namespace.as_deref(), module.name.as_str()), (Some("mun-ahaus"), "e-payment"));
        assert!(receivers.towns.next().now_or_never().is_none());
        for (kind, namespace, name) in [
            (Kind::Namespace, "", "mun-ahaus"),
            (Kind::ResourceQuota, "mun-ahaus", "rathaus"),
            (Kind::NetworkPolicy, "mun-ahaus", "rathaus-default-deny"),
        ] {
            change(kind, namespace, name, true);
            let town = receivers.towns.next().now_or_never().flatten().unwrap();
            assert_eq!(town.name, "ahaus", "{kind:?}");
        }
        // What somebody else opened concerns the town, whatever its name is.
        change(Kind::NetworkPolicy, "mun-ahaus", "open", false);
        assert_eq!(receivers.towns.next().now_or_never().flatten().unwrap().name, "ahaus");
        // A namespace of somebody else.
        change(Kind::Namespace, "", "default", true);
        assert!(receivers.towns.next().now_or_never().is_none());
    }
}
