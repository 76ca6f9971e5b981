// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Gauges of the books: transactions, bookings, receipt numbers and the erasure of payer data. They are
//! read from the database every 30 seconds, so that a scrape never waits for the database. A separate gauge
//! has the time of the last read.

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

const READ_INTERVAL: Duration = Duration::from_secs(30);

/// Gauges of the database's content; every pod exports the same values.
#[derive(Clone, Default)]
pub struct BookMetrics {
    transactions: Family<StatusLabel, Gauge>,
    oldest_initial: Gauge,
    unbooked: Gauge,
    payer_data_overdue: Gauge,
    receipt_numbers_left: Family<EndPointLabel, Gauge>,
    read_at: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndPointLabel {
    end_point: String,
}

impl BookMetrics {
    /// Registers the gauges under their names.
    pub fn register(&self, registry: &mut Registry) {
        registry.register("transactions", "Transactions, by state", self.transactions.clone());
        let help = "Age of the oldest transaction that is INITIAL, 0 without one";
        registry.register("oldest_initial_seconds", help, self.oldest_initial.clone());
        let help = "Payments that the treasury has not confirmed as booked";
        registry.register("unbooked_payments", help, self.unbooked.clone());
        let help = "How long ago the oldest payer data should have been erased, 0 if none is overdue; at most an \
                    hour while the erasure works";
        registry.register("payer_data_overdue_seconds", help, self.payer_data_overdue.clone());
        let help =
            "Receipt numbers left in an end point's range, negative if numbers are longer than configured";
        registry.register("receipt_numbers_left", help, self.receipt_numbers_left.clone());
        let help = "When these metrics were last read from the database, in Unix time";
        registry.register("books_read_timestamp_seconds", help, self.read_at.clone());
    }

    /// Updates the gauges every [`READ_INTERVAL`] until `stop` is cancelled.
    pub async fn run(self, pool: PgPool, settings: Arc<EPayment>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                read = self.read(&pool, &settings) => {
                    if let Err(error) = read {
                        tracing::warn!(%error, "cannot read the books for the metrics");
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(READ_INTERVAL) => {}
            }
        }
    }

    async fn read(&self, pool: &PgPool, settings: &EPayment) -> sqlx::Result<()> {
        // The queries match partial indexes, because they run often and the table may be large.
        let states = "SELECT status, count(*) FROM transactions WHERE status <> 'INITIAL' GROUP BY status \
                      UNION ALL SELECT 'INITIAL', count(*) FROM transactions WHERE status = 'INITIAL'";
        let states: Vec<(String, i64)> = sqlx::query_as(states).fetch_all(pool).await?;
        let ranges = "SELECT end_point_id, prefix, last FROM receipt_ranges";
        let ranges: Vec<(String, String, i64)> = sqlx::query_as(ranges).fetch_all(pool).await?;
        let gauges = "SELECT \
            (SELECT COALESCE(extract(epoch FROM now() - min(created_at)), 0)::bigint \
             FROM transactions WHERE status = 'INITIAL') AS oldest_initial, \
            (SELECT count(*) FROM transactions WHERE receipt_number IS NOT NULL) \
             - (SELECT count(*) FROM bookings) AS unbooked, \
            (SELECT COALESCE(GREATEST(extract(epoch FROM now() - make_interval(days => $1) - min(created_at)), 0), 0)::bigint \
             FROM transactions WHERE erased_at IS NULL) AS overdue, \
            extract(epoch FROM now())::bigint AS read_at";
        let gauges = sqlx::query(gauges).bind(i32::from(settings.payer_data_days)).fetch_one(pool).await?;

        for status in Status::ALL.map(Status::as_str) {
            let count = states.iter().find(|(stored, _)| stored == status).map_or(0, |(_, count)| *count);
            self.transactions.get_or_create(&StatusLabel { status }).set(count);
        }
        for end_point in &settings.end_points {
            let receipts = &end_point.receipts;
            let last = ranges
                .iter()
                .find(|(id, prefix, _)| *id == end_point.id && *prefix == receipts.prefix)
                .map_or(0, |(_, _, last)| *last);
            let label = EndPointLabel { end_point: end_point.id.clone() };
            self.receipt_numbers_left.get_or_create(&label).set(receipt::max_running_number(receipts) - last);
        }
        self.oldest_initial.set(gauges.try_get("oldest_initial")?);
        self.unbooked.set(gauges.try_get("unbooked")?);
        self.payer_data_overdue.set(gauges.try_get("overdue")?);
        self.read_at.set(gauges.try_get("read_at")?);
        Ok(())
    }
}
