// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::convert::Infallible;
use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;

use super::Context;
use crate::cluster;
use crate::status::{Outcome, Report};

/// What is waited for mostly announces itself; a pod's reason for not starting does not.
const WAITING: Duration = Duration::from_secs(5);
/// What must be mended elsewhere: in another object, which is not always watched for this.
const MENDED_ELSEWHERE: Duration = Duration::from_secs(30);
const FIRST_RETRY: Duration = Duration::from_secs(1);
const SLOWEST_RETRY: Duration = Duration::from_secs(120);

/// Ends a run: counts it, and says when the object is looked at again, by how it came out.
pub(super) fn settle(
    context: &Context,
    controller: &'static str,
    object: &str,
    report: &Report,
    written: Result<(), cluster::Error>,
    took: Duration,
) -> Action {
    let outcome = match written {
        Ok(()) => report.outcome(),
        Err(error) => {
            tracing::warn!(controller, object, %error, "status not written");
            Outcome::Failed
        }
    };
    context.metrics.reconciled(controller, outcome, took);
    let key = key(controller, object);
    let mut failures = context.failures();
    if outcome != Outcome::Failed {
        failures.remove(&key);
    }
    match outcome {
        Outcome::Ready | Outcome::Suspended => {
            Action::requeue(spread(context.settings.resync_period(), object))
        }
        Outcome::Waiting => Action::requeue(WAITING),
        Outcome::Invalid | Outcome::Refused => Action::requeue(MENDED_ELSEWHERE),
        Outcome::Failed => {
            let count = failures.entry(key).or_insert(0);
            *count += 1;
            Action::requeue(backoff(*count))
        }
    }
}

/// Ends the last run of an object that is gone.
pub(super) fn forget(context: &Context, controller: &'static str, object: &str) -> Action {
    context.failures().remove(&key(controller, object));
    Action::await_change()
}

fn key(controller: &str, object: &str) -> String {
    format!("{controller} {object}")
}

fn backoff(failures: u32) -> Duration {
    FIRST_RETRY.saturating_mul(1 << (failures - 1).min(16)).min(SLOWEST_RETRY)
}

/// Up to a fifth earlier, the same for an object each time: all of them at once would be a wave.
fn spread(period: Duration, object: &str) -> Duration {
    let mut hasher = DefaultHasher::new();
    object.hash(&mut hasher);
    period - period.mul_f64((hasher.finish() % 1000) as f64 / 5000.0)
}

/// Whatever happens becomes a condition, so that there is no error left to have a policy for.
pub(super) fn never_an_error<K>(_: Arc<K>, error: &Infallible, _: Arc<Context>) -> Action
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
    fn resyncs_are_spread_and_never_late() {
        let period = Duration::from_secs(300);
        for name in ["ahaus", "bocholt", "vreden"] {
            assert!((240..=300).contains(&spread(period, name).as_secs()));
        }
        assert_ne!(spread(period, "ahaus"), spread(period, "bocholt"));
    }
}
