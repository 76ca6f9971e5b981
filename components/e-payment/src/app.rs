// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What every request handler holds.

use std::sync::Arc;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use rathaus_contract::{CheckDigit, EPayment, EndPoint, ModuleConfig, Provider, Receipts};
use sqlx::PgPool;
use url::Url;

use crate::auth::Clients;
use crate::problem::Problem;
use crate::provider::ResilientProvider;
use crate::store::{self, Source};
use crate::transaction::{Decision, Status, Transaction};

/// Configuration, database and counters; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// What the module knows of its place.
    pub config: Arc<ModuleConfig>,
    /// What the town chose.
    pub block: Arc<EPayment>,
    /// Who may call.
    pub clients: Arc<Clients>,
    /// Who moves the money.
    pub provider: Arc<ResilientProvider>,
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

    /// Whether one pays on our own page.
    pub fn pays_here(&self) -> bool {
        matches!(self.block.provider, Provider::Sandbox)
    }

    /// The authority of this id, if it is this municipality's.
    pub fn end_point(&self, id: &str) -> Option<&EndPoint> {
        self.block.end_points.iter().find(|end_point| end_point.id == id)
    }

    /// Decides a transaction, once. True for the decision that counts.
    ///
    /// # Errors
    /// The database does not answer; then nothing was decided.
    pub async fn decide(
        &self,
        transaction: &Transaction,
        decision: &Decision,
        source: Source,
    ) -> Result<bool, Problem> {
        let (id, status) = (&transaction.id, decision.status());
        let end_point = self.end_point(&transaction.pair.end_point);
        // An end point that is gone may still be owed money.
        let plain = Receipts { prefix: String::new(), length: 12, check_digit: CheckDigit::None };
        let receipts = end_point.map_or(&plain, |end_point| &end_point.receipts);
        let counts = store::decide(&self.pool, id, decision, source, receipts).await?;
        if counts {
            self.metrics.decided(status);
            tracing::info!(transaction = id, status = status.as_str(), "decided");
        } else if let Some(now) = store::find(&self.pool, id).await?
            && now.status != status
        {
            // Money may have moved for what is closed: somebody has to look.
            self.metrics.contradicted(status);
            let (status, late) = (now.status.as_str(), status.as_str());
            tracing::warn!(transaction = id, status, late, "another decision came too late");
        }
        Ok(counts)
    }
}

/// What is counted.
#[derive(Clone, Default)]
pub struct Metrics {
    decisions: Family<Label, Counter>,
    contradictions: Family<Label, Counter>,
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
        let help = "Decisions that came after another one, by the state they would have led to";
        registry.register("contradictions", help, self.contradictions.clone());
        registry
    }

    fn decided(&self, status: Status) {
        self.decisions.get_or_create(&Label { status: status.as_str() }).inc();
    }

    fn contradicted(&self, status: Status) {
        self.contradictions.get_or_create(&Label { status: status.as_str() }).inc();
    }
}
