// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Asks the provider about every open transaction until it is decided, and tells it of those that it
//! could not be told of. Every pod does: who takes a transaction puts off its next look first, so that
//! no two ask at a time, and one whose pod is killed comes up again by itself.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::flow::{RESTART, follow, start};
use crate::app::App;
use crate::problem::Problem;
use crate::store;
use crate::transaction::Transaction;

/// Looks under way at a time, and so the most that a stop has to wait for.
const BATCH: i64 = 8;
/// No look takes longer, the database's part included; less than a pod gets to stop.
const ONE: Duration = Duration::from_secs(20);
/// Between two rounds, however much there is to do.
const SHORTEST: Duration = Duration::from_secs(1);
/// Without anything to do. The module keeps no idle database connection, and should not open one often.
const LONGEST: Duration = Duration::from_secs(60);
const SECOND_LOOK: Duration = Duration::from_secs(10);
const LAST_LOOK: Duration = Duration::from_secs(15 * 60);

/// When an open transaction is due: one that nobody took yet, when a start must have failed.
const DUE: &str = "coalesce(look_at, created_at + make_interval(secs => $1))";

/// Polls until `stop`; not at all where one pays on our own page.
pub async fn run(app: App, stop: CancellationToken) {
    while !app.uses_own_pay_page() && !stop.is_cancelled() {
        let pause = match round(&app).await {
            Ok(pause) => pause,
            Err(problem) => {
                tracing::error!(status = problem.status().as_u16(), "a round of looking up failed");
                LONGEST
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = sleep(pause) => {}
            // What was started just now is due in a few seconds.
            () = async { sleep(SHORTEST).await; app.provider.news().await } => {}
        }
    }
}

/// Looks at what is due; how long nothing will be.
async fn round(app: &App) -> Result<Duration, Problem> {
    // The breaker lets one through when it is time.
    if !app.provider.is_down() {
        // Tasks of their own: whatever happens to one, the others and the next round go on.
        let attended = claim(app).await?.into_iter().map(|transaction| {
            let app = app.clone();
            tokio::spawn(async move { attend(&app, transaction).await })
        });
        join_all(attended).await;
    }
    pause(app).await
}

async fn attend(app: &App, transaction: Transaction) {
    let id = transaction.id.clone();
    let attended = async {
        match &transaction.provider_payment {
            Some(at) => follow(app, &transaction, at).await,
            None => start(app, transaction).await.map(drop),
        }
    };
    match timeout(ONE, attended).await {
        Ok(Ok(())) => {}
        Ok(Err(problem)) => {
            tracing::warn!(transaction = id, status = problem.status().as_u16(), "could not be looked up");
        }
        Err(_) => tracing::warn!(transaction = id, "took too long to look up"),
    }
}

/// Takes transactions that are due, and puts them off. Without an order: what is taken is not due for a
/// while, so that everything gets its turn.
async fn claim(app: &App) -> Result<Vec<Transaction>, Problem> {
    let columns = store::COLUMNS;
    let query = sqlx::AssertSqlSafe(format!(
        "UPDATE transactions t SET looks = t.looks + 1, look_at = now() + make_interval(secs => greatest( \
            $2[least(t.looks + 1, cardinality($2))], CASE WHEN t.provider_reference IS NULL THEN $1 END)) \
         FROM (SELECT id FROM transactions WHERE status = 'INITIAL' AND {DUE} <= now() \
               LIMIT $3 FOR UPDATE SKIP LOCKED) AS due \
         WHERE t.id = due.id RETURNING {columns}"
    ));
    let rows = sqlx::query(query).bind(RESTART.as_secs_f64()).bind(delays()).bind(BATCH);
    // One that cannot be read must not hold up the others.
    let read = |row| {
        store::transaction_from_row(row).inspect_err(|_| tracing::error!("a transaction cannot be read")).ok()
    };
    Ok(rows.fetch_all(&app.pool).await?.iter().filter_map(read).collect())
}

async fn pause(app: &App) -> Result<Duration, Problem> {
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT extract(epoch FROM min({DUE}) - now())::float8 FROM transactions WHERE status = 'INITIAL'"
    ));
    let next = sqlx::query_scalar(query).bind(RESTART.as_secs_f64());
    let seconds: Option<f64> = next.fetch_one(&app.pool).await?;
    Ok(seconds.map_or(LONGEST, within))
}

fn within(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default().clamp(SHORTEST, LONGEST)
}

/// Seconds after the first look and between every two that follow; the last one goes on for ever.
fn delays() -> Vec<f64> {
    let doubled = |before: &Duration| Some((*before * 2).min(LAST_LOOK)).filter(|next| next > before);
    std::iter::successors(Some(SECOND_LOOK), doubled).map(|delay| delay.as_secs_f64()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_come_ever_more_seldom_up_to_a_quarter_of_an_hour() {
        assert_eq!(delays(), [10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0, 900.0]);
    }

    #[test]
    fn a_round_waits_for_what_is_due_next_within_limits() {
        for (seconds, waited) in [(-7.0, 1), (0.2, 1), (5.0, 5), (900.0, 60), (f64::NAN, 1)] {
            assert_eq!(within(seconds), Duration::from_secs(waited));
        }
    }
}
