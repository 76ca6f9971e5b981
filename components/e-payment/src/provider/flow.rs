// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Starts payments at the provider, looks them up, and applies what the provider decides. Repetitions are
//! safe: the store keeps only the first decision of a transaction.

use std::time::Duration;

use super::{Error, Payment, Started};
use crate::app::App;
use crate::problem::Problem;
use crate::store::{self, DecidedBy};
use crate::transaction::{Decision, ProviderPayment, Transaction};

/// Time between the start of a payment and its first lookup.
const FIRST_LOOKUP_DELAY: Duration = Duration::from_secs(5);
/// Time until a start that failed, or whose pod was killed, is repeated. It is longer than a start may take,
/// since the provider may refuse one of two concurrent starts.
pub(super) const START_RETRY_DELAY: Duration = Duration::from_secs(30);

/// Starts a transaction at the provider, unless this was tried before: then either it succeeded, or the
/// poller repeats it. Returns the transaction's current state.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn start_once(app: &App, transaction: Transaction) -> Result<Transaction, Problem> {
    if app.uses_own_pay_page() || !store::claim_start(&app.pool, &transaction.id, START_RETRY_DELAY).await? {
        return Ok(transaction);
    }
    start(app, transaction).await
}

/// Starts a transaction at the provider. If the provider cannot be reached, the transaction stays
/// unchanged and the poller tries again.
pub(super) async fn start(app: &App, transaction: Transaction) -> Result<Transaction, Problem> {
    let payment = Payment::try_from(&transaction)?;
    match app.provider.start(&payment).await {
        Ok(Started::OwnPage) => return Ok(transaction),
        Ok(Started::Redirect(at)) => {
            store::record_start(&app.pool, &transaction.id, &at, FIRST_LOOKUP_DELAY).await?
        }
        Err(Error::Refused { code, detail }) => {
            tracing::warn!(transaction = transaction.id, %code, "refused by the provider");
            // A repeated start may be refused because the first one succeeded. As long as no page of the
            // provider is stored, no citizen was redirected there, and the payment has failed.
            if reload(app, &transaction).await?.provider_payment.is_none() {
                let decision = Decision::Failed(Some(format!("{code}: {detail}")));
                apply_decision(app, &transaction, &decision).await?;
            }
        }
        Err(error) => {
            log_error(&transaction, &error);
            return Ok(transaction);
        }
    }
    reload(app, &transaction).await
}

/// Looks up a transaction at the provider and applies the decision if there is one. Failed lookups are only
/// logged, since the poller repeats them.
pub(super) async fn look_up(
    app: &App,
    transaction: &Transaction,
    at: &ProviderPayment,
) -> Result<(), Problem> {
    let payment = Payment::try_from(transaction)?;
    match app.provider.look_up(&payment, &at.reference).await {
        Ok(Some(decision)) => apply_decision(app, transaction, &decision).await,
        Ok(None) => Ok(()),
        Err(error) => {
            log_error(transaction, &error);
            Ok(())
        }
    }
}

/// Stores a decision of the provider.
pub(super) async fn apply_decision(
    app: &App,
    transaction: &Transaction,
    decision: &Decision,
) -> Result<(), Problem> {
    app.decide(transaction, decision, DecidedBy::Provider).await?;
    Ok(())
}

/// Logs why a call to the provider failed. The provider's reason for a refusal is left out, since it may
/// repeat payer data.
pub(super) fn log_error(transaction: &Transaction, error: &Error) {
    let transaction = &transaction.id;
    match error {
        Error::Unavailable(reason) => tracing::warn!(transaction, reason, "the provider is unavailable"),
        Error::Refused { code, .. } => tracing::warn!(transaction, %code, "refused by the provider"),
        Error::Invalid(reason) => {
            tracing::error!(transaction, reason, "the provider's message is invalid; investigate");
        }
    }
}

async fn reload(app: &App, transaction: &Transaction) -> Result<Transaction, Problem> {
    Ok(store::find(&app.pool, &transaction.id).await?.unwrap_or_else(|| transaction.clone()))
}
