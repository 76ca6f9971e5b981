// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The controllers: watches, triggers, order of the steps, retry, concurrency and leader election.

mod backlog;
mod class;
mod context;
mod leader;
mod module;
mod retry;
#[cfg(test)]
mod tests;
mod town;
mod triggers;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use kube::core::{ApiResource, DeserializeGuard};
use kube::runtime::controller::{self, Controller};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Predicate, PredicateConfig, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub use context::Context;
use context::Stores;
pub use leader::Elector;

use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::cluster::database::Server;
use crate::desired::Tolerated;
use crate::serve::{Freshness, Health};
use crate::settings::Settings;
use crate::tenant::SealKey;
use triggers::{Receivers, Triggers};

/// Number of objects of each kind that are reconciled at a time. The client opens a connection for each
/// request in flight, and the API server is the bottleneck.
const CONCURRENCY: u16 = 8;

/// Merges the burst of events that follows a write into one run.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// The kinds that the leader watches.
pub fn watched_kinds() -> impl Iterator<Item = ApiResource> {
    let own = [
        ApiResource::erase::<Municipality>(&()),
        ApiResource::erase::<ModuleClass>(&()),
        ApiResource::erase::<ServiceModule>(&()),
    ];
    own.into_iter().chain(triggers::watched_children())
}

/// The clients of the cluster.
pub struct Clients {
    /// For reads and writes.
    pub requests: Client,
    /// For watches; it records events and bookmarks in the freshness.
    pub watches: Client,
}

/// Runs the controllers until `stop` is cancelled; runs that have begun are completed then.
///
/// Objects are wrapped in [`DeserializeGuard`], so that one that cannot be deserialized does not stop the
/// watch of its kind.
pub async fn run(
    clients: Clients,
    settings: Settings,
    server: Server,
    seal_key: SealKey,
    tolerated: Tolerated,
    health: Arc<Health>,
    stop: CancellationToken,
) {
    let (triggers, receivers) = Triggers::new();
    let Receivers { towns, classes, modules } = receivers;
    let ((town_store, town_writer), (class_store, class_writer), (module_store, module_writer)) =
        (reflector::store(), reflector::store(), reflector::store());
    let context = Arc::new(Context::new(
        clients.requests,
        settings,
        server,
        seal_key,
        tolerated,
        health.clone(),
        Stores { towns: town_store.clone(), classes: class_store.clone(), modules: module_store.clone() },
    ));
    let triggers = Arc::new(triggers);
    let watch = Watch { client: clients.watches.clone(), freshness: health.freshness.clone() };
    health.freshness.start(Instant::now());

    let (on_town, on_class, on_module) = (triggers.clone(), triggers.clone(), triggers.clone());
    let modules_of_town = module_store.clone();
    let town_events = watch.objects(town_writer, move |town| on_town.town_changed(town, &modules_of_town));
    let modules_of_class = module_store.clone();
    let class_events =
        watch.objects(class_writer, move |class| on_class.class_changed(class, &modules_of_class));
    let siblings = module_store.clone();
    let module_events =
        watch.objects(module_writer, move |module| on_module.module_changed(module, &siblings));

    let config = || controller::Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    let town_controller = Controller::for_stream(town_events, town_store)
        .with_config(config())
        .reconcile_on(towns)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(town::reconcile, retry::error_policy, context.clone());
    let class_controller = Controller::for_stream(class_events, class_store)
        .with_config(config())
        .reconcile_on(classes)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(class::reconcile, retry::error_policy, context.clone());
    let module_controller = Controller::for_stream(module_events, module_store)
        .with_config(config())
        .reconcile_on(modules)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(module::reconcile, retry::error_policy, context.clone());
    let metrics = backlog::measure(context);

    let controllers = async {
        tokio::join!(
            run_controller(town_controller),
            run_controller(class_controller),
            run_controller(module_controller)
        )
    };
    let children = triggers::watch_children(clients.watches, triggers, health.freshness.clone());
    tokio::select! {
        _ = controllers => {}
        () = children => {}
        () = metrics => {}
    }
}

/// What each watch of a custom resource needs.
struct Watch {
    client: Client,
    freshness: Arc<Freshness>,
}

impl Watch {
    /// Watches one of the custom resources and fills its cache. `managedFields` are dropped, since they would
    /// take half of the memory.
    ///
    /// `on_change` is called for every event. The returned stream, which starts runs, has only those that
    /// change the spec or the finalizers, and thus not the operator's own writes of a status.
    fn objects<K, F>(
        &self,
        writer: Writer<DeserializeGuard<K>>,
        on_change: F,
    ) -> impl Stream<Item = Result<DeserializeGuard<K>, watcher::Error>> + Send + use<K, F>
    where
        F: Fn(&DeserializeGuard<K>) + Send + Sync + 'static,
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let objects = Api::<DeserializeGuard<K>>::all(self.client.clone());
        let record_list = record_lists(K::plural(&()).into_owned(), self.freshness.clone());
        watcher(objects, watcher::Config::default().any_semantic())
            .default_backoff()
            .modify(|object| object.managed_fields_mut().clear())
            .reflect(writer)
            .inspect(record_list)
            .touched_objects()
            .inspect(move |event| {
                if let Ok(object) = event {
                    on_change(object);
                }
            })
            .predicate_filter(
                predicates::generation.combine(predicates::finalizers),
                PredicateConfig::default(),
            )
    }
}

/// Records each complete list of a kind, given by its plural.
fn record_lists<K>(
    plural: String,
    freshness: Arc<Freshness>,
) -> impl Fn(&watcher::Result<watcher::Event<K>>) {
    move |event| match event {
        Ok(watcher::Event::InitDone) => freshness.record_list(&plural, Instant::now()),
        Ok(_) => {}
        Err(error) => tracing::warn!(kind = plural, %error, "watch failed"),
    }
}

/// Runs a controller until its stream ends.
async fn run_controller<K, E>(events: impl Stream<Item = Result<(ObjectRef<K>, controller::Action), E>>)
where
    K: Resource,
    E: std::fmt::Display,
{
    events
        .for_each(|event| async {
            if let Err(error) = event {
                // Usually an object that was deleted before its run began.
                tracing::debug!(%error, "controller");
            }
        })
        .await;
}
