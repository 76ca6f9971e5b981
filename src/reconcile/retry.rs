// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};

use super::Context;
use crate::cluster;
use crate::status::{Outcome, Report};

/// Delay after [`Outcome::Waiting`]. Most progress arrives as an event of a watch, but the reason why a pod
/// does not start does not.
const WAITING_INTERVAL: Duration = Duration::from_secs(5);
/// Delay after [`Outcome::Invalid`] and [`Outcome::Refused`]. The cause may be resolved in another object,
/// such as a Secret, which is not watched.
const BLOCKED_INTERVAL: Duration = Duration::from_secs(30);
/// Delay after the first failure; doubled with each further one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const MAX_RETRY: Duration = Duration::from_secs(120);

/// Finishes a run: records its metrics, and returns when the object is reconciled again. The delay depends
/// on the outcome.
pub(super) fn finish_run(
    context: &Context,
    controller: &'static str,
    object: &str,
    report: &Report,
    status_written: Result<(), cluster::Error>,
    duration: Duration,
) -> Action {
    let outcome = match status_written {
        Ok(()) => report.outcome(),
        Err(error) => {
            tracing::warn!(controller, object, %error, "cannot write the status");
            Outcome::Failed
        }
    };
    context.metrics.record_reconcile(controller, outcome, duration);
    let key = failure_key(controller, object);
    let mut failures = context.failures();
    if outcome != Outcome::Failed {
        failures.remove(&key);
    }
    match outcome {
        Outcome::Ready | Outcome::Suspended => {
            Action::requeue(with_jitter(context.settings.resync_period(), object))
        }
        Outcome::Waiting => Action::requeue(WAITING_INTERVAL),
        Outcome::Invalid | Outcome::Refused => Action::requeue(BLOCKED_INTERVAL),
        Outcome::Failed => {
            let count = failures.entry(key).or_insert(0);
            *count += 1;
            Action::requeue(backoff(*count))
        }
    }
}

/// Forgets the failures of an object whose deletion is complete, and does not requeue it.
pub(super) fn forget_object(context: &Context, controller: &'static str, object: &str) -> Action {
    context.failures().remove(&failure_key(controller, object));
    Action::await_change()
}

/// The name of an object, after its namespace if it has one.
pub(super) fn object_name(object: &impl Resource) -> String {
    let name = object.name_any();
    object.namespace().map_or(name.clone(), |namespace| format!("{namespace}/{name}"))
}

pub(super) fn failure_key(controller: &str, object: &str) -> String {
    format!("{controller} {object}")
}

fn backoff(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << (failures - 1).min(16)).min(MAX_RETRY)
}

/// Shortens the period by up to a fifth, so that not all objects are reconciled at once. The jitter is
/// derived from the object's name, and thus the same each time.
fn with_jitter(period: Duration, object: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
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
mod tests {
    use super::*;

    #[test]
    fn retries_slow_down_to_a_limit() {
        let seconds: Vec<_> = [1, 2, 3, 7, 8, 60].map(|n| backoff(n).as_secs()).into();
        assert_eq!(seconds, [1, 2, 4, 64, 120, 120]);
    }

    #[test]
    fn resyncs_are_spread_and_never_delayed() {
        let period = Duration::from_secs(300);
        for name in ["ahaus", "bocholt", "vreden"] {
            assert!((240..=300).contains(&with_jitter(period, name).as_secs()));
        }
        assert_ne!(with_jitter(period, "ahaus"), with_jitter(period, "bocholt"));
    }
}
