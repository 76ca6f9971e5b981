// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Client;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use kube::runtime::reflector::Store;

use super::Guarded;
use crate::api::conditions::READY;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::cluster::{self, database::Server};
use crate::desired::module::TokenAuthority;
use crate::serve::Metrics;
use crate::settings::Settings;
use crate::status::{Outcome, Report, Step, condition_events};
use crate::tenant::FIELD_MANAGER;

/// Longer than any sound run takes; the client's own retries could go on for minutes.
const RECONCILE_TIMEOUT: Duration = Duration::from_secs(90);

/// What every reconcile needs.
pub struct Context {
    /// The cluster.
    pub client: Client,
    /// What state IT configured.
    pub settings: Settings,
    /// The shared database server.
    pub server: Server,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// All Municipalities, as the watch last saw them.
    pub towns: Store<Guarded<Municipality>>,
    /// All ModuleClasses.
    pub classes: Store<Guarded<ModuleClass>>,
    /// All ServiceModules.
    pub modules: Store<Guarded<ServiceModule>>,
    recorder: Recorder,
    /// How tokens are signed, and when that was asked.
    authority: tokio::sync::Mutex<Option<(Instant, TokenAuthority)>>,
    /// Failures in a row, by object; retry slows down with them.
    pub(super) failures: Mutex<HashMap<String, u32>>,
}

impl Context {
    pub(super) fn new(
        client: Client,
        settings: Settings,
        server: Server,
        metrics: Arc<Metrics>,
        towns: Store<Guarded<Municipality>>,
        classes: Store<Guarded<ModuleClass>>,
        modules: Store<Guarded<ServiceModule>>,
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
            authority: tokio::sync::Mutex::default(),
            failures: Mutex::default(),
        }
    }

    /// Waits until everything has been read once: nobody is judged by half a world.
    pub(super) async fn synced(&self) {
        // An error means that the writer is gone, and with it the process.
        let _ = self.towns.wait_until_ready().await;
        let _ = self.classes.wait_until_ready().await;
        let _ = self.modules.wait_until_ready().await;
    }

    /// How the API server signs the tokens of ServiceAccounts; asked once in each resync period.
    pub(super) async fn token_authority(&self) -> Result<TokenAuthority, cluster::Error> {
        let mut known = self.authority.lock().await;
        if let Some((asked, authority)) = known.as_ref()
            && asked.elapsed() < self.settings.resync_period()
        {
            return Ok(authority.clone());
        }
        let authority = cluster::token_authority(&self.client).await?;
        *known = Some((Instant::now(), authority.clone()));
        Ok(authority)
    }

    /// Runs one reconcile within its time.
    pub(super) async fn bounded(&self, run: impl Future<Output = Option<Report>>) -> Option<Report> {
        tokio::time::timeout(RECONCILE_TIMEOUT, run).await.unwrap_or_else(|_| {
            let message =
                format!("not done after {} s; it is tried again by itself", RECONCILE_TIMEOUT.as_secs());
            let step = Step { condition: READY, outcome: Outcome::Failed, reason: "TimedOut", message };
            Some(Report { steps: vec![step] })
        })
    }

    /// Tells what is new, to whoever reads events. Telling is best effort.
    pub(super) async fn announce(&self, about: &ObjectReference, before: &[Condition], after: &[Condition]) {
        for news in condition_events(before, after) {
            let event = Event {
                type_: if news.warning { EventType::Warning } else { EventType::Normal },
                reason: news.reason,
                action: news.action,
                note: Some(news.note),
                secondary: None,
            };
            if let Err(error) = self.recorder.publish(&event, about).await {
                tracing::warn!(%error, "event not published");
            }
        }
    }

    pub(super) fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The readable objects of a store.
pub(super) fn readable<K>(store: &Store<Guarded<K>>) -> Vec<Arc<Guarded<K>>>
where
    K: kube::Resource<DynamicType = ()> + Clone + Debug + 'static,
{
    store.state().into_iter().filter(|object| object.0.is_ok()).collect()
}
