// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Order, watches, retry, concurrency, leadership: which room is asked when.

mod class;
mod context;
mod leader;
mod module;
mod retry;
mod town;
mod triggers;

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::core::DeserializeGuard;
use kube::runtime::controller::{self, Controller};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{self, ObjectRef};
use kube::runtime::{Predicate, PredicateConfig, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

pub use context::Context;
pub use leader::Elector;

use crate::cluster::database::Server;
use crate::serve::Metrics;
use crate::settings::Settings;
use triggers::{Receivers, Triggers};

/// Reconciles that run at a time, for each kind. The client opens a connection for each request in
/// flight, and the API server is what is slow.
const CONCURRENCY: u16 = 8;

/// Merges the burst of events that follows a write into one look.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// An object that could perhaps not be read; one of them never stops the list.
pub type Guarded<K> = DeserializeGuard<K>;

/// Runs the operator until `stop` is cancelled, which lets running reconciles end.
pub async fn run(
    client: Client,
    settings: Settings,
    server: Server,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let (triggers, receivers) = Triggers::new();
    let Receivers { towns, classes, modules } = receivers;
    let ((town_store, town_writer), (class_store, class_writer), (module_store, module_writer)) =
        (reflector::store(), reflector::store(), reflector::store());
    let context = Arc::new(Context::new(
        client.clone(),
        settings,
        server,
        metrics,
        town_store.clone(),
        class_store.clone(),
        module_store.clone(),
    ));
    let triggers = Arc::new(triggers);

    let (on_town, on_class, on_module) = (triggers.clone(), triggers.clone(), triggers.clone());
    let known = module_store.clone();
    let town_events = watch(&client, town_writer, move |object| on_town.town_changed(object, &known));
    let known = module_store.clone();
    let class_events = watch(&client, class_writer, move |object| on_class.class_changed(object, &known));
    let known = module_store.clone();
    let module_events = watch(&client, module_writer, move |object| on_module.module_changed(object, &known));

    let config = || controller::Config::default().concurrency(CONCURRENCY).debounce(DEBOUNCE);
    let town_controller = Controller::for_stream(town_events, town_store)
        .with_config(config())
        .reconcile_on(towns)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(town::reconcile, retry::never_an_error, context.clone());
    let class_controller = Controller::for_stream(class_events, class_store)
        .with_config(config())
        .reconcile_on(classes)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(class::reconcile, retry::never_an_error, context.clone());
    let module_controller = Controller::for_stream(module_events, module_store)
        .with_config(config())
        .reconcile_on(modules)
        .graceful_shutdown_on(stop.clone().cancelled_owned())
        .run(module::reconcile, retry::never_an_error, context.clone());

    let children = triggers::watch_children(client, triggers);
    tokio::select! {
        _ = async { tokio::join!(drain(town_controller), drain(class_controller), drain(module_controller)) } => {}
        () = children => {}
    }
}

/// Watches one of our kinds: without field ownership, which would be half of the memory; every change
/// is told to `changed`, and those of somebody's making start a reconcile.
fn watch<K>(
    client: &Client,
    writer: Writer<Guarded<K>>,
    changed: impl Fn(&Guarded<K>) + Send + Sync + 'static,
) -> impl Stream<Item = Result<Guarded<K>, watcher::Error>> + Send + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    watcher(Api::<Guarded<K>>::all(client.clone()), watcher::Config::default().any_semantic())
        .default_backoff()
        .modify(|object| object.managed_fields_mut().clear())
        .reflect(writer)
        .touched_objects()
        .inspect(move |event| {
            if let Ok(object) = event {
                changed(object);
            }
        })
        .predicate_filter(predicates::generation.combine(predicates::finalizers), PredicateConfig::default())
}

async fn drain<K, E>(events: impl Stream<Item = Result<(ObjectRef<K>, controller::Action), E>>)
where
    K: Resource,
    E: std::fmt::Display,
{
    events
        .for_each(|event| async {
            if let Err(error) = event {
                // Mostly: an object went before its turn came.
                tracing::debug!(%error, "controller");
            }
        })
        .await;
}
