// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Looks up every open transaction at the provider until it is decided, and repeats starts that failed.
//! Every pod polls. A pod that claims a transaction first postpones its next check, so that no two pods
//! look it up at the same time, and it becomes due again by itself if the pod is killed.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::flow::{START_RETRY_DELAY, look_up, start};
use crate::app::App;
use crate::problem::Problem;
use crate::store;
use crate::transaction::Transaction;

/// The most transactions that are processed at the same time, and so the most that a shutdown waits for.
const BATCH_SIZE: i64 = 8;
/// Limit for one transaction, including the database. It is shorter than a pod's termination grace period.
const PROCESSING_TIMEOUT: Duration = Duration::from_secs(20);
/// Shortest pause between two rounds, however many transactions are due.
const MIN_PAUSE: Duration = Duration::from_secs(1);
/// Longest pause, when no transaction is due. The module keeps no idle database connection and should not
/// open one often.
const MAX_PAUSE: Duration = Duration::from_secs(60);
/// Time between the first and the second lookup; it doubles with every further one.
const MIN_LOOKUP_INTERVAL: Duration = Duration::from_secs(10);
const MAX_LOOKUP_INTERVAL: Duration = Duration::from_secs(15 * 60);

/// SQL for the time at which an open transaction is due. One without `look_at` was never claimed: its start
/// must have failed.
const NEXT_CHECK_AT: &str = "coalesce(look_at, created_at + make_interval(secs => $1))";

/// Polls until `stop` is cancelled. Returns at once if citizens pay on the module's own page.
pub async fn run(app: App, stop: CancellationToken) {
    while !app.uses_own_pay_page() && !stop.is_cancelled() {
        let pause = match poll_due(&app).await {
            Ok(pause) => pause,
            Err(problem) => {
                tracing::error!(status = problem.status().as_u16(), "polling the payment provider failed");
                MAX_PAUSE
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(pause) => {}
            // A payment that was started just now is due in a few seconds.
            () = async { sleep(MIN_PAUSE).await; app.provider.wait_for_new_payment().await } => {}
        }
    }
}

/// Processes the transactions that are due. Returns the time until the next one is.
async fn poll_due(app: &App) -> Result<Duration, Problem> {
    // While the circuit is open, lookups would only fail. When it is time, the breaker lets one call through.
    if !app.provider.is_down() {
        // Each transaction gets its own task, so that a panic in one affects neither the others nor the
        // next round.
        let tasks = claim_due(app).await?.into_iter().map(|transaction| {
            let app = app.clone();
            tokio::spawn(async move { process(&app, transaction).await })
        });
        join_all(tasks).await;
    }
    time_until_next_check(app).await
}

/// Looks up a transaction that the provider knows, and starts one that it does not know yet.
async fn process(app: &App, transaction: Transaction) {
    let id = transaction.id.clone();
    let processed = async {
        match &transaction.provider_payment {
            Some(at) => look_up(app, &transaction, at).await,
            None => start(app, transaction).await.map(drop),
        }
    };
    match timeout(PROCESSING_TIMEOUT, processed).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => {
            tracing::warn!(
                transaction = id,
                status = problem.status().as_u16(),
                "the transaction could not be looked up"
            );
        }
        Err(_) => tracing::warn!(transaction = id, "looking up the transaction took too long"),
    }
}

/// Claims transactions that are due by postponing their next check. The order does not matter: claimed
/// transactions are not due for a while, so that every other one gets its turn.
async fn claim_due(app: &App) -> Result<Vec<Transaction>, Problem> {
    let columns = store::COLUMNS;
    let query = sqlx::AssertSqlSafe(format!(
        "UPDATE transactions t SET looks = t.looks + 1, look_at = now() + make_interval(secs => greatest( \
            $2[least(t.looks + 1, cardinality($2))], CASE WHEN t.provider_reference IS NULL THEN $1 END)) \
         FROM (SELECT id FROM transactions WHERE status = 'INITIAL' AND {NEXT_CHECK_AT} <= now() \
               LIMIT $3 FOR UPDATE SKIP LOCKED) AS due \
         WHERE t.id = due.id RETURNING {columns}"
    ));
    let rows =
        sqlx::query(query).bind(START_RETRY_DELAY.as_secs_f64()).bind(lookup_intervals()).bind(BATCH_SIZE);
    // A row that cannot be read must not block the others.
    let read = |row| {
        store::transaction_from_row(row).inspect_err(|_| tracing::error!("a transaction cannot be read")).ok()
    };
    Ok(rows.fetch_all(&app.pool).await?.iter().filter_map(read).collect())
}

async fn time_until_next_check(app: &App) -> Result<Duration, Problem> {
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT extract(epoch FROM min({NEXT_CHECK_AT}) - now())::float8 FROM transactions WHERE status = 'INITIAL'"
    ));
    let next = sqlx::query_scalar(query).bind(START_RETRY_DELAY.as_secs_f64());
    let seconds: Option<f64> = next.fetch_one(&app.pool).await?;
    Ok(seconds.map_or(MAX_PAUSE, clamp_pause))
}

/// Limits the pause. `seconds` is negative for transactions that are overdue.
fn clamp_pause(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default().clamp(MIN_PAUSE, MAX_PAUSE)
}

/// The seconds between two lookups of the same transaction. The last interval applies to all further ones.
fn lookup_intervals() -> Vec<f64> {
    let doubled =
        |previous: &Duration| Some((*previous * 2).min(MAX_LOOKUP_INTERVAL)).filter(|next| next > previous);
    std::iter::successors(Some(MIN_LOOKUP_INTERVAL), doubled).map(|interval| interval.as_secs_f64()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookup_intervals_double_up_to_a_quarter_of_an_hour() {
        assert_eq!(lookup_intervals(), [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0]);
    }

    #[test]
    fn the_pause_before_the_next_round_is_limited() {
        for (seconds, expected) in [(-7.0, 1), (0.2, 1), (5.0, 5), (900.0, 60), (f64::NAN, 1)] {
            assert_eq!(clamp_pause(seconds), Duration::from_secs(expected));
        }
    }
}
