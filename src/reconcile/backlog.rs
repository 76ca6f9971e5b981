// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Measures what is left to do: objects that are not reconciled or not ready, and for how long. It is derived
//! from the caches and not counted along with events, so that it cannot drift away from them.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;

use super::Context;
use super::key::{ObjectKey, OwnKind};
use crate::serve::ObjectCounts;
use crate::status;

/// How often the metrics are brought up to date; shorter than the usual interval of scrapes.
const INTERVAL: Duration = Duration::from_secs(10);

/// Brings the metrics about the objects up to date again and again; never returns.
pub(super) async fn measure(context: Arc<Context>) {
    let (mut towns, mut classes, mut modules) = (Backlog::default(), Backlog::default(), Backlog::default());
    loop {
        let now = Instant::now();
        let observed = observe(&context, OwnKind::Municipality, &context.towns, |town| {
            town.status.as_ref().map(|status| status.conditions.as_slice())
        });
        context.metrics.set_objects("Municipality", &towns.update(observed, now));
        let observed = observe(&context, OwnKind::ModuleClass, &context.classes, |class| {
            class.status.as_ref().map(|status| status.conditions.as_slice())
        });
        context.metrics.set_objects("ModuleClass", &classes.update(observed, now));
        let observed = observe(&context, OwnKind::ServiceModule, &context.modules, |module| {
            module.status.as_ref().map(|status| status.conditions.as_slice())
        });
        context.metrics.set_objects("ServiceModule", &modules.update(observed, now));
        tokio::time::sleep(INTERVAL).await;
    }
}

/// What the metrics need of one object.
struct Observed {
    /// Namespace and name.
    name: String,
    /// Whether the last reconcile was about the current generation, and did not fail.
    is_reconciled: bool,
    /// The reason of `Ready` if it is not true.
    unready: Option<String>,
}

fn observe<K>(
    context: &Context,
    kind: OwnKind,
    store: &Store<DeserializeGuard<K>>,
    conditions: impl Fn(&K) -> Option<&[Condition]>,
) -> Vec<Observed>
where
    K: Resource<DynamicType = ()> + Clone + Debug + 'static,
{
    let objects = store.state();
    let observed = objects.iter().map(|object| {
        let key = ObjectKey::of(kind, object.as_ref());
        let (status, reason) = match &object.0 {
            Ok(raw) => {
                let conditions = conditions(raw).unwrap_or_default();
                let ready = status::current_ready(conditions, object.meta().generation);
                (ready.status, ready.reason)
            }
            // What cannot be read is reconciled by saying so; the status cannot be read either.
            Err(_) => ("False".to_owned(), "Unreadable".to_owned()),
        };
        let is_reconciled = reason != status::NOT_RECONCILED && !context.retries.has_failed(&key);
        Observed { name: key.to_string(), is_reconciled, unready: (status != "True").then_some(reason) }
    });
    observed.collect()
}

/// What is known of the objects of one kind from earlier measurements.
#[derive(Default)]
struct Backlog {
    /// Since when each object has not been reconciled, as far as this process has seen.
    since: HashMap<String, Instant>,
    /// All reasons that there have been: they are reported as zero afterwards, so that a query sees them fall.
    reasons: BTreeMap<String, i64>,
}

impl Backlog {
    fn update(&mut self, objects: Vec<Observed>, now: Instant) -> ObjectCounts {
        let before = std::mem::take(&mut self.since);
        self.reasons.values_mut().for_each(|count| *count = 0);
        self.reasons.entry(status::NOT_RECONCILED.to_owned()).or_insert(0);
        for object in objects {
            if !object.is_reconciled {
                let since = before.get(&object.name).copied().unwrap_or(now);
                self.since.insert(object.name, since);
            }
            if let Some(reason) = object.unready {
                *self.reasons.entry(reason).or_insert(0) += 1;
            }
        }
        let oldest = self.since.values().min().map(|since| now.saturating_duration_since(*since));
        ObjectCounts {
            unreconciled: self.since.len(),
            oldest_unreconciled: oldest.unwrap_or_default(),
            unready: self.reasons.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(name: &str, is_reconciled: bool, unready: Option<&str>) -> Observed {
        Observed { name: name.to_owned(), is_reconciled, unready: unready.map(str::to_owned) }
    }

    #[test]
    fn age_counts_from_the_first_sight_of_an_unreconciled_object_and_ends_with_it() {
        let (mut backlog, start) = (Backlog::default(), Instant::now());
        let mut at = |seconds, objects| {
            let counts = backlog.update(objects, start + Duration::from_secs(seconds));
            (counts.unreconciled, counts.oldest_unreconciled.as_secs())
        };
        assert_eq!(at(0, vec![object("a", true, None)]), (0, 0));
        assert_eq!(at(10, vec![object("a", false, None), object("b", true, None)]), (1, 0));
        assert_eq!(at(40, vec![object("a", false, None), object("b", false, None)]), (2, 30));
        assert_eq!(at(50, vec![object("a", true, None), object("b", false, None)]), (1, 10));
        assert_eq!(at(60, vec![]), (0, 0), "a deleted object leaves no age behind");
        assert_eq!(at(90, vec![object("a", false, None)]), (1, 0), "its successor starts anew");
    }

    #[test]
    fn reasons_are_counted_and_stay_with_zero() {
        let mut backlog = Backlog::default();
        let mut unready = |objects| backlog.update(objects, Instant::now()).unready.into_iter().collect();
        let none: Vec<(String, i64)> = unready(vec![]);
        assert_eq!(none, [("NotReconciled".to_owned(), 0)]);
        let waiting = |name| object(name, true, Some("RollingOut"));
        let two: Vec<_> = unready(vec![waiting("a"), waiting("b"), object("c", true, None)]);
        assert_eq!(two, [("NotReconciled".to_owned(), 0), ("RollingOut".to_owned(), 2)]);
        let gone: Vec<_> = unready(vec![object("a", true, None)]);
        assert_eq!(gone, [("NotReconciled".to_owned(), 0), ("RollingOut".to_owned(), 0)]);
    }
}
