// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the books look like, for whoever watches them. Read from the database every half a minute: a
//! scrape never waits for it, and a gauge of its own says how old the others are.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rathaus_contract::EPayment;
use sqlx::{PgPool, Row};
use tokio_util::sync::CancellationToken;

use crate::receipt;
use crate::transaction::Status;

const PAUSE: Duration = Duration::from_secs(30);

/// Gauges of what is in the database; every pod has the same.
#[derive(Clone, Default)]
pub struct BookMetrics {
    transactions: Family<State, Gauge>,
    oldest_initial: Gauge,
    unbooked: Gauge,
    payer_data_overdue: Gauge,
    receipt_numbers_left: Family<Range, Gauge>,
    read_at: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Range {
    end_point: String,
}

impl BookMetrics {
    /// Registers the gauges under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("transactions", "Transactions, by state", self.transactions.clone());
        let help = "Age of the oldest transaction that is INITIAL, 0 without one";
        registry.register("oldest_initial_seconds", help, self.oldest_initial.clone());
        let help = "Payments that the treasury did not confirm as booked";
        registry.register("unbooked_payments", help, self.unbooked.clone());
        let help = "For how long the oldest payer's data should have been erased, 0 if not yet; at most an hour \
                    while the erasure works";
        registry.register("payer_data_overdue_seconds", help, self.payer_data_overdue.clone());
        let help =
            "Receipt numbers left in an end point's range, negative where they are longer than configured";
        registry.register("receipt_numbers_left", help, self.receipt_numbers_left.clone());
        let help = "When transactions and the like were last read from the database, in Unix time";
        registry.register("books_read_timestamp_seconds", help, self.read_at.clone());
    }

    /// Reads them again and again until `stop`.
    pub async fn run(self, pool: PgPool, config: Arc<EPayment>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                read = self.read(&pool, &config) => {
                    if let Err(error) = read {
                        tracing::warn!(%error, "the books cannot be read for the metrics");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    async fn read(&self, pool: &PgPool, config: &EPayment) -> sqlx::Result<()> {
        // As the indexes have them: this is asked often, and the table may be long.
        let states = "SELECT status, count(*) FROM transactions WHERE status <> 'INITIAL' GROUP BY status \
                      UNION ALL SELECT 'INITIAL', count(*) FROM transactions WHERE status = 'INITIAL'";
        let states: Vec<(String, i64)> = sqlx::query_as(states).fetch_all(pool).await?;
        let ranges = "SELECT end_point_id, prefix, last FROM receipt_ranges";
        let ranges: Vec<(String, String, i64)> = sqlx::query_as(ranges).fetch_all(pool).await?;
        let rest = "SELECT \
            (SELECT COALESCE(extract(epoch FROM now() - min(created_at)), 0)::bigint \
             FROM transactions WHERE status = 'INITIAL') AS oldest_initial, \
            (SELECT count(*) FROM transactions WHERE receipt_number IS NOT NULL) \
             - (SELECT count(*) FROM bookings) AS unbooked, \
            (SELECT COALESCE(GREATEST(extract(epoch FROM now() - make_interval(days => $1) - min(created_at)), 0), 0)::bigint \
             FROM transactions WHERE erased_at IS NULL) AS overdue, \
            extract(epoch FROM now())::bigint AS read_at";
        let rest = sqlx::query(rest).bind(i32::from(config.payer_data_days)).fetch_one(pool).await?;

        for status in Status::ALL.map(Status::as_str) {
            let count = states.iter().find(|(stored, _)| stored == status).map_or(0, |(_, count)| *count);
            self.transactions.get_or_create(&State { status }).set(count);
        }
        for end_point in &config.end_points {
            let receipts = &end_point.receipts;
            let last = ranges
                .iter()
                .find(|(id, prefix, _)| *id == end_point.id && *prefix == receipts.prefix)
                .map_or(0, |(_, _, last)| *last);
            let range = Range { end_point: end_point.id.clone() };
            self.receipt_numbers_left.get_or_create(&range).set(receipt::capacity(receipts) - last);
        }
        self.oldest_initial.set(rest.try_get("oldest_initial")?);
        self.unbooked.set(rest.try_get("unbooked")?);
        self.payer_data_overdue.set(rest.try_get("overdue")?);
        self.read_at.set(rest.try_get("read_at")?);
        Ok(())
    }
}
