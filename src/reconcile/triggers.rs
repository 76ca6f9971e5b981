// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Triggers: changes of other objects that make the operator reconcile an object.

use std::pin::Pin;
use std::sync::Arc;

use futures::stream::{self, Stream, StreamExt};
use kube::api::DynamicObject;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::context::list_readable;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::desired::{KINDS, Kind, labels};
use crate::tenant::TownName;

type RefStream<K> = Pin<Box<dyn Stream<Item = ObjectRef<DeserializeGuard<K>>> + Send>>;

/// Sends references to the objects that must be reconciled. The channels are unbounded, but the scheduler
/// of the receiving controller holds each reference only once.
pub(super) struct Triggers {
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
    pub fn new() -> (Self, Receivers) {
        let ((towns, t), (classes, c), (modules, m)) =
            (unbounded_channel(), unbounded_channel(), unbounded_channel());
        let receivers = Receivers { towns: into_stream(t), classes: into_stream(c), modules: into_stream(m) };
        (Self { towns, classes, modules }, receivers)
    }

    // Sending fails only if the controller was dropped, which happens when the operator stops. The error can
    // be ignored.

    fn trigger_town(&self, name: &str) {
        let _ = self.towns.send(ObjectRef::new(name));
    }

    fn trigger_class(&self, name: &str) {
        let _ = self.classes.send(ObjectRef::new(name));
    }

    fn trigger_module(&self, namespace: &str, name: &str) {
        let _ = self.modules.send(ObjectRef::new(name).within(namespace));
    }

    /// Triggers the town's modules, since they depend on it.
    pub fn town_changed(
        &self,
        town: &DeserializeGuard<Municipality>,
        modules: &Store<DeserializeGuard<ServiceModule>>,
    ) {
        let namespace = format!("{}{}", TownName::NAMESPACE_PREFIX, town.name_any());
        self.trigger_modules(modules, |module| module.namespace().as_ref() == Some(&namespace));
    }

    /// Triggers the modules that use the class.
    pub fn class_changed(
        &self,
        class: &DeserializeGuard<ModuleClass>,
        modules: &Store<DeserializeGuard<ServiceModule>>,
    ) {
        let name = class.name_any();
        self.trigger_modules(modules, |module| module.spec.class == name);
    }

    /// Triggers the module's town and class, whose status counts it, and the siblings that it calls or that
    /// call it.
    pub fn module_changed(
        &self,
        module: &DeserializeGuard<ServiceModule>,
        modules: &Store<DeserializeGuard<ServiceModule>>,
    ) {
        let namespace = module.namespace().unwrap_or_default();
        if let Some(town) = TownName::from_namespace(&namespace) {
            self.trigger_town(town.as_str());
        }
        let Ok(module) = &module.0 else { return };
        self.trigger_class(&module.spec.class);
        let name = module.name_any();
        self.trigger_modules(modules, |sibling| {
            let related = sibling.spec.uses.contains(&name) || module.spec.uses.contains(&sibling.name_any());
            sibling.namespace().as_ref() == Some(&namespace) && related
        });
    }

    fn trigger_modules(
        &self,
        modules: &Store<DeserializeGuard<ServiceModule>>,
        is_affected: impl Fn(&ServiceModule) -> bool,
    ) {
        for module in list_readable(modules) {
            if module.0.as_ref().is_ok_and(&is_affected) {
                self.trigger_module(&module.namespace().unwrap_or_default(), &module.name_any());
            }
        }
    }

    /// Triggers the object that the child is made for, which its namespace and name tell. Labels do not: they
    /// may have been removed or forged, and that is what is to be repaired.
    fn child_changed(&self, kind: Kind, namespace: Option<&str>, name: &str) {
        match namespace {
            Some(namespace) if !labels::is_town_object(name) => self.trigger_module(namespace, name),
            namespace => {
                let namespace = if kind == Kind::Namespace { name } else { namespace.unwrap_or_default() };
                if let Some(town) = TownName::from_namespace(namespace) {
                    self.trigger_town(town.as_str());
                }
            }
        }
    }
}

/// Watches the metadata of the objects that the operator has made, and triggers their owners. Secrets and
/// ConfigMaps are not watched, since the operator has no cluster-wide right to read them: their drift is
/// repaired by the periodic resync.
pub(super) async fn watch_children(client: Client, triggers: Arc<Triggers>) {
    let kinds = KINDS.iter().filter(|kind| !matches!(kind, Kind::Secret | Kind::ConfigMap));
    let streams = kinds.map(|kind| {
        let api: Api<PartialObjectMeta<DynamicObject>> = Api::all_with(client.clone(), &kind.api_resource());
        let managed =
            watcher::Config::default().any_semantic().labels(&format!("{}=rathaus", labels::MANAGED_BY));
        watcher(api, managed).default_backoff().touched_objects().map(|event| (*kind, event)).boxed()
    });
    stream::select_all(streams)
        .for_each(|(kind, event)| {
            match event {
                Ok(child) => triggers.child_changed(kind, child.namespace().as_deref(), &child.name_any()),
                Err(error) => tracing::warn!(%error, "watch failed"),
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
        let (triggers, mut receivers) = Triggers::new();
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
