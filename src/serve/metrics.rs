// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram};
use prometheus_client::registry::Registry;

use crate::status::Outcome;

/// What is counted. No municipality is a label: with thousands of them the metrics would be the load.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    runs: Family<Run, Counter>,
    durations: Family<Controller, Histogram>,
    leader: Gauge,
}

const SECONDS: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    controller: &'static str,
    outcome: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Controller {
    controller: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("rathaus");
        let runs = Family::default();
        let durations: Family<Controller, Histogram> =
            Family::new_with_constructor(|| Histogram::new(SECONDS));
        let leader = Gauge::default();
        registry.register("reconciles", "Reconciles, by kind of object and outcome", runs.clone());
        registry.register("reconcile_duration_seconds", "How long a reconcile took", durations.clone());
        registry.register("leader", "1 while this replica leads", leader.clone());
        Self { registry, runs, durations, leader }
    }
}

impl Metrics {
    /// Counts one reconcile.
    pub fn reconciled(&self, controller: &'static str, outcome: Outcome, took: Duration) {
        self.runs.get_or_create(&Run { controller, outcome: format!("{outcome:?}") }).inc();
        self.durations.get_or_create(&Controller { controller }).observe(took.as_secs_f64());
    }

    /// Says whether this replica leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    /// The metrics in OpenMetrics text format 1.0.0.
    ///
    /// # Errors
    /// None in practice: writing to a string does not fail.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}
