// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! When an object is reconciled again if no watch reports a change before.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::runtime::controller::Action;

use super::Context;
use super::key::ObjectKey;
use crate::cluster;
use crate::status::{Outcome, Report};
use crate::tenant::HOSTNAME_TAKEN;

/// The first of the growing pauses; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The first pause while something happens whose end is watched: to see only what may be in its way.
const FIRST_PAUSE_IN_PROGRESS: Duration = Duration::from_secs(5);
const MAX_PAUSE: Duration = Duration::from_secs(60);

/// The shortest time between two writes of a number that changes with every module: of a town's modules, or of a
/// class's users.
const COUNT_INTERVAL: Duration = Duration::from_secs(5);

/// Reasons for [`Outcome::Waiting`] whose end is watched.
const IN_PROGRESS: [&str; 4] = ["RollingOut", "NotYetAvailable", "GatewayPending", "Deleting"];

/// Reasons for [`Outcome::Invalid`] and [`Outcome::Refused`] whose cause lies in something that is not
/// watched, and may thus go without an event: host names that others hold, Secrets of the town, objects and namespaces of others, seals of
/// Secrets and ConfigMaps, and the database server.
const UNWATCHED_CAUSES: [&str; 8] = [
    HOSTNAME_TAKEN,
    "SecretNotFound",
    "SecretIncomplete",
    "ObjectForeign",
    "NamespaceForeign",
    "UpgradeNeeded",
    "DatabaseForeign",
    "DatabaseNotConfined",
];

/// How long to wait for a change before an object is reconciled again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// Every change that matters is watched; the resync only repairs what is not.
    Resync,
    /// Something that is not watched has to happen: ask for it after this time, and then less and less often.
    Pause(Duration),
}

/// Decides how long to wait after a run, by its outcome and the reason for it.
fn wait_after(outcome: Outcome, reason: Option<&str>) -> Wait {
    match outcome {
        Outcome::Ready | Outcome::Suspended => Wait::Resync,
        // The reason why a pod does not start is not watched.
        Outcome::Waiting if reason.is_some_and(|reason| IN_PROGRESS.contains(&reason)) => {
            Wait::Pause(FIRST_PAUSE_IN_PROGRESS)
        }
        // A failure usually has no event.
        Outcome::Waiting | Outcome::Failed => Wait::Pause(FIRST_PAUSE),
        Outcome::Invalid | Outcome::Refused => match reason {
            Some(reason) if UNWATCHED_CAUSES.contains(&reason) => Wait::Pause(FIRST_PAUSE),
            _ => Wait::Resync,
        },
    }
}

/// What is known of the last run of each object. It has a record only for objects that exist.
#[derive(Debug, Default)]
pub(super) struct Retries(Mutex<HashMap<ObjectKey, Record>>);

#[derive(Debug)]
struct Record {
    outcome: Outcome,
    /// Number of pauses in a row.
    pauses: u32,
    /// When the object is reconciled if nothing wakes it before.
    due: Instant,
    /// Whether a change was seen since the last run began.
    is_woken: bool,
    /// When only its number of modules or users was written last.
    counted_at: Option<Instant>,
    /// In which generation and when the Secrets that it names were found usable.
    secrets_checked: Option<(Option<i64>, Instant)>,
}

impl Record {
    /// Of an object that has had no run, and is due at once.
    fn new(now: Instant) -> Self {
        Self {
            outcome: Outcome::Waiting,
            pauses: 0,
            due: now,
            is_woken: false,
            counted_at: None,
            secrets_checked: None,
        }
    }
}

impl Retries {
    /// Notes that something changed that the object depends on.
    pub fn wake(&self, key: &ObjectKey) {
        if let Some(record) = self.lock().get_mut(key) {
            record.is_woken = true;
        }
    }

    /// Begins a run; returns how long the object would still have waited if no change woke it.
    ///
    /// A change lets the pauses start anew, but not after a failure: a write that fails halfway causes
    /// changes itself, each time.
    pub fn begin(&self, key: &ObjectKey, now: Instant) -> Option<Duration> {
        let mut records = self.lock();
        // A change during the first run finds a record, too.
        let record = records.entry(key.clone()).or_insert_with(|| Record::new(now));
        if !std::mem::take(&mut record.is_woken) {
            return record.due.checked_duration_since(now).filter(|left| !left.is_zero());
        }
        if record.outcome != Outcome::Failed {
            record.pauses = 0;
        }
        None
    }

