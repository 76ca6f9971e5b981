// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Triggers: changes of other objects that make the operator reconcile an object.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use kube::api::DynamicObject;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::index::Wakes;
use super::key::{ObjectKey, OwnKind};
use super::retry::Retries;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::desired::{KINDS, Kind, labels};

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

    /// Triggers the object that the child's labels name. A forged label only causes a needless run.
    fn child_changed(&self, namespace: Option<&str>, labels: &BTreeMap<String, String>) {
        match (namespace, labels.get(labels::MODULE), labels.get(labels::MUNICIPALITY)) {
            (Some(namespace), Some(module), _) => self.trigger(&ObjectKey::module(namespace, module)),
            (_, None, Some(town)) => self.trigger(&ObjectKey::town(town)),
            _ => {}
        }
    }
}

/// Watches the metadata of the objects that the operator has applied, and triggers their owners. Secrets and
/// ConfigMaps are not watched, since the operator has no cluster-wide right to read them: their drift is
/// repaired by the periodic resync.
pub(super) async fn watch_children(client: Client, triggers: Arc<Triggers>) {
    let kinds = KINDS.iter().filter(|kind| !matches!(kind, Kind::Secret | Kind::ConfigMap));
    let streams = kinds.map(|kind| {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &kind.api_resource());
        let managed =
            watcher::Config::default().any_semantic().labels(&format!("{}=rathaus", labels::MANAGED_BY));
        watcher(api, managed).default_backoff().touched_objects().boxed()
    });
    stream::select_all(streams)
        .for_each(|event| {
            match event {
                Ok(child) => triggers.child_changed(child.namespace().as_deref(), child.labels()),
                Err(error) => tracing::warn!(%error, "watch failed"),
            }
            futures::future::ready(())
        })
        .await;
}
