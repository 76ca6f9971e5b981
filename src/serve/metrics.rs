// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry;

use crate::status::{NOT_RECONCILED, Outcome};

/// The operator's metrics. No metric has a label with the municipality: with thousands of municipalities,
/// the number of time series would be a load of its own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<ControllerLabels, Histogram>,
    leader: Gauge,
    watch_ages: Family<KindLabels, Gauge<f64, AtomicU64>>,
    unreconciled: Family<KindLabels, Gauge>,
    oldest_unreconciled: Family<KindLabels, Gauge<f64, AtomicU64>>,
    unready: Family<ReasonLabels, Gauge>,
}

/// What the metrics say about the objects of one kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectCounts {
    /// Number of objects whose current generation has not been reconciled, or whose last reconcile failed. The
    /// queues of the controllers cannot be read; these are the objects that wait in them.
    pub unreconciled: usize,
    /// How long the oldest of them has been waiting.
    pub oldest_unreconciled: Duration,
    /// Number of objects that are not ready, by the reason of their condition `Ready`.
    pub unready: BTreeMap<String, i64>,
}

/// Upper bounds of the histogram's buckets, in seconds.
const DURATION_BUCKETS: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReconcileLabels {
    controller: &'static str,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    kind: &'static str,
    reason: String,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rathaus");
        let reconciles = Family::default();
        let durations: Family<ControllerLabels, Histogram> =
            Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS));
        let leader = Gauge::default();
        registry.register("reconciles", "Reconciles, by kind of object and outcome", reconciles.clone());
        registry.register("reconcile_duration_seconds", "How long a reconcile took", durations.clone());
        registry.register("leader", "1 while this replica leads", leader.clone());
        let watch_ages = Family::default();
        registry.register(
            "watch_last_event_age_seconds",
            "Time since the last event, bookmark or complete list of a watched kind; 0 on a replica that does not lead",
            watch_ages.clone(),
        );
        let (unreconciled, oldest_unreconciled, unready) = Default::default();
        let metrics = Self {
            registry,
            reconciles,
            durations,
            leader,
            watch_ages,
            unreconciled,
            oldest_unreconciled,
            unready,
        };
        metrics.with_object_counts()
    }
}

impl Metrics {
    /// Records one run of a controller, with its outcome and duration.
    pub fn record_reconcile(&self, controller: &'static str, outcome: Outcome, duration: Duration) {
        let labels = ReconcileLabels { controller, outcome: format!("{outcome:?}") };
        self.reconciles.get_or_create(&labels).inc();
        self.durations.get_or_create(&ControllerLabels { controller }).observe(duration.as_secs_f64());
    }

    /// Records whether this replica is the leader.
    pub fn set_leader(&self, is_leader: bool) {
        self.leader.set(is_leader.into());
    }

    /// Registers the metrics about objects, and exports each from the start: an alert about a metric that is
    /// not there never fires.
    fn with_object_counts(mut self) -> Self {
        self.registry.register(
            "unreconciled_objects",
            "Objects whose current generation has not been reconciled, or whose last reconcile failed; 0 on a replica that does not lead",
            self.unreconciled.clone(),
        );
        self.registry.register(
            "oldest_unreconciled_age_seconds",
            "How long the oldest of the unreconciled objects has been waiting",
            self.oldest_unreconciled.clone(),
        );
        self.registry.register(
            "unready_objects",
            "Objects that are not ready, by the reason of their condition Ready",
            self.unready.clone(),
        );
        let none = ObjectCounts {
            unreconciled: 0,
            oldest_unreconciled: Duration::ZERO,
            unready: BTreeMap::from([(NOT_RECONCILED.to_owned(), 0)]),
        };
        for kind in ["Municipality", "ModuleClass", "ServiceModule"] {
            self.set_objects(kind, &none);
        }
        self
    }

    /// Records what is left to do for the objects of one kind.
    pub fn set_objects(&self, kind: &'static str, counts: &ObjectCounts) {
        let labels = KindLabels { kind: kind.to_owned() };
        let unreconciled = i64::try_from(counts.unreconciled).unwrap_or(i64::MAX);
        self.unreconciled.get_or_create(&labels).set(unreconciled);
        self.oldest_unreconciled.get_or_create(&labels).set(counts.oldest_unreconciled.as_secs_f64());
        for (reason, count) in &counts.unready {
            self.unready.get_or_create(&ReasonLabels { kind, reason: reason.clone() }).set(*count);
        }
    }

    /// Records the time since the last event of each watched kind.
    pub fn set_watch_ages(&self, ages: &[(String, Duration)]) {
        for (kind, age) in ages {
            self.watch_ages.get_or_create(&KindLabels { kind: kind.clone() }).set(age.as_secs_f64());
        }
    }

    /// Returns the metrics in the OpenMetrics text format 1.0.0.
    ///
    /// # Errors
    /// The encoder fails; it does not in practice, since it writes to a string.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_that_an_alert_needs_is_exported_from_the_start() {
        let metrics = Metrics::default();
        metrics.set_watch_ages(&[("HTTPRoute".to_owned(), Duration::ZERO)]);
        let text = metrics.render().unwrap();
        for line in [
            "rathaus_leader 0",
            r#"rathaus_watch_last_event_age_seconds{kind="HTTPRoute"} 0.0"#,
            r#"rathaus_unreconciled_objects{kind="ModuleClass"} 0"#,
            r#"rathaus_oldest_unreconciled_age_seconds{kind="Municipality"} 0.0"#,
            r#"rathaus_unready_objects{kind="ServiceModule",reason="NotReconciled"} 0"#,
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