    /// Ends a run; returns the time until the next one.
    fn end(
        &self,
        key: &ObjectKey,
        outcome: Outcome,
        reason: Option<&str>,
        resync: Duration,
        now: Instant,
    ) -> Duration {
        let mut records = self.lock();
        let record = records.entry(key.clone()).or_insert_with(|| Record::new(now));
        record.outcome = outcome;
        let pause = match wait_after(outcome, reason) {
            Wait::Resync => {
                record.pauses = 0;
                with_jitter(resync, key)
            }
            Wait::Pause(first) => {
                record.pauses = record.pauses.saturating_add(1);
                with_jitter(growing_pause(first, record.pauses), &(key, record.pauses))
            }
        };
        record.due = now + pause;
        pause
    }

    /// Whether a number may be written now that changes with every module: `None`, which is noted, or how long to
    /// wait.
    pub fn wait_before_count(&self, key: &ObjectKey, now: Instant) -> Option<Duration> {
        let mut records = self.lock();
        let record = records.get_mut(key)?;
        let next = record.counted_at.map(|time| time + COUNT_INTERVAL);
        let wait = next.and_then(|next| next.checked_duration_since(now)).filter(|wait| !wait.is_zero());
        if wait.is_none() {
            record.counted_at = Some(now);
        }
        wait
    }

    /// Notes that the Secrets which an object names in this generation are usable.
    pub fn note_secrets(&self, key: &ObjectKey, generation: Option<i64>, now: Instant) {
        if let Some(record) = self.lock().get_mut(key) {
            record.secrets_checked = Some((generation, now));
        }
    }

    /// Whether the Secrets which an object names in this generation were found usable within `max_age`.
    pub fn has_checked_secrets(
        &self,
        key: &ObjectKey,
        generation: Option<i64>,
        max_age: Duration,
        now: Instant,
    ) -> bool {
        let checked = self.lock().get(key).and_then(|record| record.secrets_checked);
        checked.is_some_and(|(checked, time)| {
            checked == generation && now.saturating_duration_since(time) < max_age
        })
    }

    /// Whether the last run of an object failed.
    pub fn has_failed(&self, key: &ObjectKey) -> bool {
        self.lock().get(key).is_some_and(|record| record.outcome == Outcome::Failed)
    }

    /// Forgets an object that no longer exists.
    pub fn forget(&self, key: &ObjectKey) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Finishes a run: records its metrics, and returns when the object is reconciled again.
pub(super) fn finish_run(
    context: &Context,
    key: &ObjectKey,
    report: &Report,
    status_written: Result<(), cluster::Error>,
    duration: Duration,
) -> Action {
    let controller = key.kind.controller();
    let (outcome, reason) = match status_written {
        Ok(()) => (report.outcome(), report.first_unready().map(|step| step.reason)),
        Err(error) => {
            tracing::warn!(controller, object = %key, %error, "cannot write the status");
            (Outcome::Failed, None)
        }
    };
    context.metrics.record_reconcile(controller, outcome, duration);
    let resync = context.settings.resync_period();
    let pause = context.retries.end(key, outcome, reason, resync, Instant::now());
    if !context.index.contains(key) {
        // The object went during the run.
        context.retries.forget(key);
    }
    Action::requeue(pause)
}

/// Forgets an object whose deletion is complete, and does not requeue it.
pub(super) fn forget_object(context: &Context, key: &ObjectKey) -> Action {
    context.retries.forget(key);
    Action::await_change()
}

fn growing_pause(first: Duration, pauses: u32) -> Duration {
    first.saturating_mul(1 << pauses.saturating_sub(1).min(16)).min(MAX_PAUSE)
}

/// Shortens the period by up to a fifth, so that not all objects are reconciled at once. The jitter is
/// derived from the seed, and thus the same each time.
fn with_jitter(period: Duration, seed: &impl Hash) -> Duration {
    let mut hasher = DefaultHasher::new();
    seed.hash(&mut hasher);
    period - period.mul_f64((hasher.finish() % 1000) as f64 / 5000.0)
}

/// The error policy of the controllers. It is never called: reconcilers report failures as conditions and
/// cannot return an error.
pub(super) fn error_policy<K>(_: Arc<K>, error: &Infallible, _: Arc<Context>) -> Action
where
    K: Debug,
{
    match *error {}
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
