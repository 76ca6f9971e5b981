// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What is done with a provider's answers. Nothing here decides twice: the store does not let it.

use std::time::Duration;

use super::{Error, Payment, Started};
use crate::app::App;
use crate::problem::Problem;
use crate::store::{self, DecidedBy};
use crate::transaction::{Decision, ProviderPayment, Transaction};

/// How long a first look waits after the start.
const FIRST_LOOK: Duration = Duration::from_secs(5);
/// Until a start that failed, or whose pod was killed, is repeated. Longer than a start may take: where
/// there are two at a time, one may be refused because of the other.
pub(super) const RESTART: Duration = Duration::from_secs(30);

/// Tells the provider of a transaction that may have been made just now; gives back how it stands then.
/// One that was there before, the provider was told of, or will be by the poller.
///
/// # Errors
/// The database does not answer.
pub async fn begin(app: &App, transaction: Transaction) -> Result<Transaction, Problem> {
    if app.uses_own_pay_page() || !store::claim_start(&app.pool, &transaction.id, RESTART).await? {
        return Ok(transaction);
    }
    start(app, transaction).await
}

/// Tells the provider of a transaction. Where it cannot be reached, the transaction stays as it is, and
/// the poller tries again.
pub(super) async fn start(app: &App, transaction: Transaction) -> Result<Transaction, Problem> {
    let payment = Payment::try_from(&transaction)?;
    match app.provider.start(&payment).await {
        Ok(Started::Here) => return Ok(transaction),
        Ok(Started::There(at)) => store::record_start(&app.pool, &transaction.id, &at, FIRST_LOOK).await?,
        Err(Error::Refused { code, detail }) => {
            tracing::warn!(transaction = transaction.id, %code, "refused by the provider");
            // A repetition may be refused because of the first try. Nobody was sent to the provider's
            // page as long as none is known.
            if newest(app, &transaction).await?.provider_payment.is_none() {
                settle(app, &transaction, &Decision::Failed(Some(format!("{code}: {detail}")))).await?;
            }
        }
        Err(error) => {
            tell(&transaction, &error);
            return Ok(transaction);
        }
    }
    newest(app, &transaction).await
}

/// Asks the provider what became of a transaction that it knows, and decides it if it says so.
pub(super) async fn follow(
    app: &App,
    transaction: &Transaction,
    at: &ProviderPayment,
) -> Result<(), Problem> {
    let payment = Payment::try_from(transaction)?;
    match app.provider.look(&payment, &at.reference).await {
        Ok(Some(decision)) => settle(app, transaction, &decision).await,
        Ok(None) => Ok(()),
        Err(error) => {
            tell(transaction, &error);
            Ok(())
        }
    }
}

/// Decides what the provider told.
pub(super) async fn settle(app: &App, transaction: &Transaction, decision: &Decision) -> Result<(), Problem> {
    app.decide(transaction, decision, DecidedBy::Provider).await?;
    Ok(())
}

/// Logs what a provider answered instead of what it was asked for.
pub(super) fn tell(transaction: &Transaction, error: &Error) {
    let transaction = &transaction.id;
    match error {
        Error::Unavailable(told) => tracing::warn!(transaction, told, "the provider cannot be asked"),
        Error::Refused { code, .. } => tracing::warn!(transaction, %code, "refused by the provider"),
        Error::Wrong(told) => tracing::error!(transaction, told, "the provider must be wrong; look at it"),
    }
}

async fn newest(app: &App, transaction: &Transaction) -> Result<Transaction, Problem> {
    Ok(store::find(&app.pool, &transaction.id).await?.unwrap_or_else(|| transaction.clone()))
}
