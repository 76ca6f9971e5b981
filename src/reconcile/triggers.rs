// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Triggers: changes of other objects that make the operator reconcile an object.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use kube::api::{DynamicObject, ObjectMeta};
use kube::core::{ApiResource, DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::index::Wakes;
use super::key::{ObjectKey, OwnKind};
use super::record_lists;
use super::retry::Retries;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::desired::{AdditiveKind, KINDS, Kind, labels};
use crate::serve::Freshness;
use crate::tenant::{SEAL, TownName};

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
    /// may have been removed or forged, and that is what is to be repaired.
    fn child_changed(&self, kind: Kind, namespace: Option<&str>, name: &str) {
        match namespace {
            Some(namespace) if !labels::is_town_object(name) => {
                self.trigger(&ObjectKey::module(namespace, name))
            }
            namespace => {
                let namespace = if kind == Kind::Namespace { name } else { namespace.unwrap_or_default() };
                if let Some(town) = TownName::from_namespace(namespace) {
                    self.trigger(&ObjectKey::town(town.as_str()));
                }
            }
        }
    }

    /// Triggers the town of the namespace if the object carries no seal: somebody else made it, or removed the
    /// seal. Admission lets nobody but the operator write one.
    fn additive_changed(&self, object: &ObjectMeta) {
        let has_seal = object.annotations.as_ref().is_some_and(|annotations| annotations.contains_key(SEAL));
        if let Some(town) =
            object.namespace.as_deref().filter(|_| !has_seal).and_then(TownName::from_namespace)
        {
            self.trigger(&ObjectKey::town(town.as_str()));
        }
    }
}

fn is_additive(kind: Kind) -> bool {
    AdditiveKind::ALL.iter().any(|additive| additive.kind() == kind)
}

/// The kinds of children that are watched. Secrets and ConfigMaps are not, since the operator has no
/// cluster-wide right to read them: their drift is repaired by the periodic resync.
fn watched_kinds() -> impl Iterator<Item = Kind> {
    KINDS.iter().copied().filter(|kind| !matches!(kind, Kind::Secret | Kind::ConfigMap))
}

/// How the API server names the kinds of children that are watched.
pub(super) fn watched_children() -> impl Iterator<Item = ApiResource> {
    watched_kinds().map(Kind::api_resource)
}

/// Watches the metadata of the objects that the operator has applied, and triggers their owners. Of the
/// additive kinds, the objects of everybody are watched.
pub(super) async fn watch_children(client: Client, triggers: Arc<Triggers>, freshness: Arc<Freshness>) {
    let streams = watched_kinds().map(|kind| {
        let resource = kind.api_resource();
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &resource);
        let everything = watcher::Config::default().any_semantic();
        let config = match is_additive(kind) {
            true => everything,
            false => everything.labels(&format!("{}=rathaus", labels::MANAGED_BY)),
        };
        let record_list = record_lists(resource.plural, freshness.clone());
        let events = watcher(api, config).default_backoff().inspect(record_list).touched_objects();
        events.map(move |event| (kind, event)).boxed()
    });
    stream::select_all(streams)
        .for_each(|(kind, event)| {
            // Errors are logged where lists are recorded; the watch is restarted after each.
            if let Ok(child) = event {
                triggers.child_changed(kind, child.namespace().as_deref(), &child.name_any());
                if is_additive(kind) {
                    triggers.additive_changed(child.meta());
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

    #[test]
    fn a_changed_child_triggers_its_owner_whatever_its_labels_say() {
        let (triggers, mut receivers) = Triggers::new(Arc::default());
        triggers.child_changed(Kind::Deployment, Some("mun-ahaus"), "e-payment");
        let module = receivers.modules.next().now_or_never().flatten().unwrap();
        assert_eq!((module.namespace.as_deref(), module.name.as_str()), (Some("mun-ahaus"), "e-payment"));
        for (kind, namespace, name) in [
            (Kind::Namespace, None, "mun-ahaus"),
            (Kind::ResourceQuota, Some("mun-ahaus"), "rathaus"),
            (Kind::NetworkPolicy, Some("mun-ahaus"), "rathaus-default-deny"),
        ] {
            triggers.child_changed(kind, namespace, name);
            let town = receivers.towns.next().now_or_never().flatten().unwrap();
            assert_eq!(town.name, "ahaus", "{kind:?}");
        }
        // A namespace of somebody else.
        triggers.child_changed(Kind::Namespace, None, "default");
        assert!(receivers.towns.next().now_or_never().is_none());
    }
}
