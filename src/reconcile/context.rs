// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::core::DeserializeGuard;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, Store};

use super::index::Index;
use super::key::ObjectKey;
use super::retry::Retries;
use crate::api::conditions::READY;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::cluster::{self, database::Server};
use crate::desired::module::TokenAuthority;
use crate::serve::Metrics;
use crate::settings::Settings;
use crate::status::{Outcome, Report, Step, condition_events};
use crate::tenant::FIELD_MANAGER;

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
    /// The operator's metrics.
    pub metrics: Arc<Metrics>,
    /// Cache of all Municipalities, kept up to date by a watch.
    pub towns: Store<DeserializeGuard<Municipality>>,
    /// Cache of all ModuleClasses.
    pub classes: Store<DeserializeGuard<ModuleClass>>,
    /// Cache of all ServiceModules.
    pub modules: Store<DeserializeGuard<ServiceModule>>,
    recorder: Recorder,
    /// The last token authority that was read, and when.
    token_authority: tokio::sync::Mutex<Option<(Instant, TokenAuthority)>>,
    /// The custom resources by what others read of them.
    pub(super) index: Arc<Index>,
    /// Whether the towns' ResourceQuotas may name ServiceModules.
    pub(super) counts_modules: AtomicBool,
    /// The last run of each object; the pause until the next one grows with their number.
    pub(super) retries: Arc<Retries>,
}

impl Context {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        server: Server,
        metrics: Arc<Metrics>,
        towns: Store<DeserializeGuard<Municipality>>,
        classes: Store<DeserializeGuard<ModuleClass>>,
        modules: Store<DeserializeGuard<ServiceModule>>,
    ) -> Self {
        let reporter =
            Reporter { controller: FIELD_MANAGER.to_owned(), instance: std::env::var("POD_NAME").ok() };
        let recorder = Recorder::new(client.clone(), reporter);
        Self {
            client,
            settings,
            server,
            metrics,
            towns,
            classes,
            modules,
            recorder,
            token_authority: tokio::sync::Mutex::default(),
            index: Arc::default(),
            counts_modules: AtomicBool::default(),
            retries: Arc::default(),
        }
    }

    /// Waits until all caches have been filled once, since objects are checked against each other.
    pub(super) async fn wait_until_synced(&self) {
        // An error means that the writer was dropped, which happens only when the process ends.
        let _ = self.towns.wait_until_ready().await;
        let _ = self.classes.wait_until_ready().await;
        let _ = self.modules.wait_until_ready().await;
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

    /// The ServiceModules of a namespace that could be deserialized.
    pub(super) fn readable_modules(&self, namespace: &str) -> Vec<Arc<DeserializeGuard<ServiceModule>>> {
        let keys = self.index.modules_in(namespace).into_iter();
        readable(keys.filter_map(|key| self.modules.get(&ObjectRef::new(&key.name).within(&key.namespace))))
    }
}

fn readable<K>(objects: impl Iterator<Item = Arc<DeserializeGuard<K>>>) -> Vec<Arc<DeserializeGuard<K>>> {
    objects.filter(|object| object.0.is_ok()).collect()
}
