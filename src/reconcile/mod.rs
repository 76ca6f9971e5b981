// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The controllers: watches, triggers, order of the steps, retry, concurrency and leader election.

mod backlog;
mod class;
mod cleanup;
mod context;
mod facts;
mod index;
mod key;
mod leader;
mod module;
mod retry;
mod table;
#[cfg(test)]
mod tests;
mod town;
mod triggers;
mod turns;

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
use index::Wakes;
use key::{ObjectKey, OwnKind};
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
    let (triggers, receivers) = Triggers::new(context.retries.clone());
    let (triggers, Receivers { towns, classes, modules }) = (Arc::new(triggers), receivers);

    let watch = Watch { client: clients.watches.clone(), context: context.clone() };
    health.freshness.start(Instant::now());

    let index = context.index.clone();
    let town_events =
        watch.objects(town_writer, &triggers, OwnKind::Municipality, move |event| index.town_event(event));
    let index = context.index.clone();
    let class_events =
        watch.objects(class_writer, &triggers, OwnKind::ModuleClass, move |event| index.class_event(event));
    let index = context.index.clone();
    let module_events = watch
        .objects(module_writer, &triggers, OwnKind::ServiceModule, move |event| index.module_event(event));

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
    let ledger = context.ledger.clone();
    let metrics = backlog::measure(context);

    let controllers = async {
        tokio::join!(
            run_controller(town_controller),
            run_controller(class_controller),
            run_controller(module_controller)
        )
    };
    let children = triggers::watch_children(clients.watches, triggers, ledger, health.freshness.clone());
    tokio::select! {
        _ = controllers => {}
        () = children => {}
        () = metrics => {}
    }
}

/// What each watch of a custom resource needs.
struct Watch {
    client: Client,
    context: Arc<Context>,
}

impl Watch {
    /// Watches one of the custom resources and fills its cache.
    ///
    /// `take_in` updates the index before the cache has the event, and says whom the event concerns. The
    /// returned stream, which starts runs, has only events that change the spec or the finalizers, and thus
    /// not the operator's own writes of a status.
    fn objects<K, F>(
        &self,
        writer: Writer<DeserializeGuard<K>>,
        triggers: &Arc<Triggers>,
        kind: OwnKind,
        take_in: F,
    ) -> impl Stream<Item = Result<DeserializeGuard<K>, watcher::Error>> + Send + use<K, F>
    where
        F: Fn(&watcher::Event<DeserializeGuard<K>>) -> Wakes + Send + Sync + 'static,
        K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    {
        let objects = Api::<DeserializeGuard<K>>::all(self.client.clone());
        let record_list = record_lists(K::plural(&()).into_owned(), self.context.freshness.clone());
        let context = self.context.clone();
        let (triggers, retries) = (triggers.clone(), triggers.retries());
        // Objects arrive one by one: a list would be held in memory at once, annotations included.
        watcher(objects, watcher::Config::default().streaming_lists())
            .default_backoff()
            .modify(drop_unread_metadata)
            .inspect(move |event| {
                if let Ok(event) = event {
                    triggers.send(take_in(event));
                }
            })
            .reflect(writer)
            .inspect(record_list)
            .inspect(move |event| {
                if let Ok(watcher::Event::InitDone) = event {
                    context.record_filled(kind);
                }
            })
            .touched_objects()
            .predicate_filter(
                predicates::generation.combine(predicates::finalizers),
                PredicateConfig::default(),
            )
            .inspect(move |object| {
                if let Ok(object) = object {
                    retries.wake(&ObjectKey::of(kind, object));
                }
            })
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

/// Drops the metadata that the operator does not read. `managedFields` would take half of the cache, and
/// annotations may hold 256 KiB, such as what `kubectl apply` notes of each object.
fn drop_unread_metadata(object: &mut impl ResourceExt) {
    object.managed_fields_mut().clear();
    object.annotations_mut().clear();
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
