// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The state that request handlers and background tasks share.

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
use crate::store::{self, DecidedBy};
use crate::transaction::{Decision, Status, Transaction};

/// Configuration, clients, provider, database pool and counters. It is cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The content of `module.json`.
    pub config: Arc<ModuleConfig>,
    /// The `ePayment` object of `module.json`: what the municipality configured.
    pub settings: Arc<EPayment>,
    /// The API clients and how they authenticate.
    pub clients: Arc<Clients>,
    /// The payment provider that the municipality chose.
    pub provider: Arc<ResilientProvider>,
    /// Connections to the module's database.
    pub pool: PgPool,
    /// Counters of decisions.
    pub metrics: Metrics,
}

impl App {
    /// The base URL at which citizens reach the module.
    pub fn public_url(&self) -> &Url {
        &self.config.public_url
    }

    /// Whether citizens pay on the module's own page, as they do in the sandbox, and not on a provider's.
    pub fn uses_own_pay_page(&self) -> bool {
        matches!(self.settings.provider, Provider::Sandbox)
    }

    /// The end point with this id; `None` if the municipality configured no such end point.
    pub fn end_point(&self, id: &str) -> Option<&EndPoint> {
        self.settings.end_points.iter().find(|end_point| end_point.id == id)
    }

    /// Decides a transaction. Only the first decision takes effect; returns whether this one did.
    /// A later decision for another state is counted as a contradiction and logged.
    ///
    /// # Errors
    /// Fails if the database does not answer. In this case, nothing was decided.
    pub async fn decide(
        &self,
        transaction: &Transaction,
        decision: &Decision,
        decided_by: DecidedBy,
    ) -> Result<bool, Problem> {
        let (id, status) = (&transaction.id, decision.status());
        let end_point = self.end_point(&transaction.pair.end_point);
        // A payment may still arrive for an end point that was removed from the configuration.
        let fallback = Receipts { prefix: String::new(), length: 12, check_digit: CheckDigit::None };
        let receipts = end_point.map_or(&fallback, |end_point| &end_point.receipts);
        let effective = store::decide(&self.pool, id, decision, decided_by, receipts).await?;
        if effective {
            self.metrics.count_decision(status);
            tracing::info!(transaction = id, status = status.as_str(), "decided");
        } else if let Some(current) = store::find(&self.pool, id).await?
            && current.status != status
        {
            // Money may have moved although the transaction is closed, so an administrator has to check it.
            self.metrics.count_contradiction(status);
            let (status, late) = (current.status.as_str(), status.as_str());
            tracing::warn!(transaction = id, status, late, "a contradicting decision came too late");
        }
        Ok(effective)
    }
}

/// Counters of decisions by state, in this process.
#[derive(Clone, Default)]
pub struct Metrics {
    decisions: Family<StatusLabel, Counter>,
    contradictions: Family<StatusLabel, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

impl Metrics {
    /// Returns a new registry with the counters, whose prefix `e_payment` all metrics of the module get.
    pub fn register(&self) -> Registry {
        let mut registry = Registry::with_prefix("e_payment");
        registry.register("decisions", "Transactions decided, by state", self.decisions.clone());
        let help =
            "Decisions that contradict an earlier one and had no effect, by the state they would have led to";
        registry.register("contradictions", help, self.contradictions.clone());
        registry
    }

    fn count_decision(&self, status: Status) {
        self.decisions.get_or_create(&StatusLabel { status: status.as_str() }).inc();
    }

    fn count_contradiction(&self, status: Status) {
        self.contradictions.get_or_create(&StatusLabel { status: status.as_str() }).inc();
    }
}
