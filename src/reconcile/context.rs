// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};
use tokio::sync::watch;

use super::index::Index;
use super::key::{ObjectKey, OwnKind};
use super::retry::Retries;
use super::turns::Turns;
use crate::api::conditions::READY;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::cluster::{self, Applied, Children, Ledger, TownObjects, Unwatched, database::Server};
use crate::desired::Tolerated;
use crate::desired::module::TokenAuthority;
use crate::serve::{Freshness, Health, Metrics};
use crate::settings::Settings;
use crate::status::{Outcome, Report, Step, condition_events};
use crate::tenant::{FIELD_MANAGER, SealKey, TownName};

/// Limits one run. A healthy run takes far less; without the limit, the client's own retries could go on
/// for minutes.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(90);

/// What every run needs: clients, settings, and the objects in the watch caches.
pub struct Context {
    /// Client of the cluster.
    pub client: Client,
    /// The platform's settings, from state IT.
    pub settings: Settings,
    /// The shared database server.
    pub server: Server,
    /// The key by which the operator recognises its own objects.
    pub seal_key: SealKey,
    /// What is known of the objects in the towns' namespaces.
    pub ledger: Arc<Ledger>,
    /// When the objects that are not watched were read last.
    pub unwatched: Unwatched,
    /// The operator's metrics.
    pub metrics: Arc<Metrics>,
    /// What has been seen of the watched kinds.
    pub freshness: Arc<Freshness>,
    /// Cache of all Municipalities, kept up to date by a watch.
    pub towns: Store<DeserializeGuard<Municipality>>,
    /// Cache of all ModuleClasses.
    pub classes: Store<DeserializeGuard<ModuleClass>>,
    /// Cache of all ServiceModules.
    pub modules: Store<DeserializeGuard<ServiceModule>>,
    /// The kinds whose caches have been filled once.
    filled: watch::Sender<BTreeSet<OwnKind>>,
    recorder: Recorder,
    /// The last token authority that was read, and when.
    token_authority: tokio::sync::Mutex<Option<(Instant, TokenAuthority)>>,
    /// The custom resources by what others read of them.
    pub(super) index: Arc<Index>,
    /// The last run of each object; the pause until the next one grows with their number.
    pub(super) retries: Arc<Retries>,
    /// How many modules of each town are being reconciled.
    pub(super) turns: Turns,
}

/// The watch caches of the three kinds that people write.
pub(super) struct Stores {
    pub towns: Store<DeserializeGuard<Municipality>>,
    pub classes: Store<DeserializeGuard<ModuleClass>>,
    pub modules: Store<DeserializeGuard<ServiceModule>>,
}

