// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The controllers: watches, triggers, order of the steps, retry, concurrency and leader election.

mod class;
mod context;
mod facts;
mod index;
mod key;
mod leader;
mod module;
mod module_quota;
mod retry;
mod table;
mod town;
mod triggers;

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
use index::Wakes;
use key::{ObjectKey, OwnKind};
use triggers::{Receivers, Triggers};

/// Number of objects of each kind that are reconciled at a time. The client opens a connection for each
/// request in flight, and the API server is the bottleneck.
const CONCURRENCY: u16 = 8;

/// Merges the burst of events that follows a write into one run.
const DEBOUNCE: Duration = Duration::from_millis(200);

/// Runs the controllers until `stop` is cancelled; runs that have begun are completed then.
///
/// Objects are wrapped in [`DeserializeGuard`], so that one that cannot be deserialized does not stop the
/// watch of its kind.
pub async fn run(
    client: Client,
    settings: Settings,
    server: Server,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
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
    let unknown_for = tokio::select! {
        time = module_quota::time_until_known(&context) => time,
        () = stop.cancelled() => return,
    };
    context.counts_modules.store(unknown_for.is_zero(), Ordering::Relaxed);
    let (triggers, receivers) = Triggers::new(context.retries.clone());
    let (triggers, Receivers { towns, classes, modules }) = (Arc::new(triggers), receivers);

    let index = context.index.clone();
    let town_events =
        watch(&client, town_writer, &triggers, OwnKind::Municipality, move |event| index.town_event(event));
    let index = context.index.clone();
    let class_events =
        watch(&client, class_writer, &triggers, OwnKind::ModuleClass, move |event| index.class_event(event));
    let index = context.index.clone();
    let module_events = watch(&client, module_writer, &triggers, OwnKind::ServiceModule, move |event| {
        index.module_event(event)
    });

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

    let controllers = async {
        tokio::join!(
            run_controller(town_controller),
            run_controller(class_controller),
            run_controller(module_controller)
        )
    };
    let children = triggers::watch_children(client, triggers.clone());
    let quotas = async {
        module_quota::count_after(unknown_for, &context, &triggers).await;
        futures::future::pending::<()>().await;
    };
    tokio::select! {
        _ = controllers => {}
        () = children => {}
        () = quotas => {}
    }
}

/// Watches one of the custom resources and fills its cache.
///
/// `take_in` updates the index before the cache has the event, and says whom the event concerns. The
/// returned stream, which starts runs, has only events that change the spec or the finalizers, and thus not
/// the operator's own writes of a status.
fn watch<K, F>(
    client: &Client,
    writer: Writer<DeserializeGuard<K>>,
    triggers: &Arc<Triggers>,
    kind: OwnKind,
    take_in: F,
) -> impl Stream<Item = Result<DeserializeGuard<K>, watcher::Error>> + Send + use<K, F> + 'static
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
    F: Fn(&watcher::Event<DeserializeGuard<K>>) -> Wakes + Send + Sync + 'static,
{
    let (triggers, retries) = (triggers.clone(), triggers.retries());
    watcher(Api::<DeserializeGuard<K>>::all(client.clone()), watcher::Config::default().any_semantic())
        .default_backoff()
        .modify(drop_unread_metadata)
        .inspect(move |event| {
            if let Ok(event) = event {
                triggers.send(take_in(event));
            }
        })
        .reflect(writer)
        .touched_objects()
        .predicate_filter(predicates::generation.combine(predicates::finalizers), PredicateConfig::default())
        .inspect(move |object| {
            if let Ok(object) = object {
                retries.wake(&ObjectKey::of(kind, object));
            }
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures;

    #[test]
    fn annotations_and_managed_fields_take_no_memory_in_the_cache() {
        let mut module = fixtures::module("e-payment", &[]);
        let annotations = [("kubectl.kubernetes.io/last-applied-configuration", "x".repeat(256 * 1024))];
        *module.annotations_mut() = annotations.map(|(name, value)| (name.to_owned(), value)).into();
        module.managed_fields_mut().push(Default::default());
        let mut object = DeserializeGuard(Ok(module));
        drop_unread_metadata(&mut object);
        assert!(object.annotations().is_empty() && object.managed_fields().is_empty());
        assert!(serde_json::to_string(&object.0.unwrap()).unwrap().len() < 1024);
    }
}
