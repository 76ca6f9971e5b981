// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What starts a reconcile, besides a change of the object itself.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use kube::api::DynamicObject;
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Guarded;
use super::context::readable;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::desired::{KINDS, Kind, labels};
use crate::tenant::TownName;

type Refs<K> = Pin<Box<dyn Stream<Item = ObjectRef<Guarded<K>>> + Send>>;

/// Sends the names of objects to look at again. Unbounded, but the scheduler behind it keeps each
/// name once.
pub(super) struct Triggers {
    towns: UnboundedSender<ObjectRef<Guarded<Municipality>>>,
    classes: UnboundedSender<ObjectRef<Guarded<ModuleClass>>>,
    modules: UnboundedSender<ObjectRef<Guarded<ServiceModule>>>,
}

/// The other ends.
pub(super) struct Receivers {
    pub towns: Refs<Municipality>,
    pub classes: Refs<ModuleClass>,
    pub modules: Refs<ServiceModule>,
}

fn receive<T: Send + 'static>(receiver: UnboundedReceiver<T>) -> Pin<Box<dyn Stream<Item = T> + Send>> {
    stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|item| (item, receiver)) })
        .boxed()
}

impl Triggers {
    pub fn new() -> (Self, Receivers) {
        let ((towns, t), (classes, c), (modules, m)) =
            (unbounded_channel(), unbounded_channel(), unbounded_channel());
        let receivers = Receivers { towns: receive(t), classes: receive(c), modules: receive(m) };
        (Self { towns, classes, modules }, receivers)
    }

    // A receiver that is gone means that the operator is stopping: nothing is lost by not sending.

    fn town(&self, name: &str) {
        let _ = self.towns.send(ObjectRef::new(name));
    }

    fn class(&self, name: &str) {
        let _ = self.classes.send(ObjectRef::new(name));
    }

    fn module(&self, namespace: &str, name: &str) {
        let _ = self.modules.send(ObjectRef::new(name).within(namespace));
    }

    /// A town's modules depend on it.
    pub fn town_changed(&self, town: &Guarded<Municipality>, modules: &Store<Guarded<ServiceModule>>) {
        let namespace = format!("{}{}", TownName::NAMESPACE_PREFIX, town.name_any());
        self.modules_where(modules, |module| module.namespace().as_ref() == Some(&namespace));
    }

    /// A class's modules are made from it.
    pub fn class_changed(&self, class: &Guarded<ModuleClass>, modules: &Store<Guarded<ServiceModule>>) {
        let name = class.name_any();
        self.modules_where(modules, |module| module.spec.class == name);
    }

    /// A module is counted by its town and its class, and its siblings may call it.
    pub fn module_changed(&self, module: &Guarded<ServiceModule>, modules: &Store<Guarded<ServiceModule>>) {
        let namespace = module.namespace().unwrap_or_default();
        if let Some(town) = TownName::from_namespace(&namespace) {
            self.town(town.as_str());
        }
        let Ok(module) = &module.0 else { return };
        self.class(&module.spec.class);
        let name = module.name_any();
        self.modules_where(modules, |sibling| {
            let related = sibling.spec.uses.contains(&name) || module.spec.uses.contains(&sibling.name_any());
            sibling.namespace().as_ref() == Some(&namespace) && related
        });
    }

    fn modules_where(
        &self,
        modules: &Store<Guarded<ServiceModule>>,
        wanted: impl Fn(&ServiceModule) -> bool,
    ) {
        for module in readable(modules) {
            if module.0.as_ref().is_ok_and(&wanted) {
                self.module(&module.namespace().unwrap_or_default(), &module.name_any());
            }
        }
    }

    /// A child belongs to the object that its labels name; a wrong label starts a look, no more.
    fn child_changed(&self, namespace: Option<&str>, labels: &BTreeMap<String, String>) {
        match (namespace, labels.get(labels::MODULE), labels.get(labels::MUNICIPALITY)) {
            (Some(namespace), Some(module), _) => self.module(namespace, module),
            (_, None, Some(town)) => self.town(town),
            _ => {}
        }
    }
}

/// Watches what the operator made, metadata only. Not Secrets and ConfigMaps: the operator has no
/// cluster-wide right to them; what happens to those is noticed when the object is looked at again.
pub(super) async fn watch_children(client: Client, triggers: Arc<Triggers>) {
    let kinds = KINDS.iter().filter(|kind| !matches!(kind, Kind::Secret | Kind::ConfigMap));
    let streams = kinds.map(|kind| {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &kind.api_resource());
        let mine =
            watcher::Config::default().any_semantic().labels(&format!("{}=rathaus", labels::MANAGED_BY));
        watcher(api, mine).default_backoff().touched_objects().boxed()
    });
    stream::select_all(streams)
        .for_each(|event| {
            match event {
                Ok(child) => triggers.child_changed(child.namespace().as_deref(), child.labels()),
                Err(error) => tracing::warn!(%error, "watch"),
            }
            futures::future::ready(())
        })
        .await;
}
