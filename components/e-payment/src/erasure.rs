// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Forgetting who paid (Art. 5 (1) e DSGVO), and nothing that the books need.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How often is looked for what is to be forgotten; the promise is in days.
const PAUSE: Duration = Duration::from_secs(3600);
/// After a database that did not answer.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(60);
/// Transactions changed at a time, so that no statement is long and no payment waits for it.
const BATCH: u32 = 500;

/// Takes requestor and redirectUrl out of the request, whose other fields stay in their order and to
/// the digit, and the clients' idempotency keys, with which they could name who paid. Providers' words
/// go, too: they may hold an account or an address.
///
/// What is locked is being decided or erased by another pod, and is left to the next time.
const ERASE: &str = "WITH old AS MATERIALIZED ( \
        SELECT id FROM transactions WHERE erased_at IS NULL AND created_at < now() - make_interval(days => $1) \
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
    keys AS (DELETE FROM idempotency_keys USING old WHERE transaction_id = old.id) \
    UPDATE transactions t SET erased_at = now(), payment_method_detail = NULL, status_detail = NULL, \
        request = (SELECT '{' || string_agg(to_json(key)::text || ':' || value::text, ',' ORDER BY place) || '}' \
                   FROM json_each(t.request::json) WITH ORDINALITY AS field (key, value, place) \
                   WHERE key NOT IN ('requestor', 'redirectUrl')) \
    FROM old WHERE t.id = old.id";

/// Erases hourly until `stop`. Every pod does so, and none does another's work.
pub async fn run(pool: PgPool, days: u16, stop: CancellationToken) {
    loop {
        let erased = tokio::select! {
            () = stop.cancelled() => return,
            erased = erase(&pool, days) => erased,
        };
        let pause = match erased {
            Ok(0) => PAUSE,
            Ok(transactions) => {
                tracing::info!(transactions, days, "payers forgotten");
                PAUSE
            }
            Err(error) => {
                tracing::error!(%error, "payers cannot be forgotten; trying again");
                PAUSE_AFTER_FAILURE
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Erases the payers of transactions made more than `days` days ago; the number of transactions. It
/// may be stopped at any moment and called again.
///
/// A transaction that was never decided stays `INITIAL`: a provider may still report it as paid, and
/// what was paid must be booked.
///
/// # Errors
/// The database does not answer; what was erased before stays erased.
pub async fn erase(pool: &PgPool, days: u16) -> sqlx::Result<u64> {
    let mut total = 0;
    loop {
        let batch = sqlx::query(ERASE).bind(i32::from(days)).bind(i64::from(BATCH)).execute(pool).await?;
        total += batch.rows_affected();
        if batch.rows_affected() < u64::from(BATCH) {
            return Ok(total);
        }
    }
}
