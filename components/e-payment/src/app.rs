// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What every request handler holds.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use rathaus_contract::ModuleConfig;
use sqlx::PgPool;
use url::Url;

use crate::transaction::Status;

/// Configuration, database and counters; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What the module knows of its place.
    pub config: Arc<ModuleConfig>,
    /// Its database.
    pub pool: PgPool,
    /// What it counts.
    pub metrics: Metrics,
}

impl App {
    /// Where citizens reach the module.
    pub fn public_url(&self) -> &Url {
        &self.config.public_url
    }
}

/// What is counted.
#[derive(Clone, Default)]
pub struct Metrics {
    decisions: Family<Label, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    status: &'static str,
}

impl Metrics {
    /// Counters under their names.
    pub fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("e_payment");
        registry.register("decisions", "Transactions decided, by state", self.decisions.clone());
        registry
    }

    /// Counts a decision.
    pub fn decided(&self, status: Status) {
        self.decisions.get_or_create(&Label { status: status.as_str() }).inc();
    }
}
