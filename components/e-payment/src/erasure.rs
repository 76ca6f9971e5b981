// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Erasure of payer data (Art. 5 (1) e GDPR). Everything that the books need stays.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// How often the module searches for data to erase. Hourly is enough, since the retention period is in days.
const ERASURE_INTERVAL: Duration = Duration::from_secs(3600);
/// How long to wait after a database error.
const RETRY_INTERVAL: Duration = Duration::from_secs(60);
/// How many transactions one statement changes. It is small, so that no payment has to wait for locks.
const BATCH_SIZE: u32 = 500;

/// Removes `requestor` and `redirectUrl` from the stored request; its other fields stay unchanged, in their
/// order and to the digit. The idempotency keys are deleted because clients may have put the payer's name
/// into them, and the provider's details because they may contain an account or an address.
///
/// Locked rows are skipped, because another pod is deciding or erasing them. The next run handles them.
const ERASE_BATCH: &str = "WITH old AS MATERIALIZED ( \
        SELECT id FROM transactions WHERE erased_at IS NULL AND created_at < now() - make_interval(days => $1) \
        ORDER BY created_at LIMIT $2 FOR UPDATE SKIP LOCKED), \
    keys AS (DELETE FROM idempotency_keys USING old WHERE transaction_id = old.id) \
    UPDATE transactions t SET erased_at = now(), payment_method_detail = NULL, status_detail = NULL, \
        request = (SELECT '{' || string_agg(to_json(key)::text || ':' || value::text, ',' ORDER BY place) || '}' \
                   FROM json_each(t.request::json) WITH ORDINALITY AS field (key, value, place) \
                   WHERE key NOT IN ('requestor', 'redirectUrl')) \
    FROM old WHERE t.id = old.id";

/// Erases payer data hourly until `stop` is cancelled. Every pod does this; they share the work.
pub async fn run(pool: PgPool, days: u16, stop: CancellationToken) {
    loop {
        let erased = tokio::select! {
            () = stop.cancelled() => return,
            erased = erase(&pool, days) => erased,
        };
        let pause = match erased {
            Ok(0) => ERASURE_INTERVAL,
            Ok(transactions) => {
                tracing::info!(transactions, days, "erased payer data");
                ERASURE_INTERVAL
            }
            Err(error) => {
                tracing::error!(%error, "cannot erase payer data; trying again");
                RETRY_INTERVAL
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Erases the payer data of transactions that were created more than `days` days ago and returns the number
/// of these transactions. It may be interrupted at any moment and called again.
///
/// A transaction that was never decided stays `INITIAL`, because the provider may still report it as paid,
/// and then it must be booked.
///
/// # Errors
/// Fails if the database does not answer. Batches that were erased before stay erased.
pub async fn erase(pool: &PgPool, days: u16) -> sqlx::Result<u64> {
    let mut total = 0;
    loop {
        let batch =
            sqlx::query(ERASE_BATCH).bind(i32::from(days)).bind(i64::from(BATCH_SIZE)).execute(pool).await?;
        total += batch.rows_affected();
        if batch.rows_affected() < u64::from(BATCH_SIZE) {
            return Ok(total);
        }
    }
}