impl Context {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        server: Server,
        seal_key: SealKey,
        tolerated: Tolerated,
        health: Arc<Health>,
        Stores { towns, classes, modules }: Stores,
    ) -> Self {
        let reporter =
            Reporter { controller: FIELD_MANAGER.to_owned(), instance: std::env::var("POD_NAME").ok() };
        let recorder = Recorder::new(client.clone(), reporter);
        Self {
            client,
            settings,
            server,
            seal_key,
            ledger: Arc::new(Ledger::new(tolerated)),
            unwatched: Unwatched::default(),
            metrics: health.metrics.clone(),
            freshness: health.freshness.clone(),
            towns,
            classes,
            modules,
            filled: watch::Sender::default(),
            recorder,
            token_authority: tokio::sync::Mutex::default(),
            index: Arc::default(),
            retries: Arc::default(),
            turns: Turns::default(),
        }
    }

    /// Access to the objects of the municipality with this ARS.
    pub(super) fn objects<'a>(&'a self, ars: &'a str) -> TownObjects<'a> {
        TownObjects { client: &self.client, key: &self.seal_key, ledger: &self.ledger, ars }
    }

    /// How long a town's Secrets and ConfigMaps are not read again while nothing changes: less than the shortest time
    /// between two resyncs, so that each resync sees what others have changed.
    pub(super) fn unwatched_period(&self) -> Duration {
        self.settings.resync_period().mul_f64(0.75)
    }

    /// Notes that the cache of a kind has been filled.
    pub(super) fn record_filled(&self, kind: OwnKind) {
        self.filled.send_if_modified(|filled| filled.insert(kind));
    }

    /// Waits until caches and ledger have been filled once: objects are checked against each other, and what is
    /// missing in the ledger would be created.
    ///
    /// It does not ask the caches themselves: of all tasks that wait for one, they wake only the last
    /// (kube-runtime 5.0.0, `utils/delayed_init.rs`).
    pub(super) async fn wait_until_synced(&self) {
        // It fails only if the sender is gone, which lives as long as the context.
        let _ = self.filled.subscribe().wait_for(|filled| filled.len() == OwnKind::ALL.len()).await;
        self.ledger.wait_until_complete().await;
    }

    /// Checks that the operator sees the cluster's current state. Who does not must not delete anything: what
    /// looks obsolete may be needed by an object that has been created or changed since.
    pub(super) fn check_fresh(&self, condition: &'static str) -> Result<(), Step> {
        let complaints = self.freshness.complaints(Instant::now());
        if complaints.is_empty() {
            return Ok(());
        }
        let message = format!(
            "nothing is deleted while the operator does not see the cluster's current state ({}); it continues by itself",
            complaints.join("; ")
        );
        Err(Step { condition, outcome: Outcome::Waiting, reason: "CacheStale", message })
    }

    /// Deletes the children that are not among the applied objects, unless a cache is stale.
    pub(super) async fn prune(
        &self,
        objects: TownObjects<'_>,
        namespace: &str,
        children: &Children,
        applied: &Applied,
        condition: &'static str,
    ) -> Result<(), Step> {
        if cluster::has_obsolete(children, applied) {
            self.check_fresh(condition)?;
        }
        let pruned = cluster::prune(objects, namespace, children, applied).await;
        pruned.map_err(|error| Step::failed(condition, &error))
    }

    /// Issuer and keys of the ServiceAccount tokens, read from the API server once per resync period.
    pub(super) async fn token_authority(&self) -> Result<TokenAuthority, cluster::Error> {
        let mut cached = self.token_authority.lock().await;
        if let Some((fetched_at, authority)) = cached.as_ref()
            && fetched_at.elapsed() < self.settings.resync_period()
        {
            return Ok(authority.clone());
        }
        let authority = cluster::fetch_token_authority(&self.client).await?;
        *cached = Some((Instant::now(), authority.clone()));
        Ok(authority)
    }

    /// Limits a run to [`RECONCILE_TIMEOUT`]; reports a failure when it takes longer.
    pub(super) async fn with_timeout(&self, run: impl Future<Output = Option<Report>>) -> Option<Report> {
        tokio::time::timeout(RECONCILE_TIMEOUT, run).await.unwrap_or_else(|_| {
            let message =
                format!("not done after {} s; the operator tries again", RECONCILE_TIMEOUT.as_secs());
            let step = Step { condition: READY, outcome: Outcome::Failed, reason: "TimedOut", message };
            Some(Report { steps: vec![step] })
        })
    }

    /// Publishes an event about `object` for each change of its conditions that is worth one. Best effort:
    /// a failure is only logged.
    pub(super) async fn publish_events(
        &self,
        object: &ObjectReference,
        before: &[Condition],
        after: &[Condition],
    ) {
        for announcement in condition_events(before, after) {
            let event = Event {
                type_: if announcement.warning { EventType::Warning } else { EventType::Normal },
                reason: announcement.reason,
                action: announcement.action,
                note: Some(announcement.note),
                secondary: None,
            };
            if let Err(error) = self.recorder.publish(&event, object).await {
                tracing::warn!(%error, "event not published");
            }
        }
    }

    /// Those of `keys` that are Municipalities in the cache and could be deserialized.
    pub(super) fn readable_towns(
        &self,
        keys: impl IntoIterator<Item = ObjectKey>,
    ) -> Vec<Arc<DeserializeGuard<Municipality>>> {
        readable(keys.into_iter().filter_map(|key| self.towns.get(&ObjectRef::new(&key.name))))
    }

    /// The Municipality to which a namespace belongs by its name. Labels of the namespace are not considered.
    pub(super) fn find_municipality(&self, namespace: &str) -> Option<Arc<DeserializeGuard<Municipality>>> {
        let name = TownName::from_namespace(namespace)?;
        self.towns.get(&ObjectRef::new(name.as_str()))
    }

    /// The ServiceModules of a namespace that could be deserialized.
    pub(super) fn readable_modules(&self, namespace: &str) -> Vec<Arc<DeserializeGuard<ServiceModule>>> {
        let keys = self.index.modules_in(namespace).into_iter();
        readable(keys.filter_map(|key| self.modules.get(&ObjectRef::new(&key.name).within(&key.namespace))))
    }
}

fn readable<K>(objects: impl Iterator<Item = Arc<DeserializeGuard<K>>>) -> Vec<Arc<DeserializeGuard<K>>> {
    objects.filter(|object| object.0.is_ok()).collect()
}
