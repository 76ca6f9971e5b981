// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry;

use crate::status::Outcome;

/// The operator's metrics. No metric has a label with the municipality: with thousands of municipalities,
/// the number of time series would be a load of its own.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ReconcileLabels, Counter>,
    durations: Family<ControllerLabels, Histogram>,
    leader: Gauge,
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
        Self { registry, reconciles, durations, leader }
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
