// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The daily settlement (Tagesabschluss): the payments of a day in German time, for the treasury's books.
//! `docs/treasury.md` describes the fields.

mod file;

use std::fmt;

use jiff::civil::Date;
use rathaus_contract::Municipality;
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgPool, Row};

use crate::money::{Cents, Sum};
use crate::request::Item;

/// The file format of a settlement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values (RFC 4180) for German spreadsheets, with semicolons and decimal commas.
    Csv,
    /// One JSON object (RFC 8259) per line.
    #[value(name = "jsonl")]
    JsonLines,
}

/// The number and sum of the payments of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySummary {
    /// The day in German time.
    pub day: Date,
    /// The number of payments.
    pub payments: i64,
    /// The sum of the payments in euros, with two decimals.
    pub amount: String,
    /// The number of payments that the treasury confirmed as booked.
    pub booked: i64,
}

/// The reason why a settlement could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, or this version of the module cannot read its content.
    #[error("the payments cannot be read from the database; try again")]
    Database(#[from] sqlx::Error),
    /// The transactions do not match the log of events, so they were changed outside of the module.
    #[error(
        "the settlement of {day} is withheld: {difference}; ask the operator of this service to compare them"
    )]
    Mismatch {
        /// The day in German time.
        day: Date,
        /// A description of both sides of the mismatch.
        difference: String,
    },
    /// Serializing the settlement failed.
    #[error("the file cannot be written")]
    NotWritable(#[from] std::io::Error),
}

/// A number of payments and their sum in euros, with two decimals, as PostgreSQL computes it.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
struct Total {
    payments: i64,
    amount: String,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} payments with a total of {} EUR", self.payments, self.amount)
    }
}

/// A payment of the day, without any data of the payer.
#[derive(Debug)]
struct Payment {
    receipt_number: String,
    transaction_id: String,
    end_point_id: String,
    originator_id: String,
    request_id: String,
    amount: String,
    paid_at: String,
    method: Option<String>,
    booked_on: Option<String>,
    items: Vec<Item>,
}

/// The payments of a day with the totals of each end point and of the day.
#[derive(Debug)]
struct Settlement<'a> {
    municipality: &'a Municipality,
    day: Date,
    payments: Vec<Payment>,
    end_points: Vec<(String, Total)>,
    total: Total,
}

/// The latest days (in German time) with payments, at most `limit`, the latest first.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn list_days(pool: &PgPool, limit: u16) -> sqlx::Result<Vec<DaySummary>> {
    let query = "SELECT (decided_at AT TIME ZONE 'Europe/Berlin')::date::text AS day, count(*) AS payments, \
                 sum(t.amount)::text AS amount, count(b.receipt_number) AS booked \
                 FROM transactions t LEFT JOIN bookings b USING (receipt_number) \
                 WHERE status = 'PAYED' GROUP BY 1 ORDER BY 1 DESC LIMIT $1";
    let summary = |row: PgRow| {
        let day: String = row.try_get("day")?;
        Ok(DaySummary {
            day: day.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))?,
            payments: row.try_get("payments")?,
            amount: row.try_get("amount")?,
            booked: row.try_get("booked")?,
        })
    };
    sqlx::query(query).bind(i64::from(limit)).try_map(summary).fetch_all(pool).await
}

/// Exports the settlement of a day in German time as a file. For the current day, it has the payments so
/// far.
///
/// # Errors
/// Fails if the database does not answer, or if the transactions do not match the append-only log of
/// events.
pub async fn export(
    pool: &PgPool,
    municipality: &Municipality,
    day: Date,
    format: Format,
) -> Result<Vec<u8>, Error> {
    // Payments and totals are read from one snapshot, so that they are of the same moment.
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let settlement = read_settlement(&mut snapshot, municipality, day).await?;
    snapshot.commit().await?;
    let file = match format {
        Format::Csv => file::to_csv(&settlement),
        Format::JsonLines => file::to_json_lines(&settlement),
    };
    Ok(file?)
}

async fn read_settlement<'a>(
    snapshot: &mut PgConnection,
    municipality: &'a Municipality,
    day: Date,
) -> Result<Settlement<'a>, Error> {
    let (end_points, total) = logged_totals(snapshot, day).await?;
    check_against_transactions(snapshot, day, &total).await?;
    let payments = read_payments(snapshot, day).await?;
    for payment in &payments {
        let items = payment
            .items
            .iter()
            .fold(Sum::default(), |sum, item| sum + item.total_net_amount + item.total_tax_amount);
        if Cents::parse(&payment.amount).is_ok_and(|amount| items != amount) {
            let (number, amount) = (&payment.receipt_number, &payment.amount);
            let difference = format!("{number} has an amount of {amount} EUR, but items of {items} EUR");
            return Err(Error::Mismatch { day, difference });
        }
    }
    Ok(Settlement { municipality, day, payments, end_points, total })
}

/// The totals of each end point and of the day, from the log of events.
async fn logged_totals(
    snapshot: &mut PgConnection,
    day: Date,
) -> sqlx::Result<(Vec<(String, Total)>, Total)> {
    let query = format!(
        "SELECT end_point_id, count(*) AS payments, COALESCE(sum(e.amount), 0)::numeric(20, 2)::text AS amount \
         FROM events e JOIN transactions t ON t.id = e.transaction_id \
         WHERE e.effective AND e.status = 'PAYED' AND {} \
         GROUP BY GROUPING SETS ((end_point_id), ()) ORDER BY end_point_id COLLATE \"C\" NULLS LAST",
        within_german_day("e.at")
    );
    let mut end_points = Vec::new();
    for row in query_for_day(query, day).fetch_all(&mut *snapshot).await? {
        match row.try_get("end_point_id")? {
            Some(end_point) => end_points.push((end_point, Total::from_row(&row)?)),
            None => return Ok((end_points, Total::from_row(&row)?)),
        }
    }
    Err(sqlx::Error::RowNotFound) // the empty grouping set always has its row
}

/// Checks that the log of events and the transactions have the same payments, with the same receipt numbers
/// and amounts.
///
/// # Errors
/// Fails with [`Error::Mismatch`] naming both totals and the first transaction that differs.
async fn check_against_transactions(
    snapshot: &mut PgConnection,
    day: Date,
    logged: &Total,
) -> Result<(), Error> {
    let query = format!(
        "SELECT count(*) AS payments, COALESCE(sum(amount), 0)::numeric(20, 2)::text AS amount \
         FROM transactions WHERE status = 'PAYED' AND {}",
        within_german_day("decided_at")
    );
    let stored = Total::from_row(&query_for_day(query, day).fetch_one(&mut *snapshot).await?)?;
    let query = format!(
        "SELECT COALESCE(id, transaction_id) AS id FROM \
         (SELECT id, receipt_number, amount FROM transactions WHERE status = 'PAYED' AND {}) t FULL JOIN \
         (SELECT transaction_id, receipt_number, amount FROM events \
          WHERE effective AND status = 'PAYED' AND {}) e ON t.id = e.transaction_id \
         WHERE (t.receipt_number = e.receipt_number AND t.amount = e.amount) IS NOT TRUE ORDER BY 1 LIMIT 1",
        within_german_day("decided_at"),
        within_german_day("at")
    );
    let first = query_for_day(query, day).fetch_optional(&mut *snapshot).await?;
    let first: Option<String> = first.map(|row| row.try_get("id")).transpose()?;
    if *logged == stored && first.is_none() {
        return Ok(());
    }
    let first = first.map(|id| format!(", first at transaction {id}")).unwrap_or_default();
    let difference = format!("the log of events has {logged}, the transactions have {stored}{first}");
    Err(Error::Mismatch { day, difference })
}

async fn read_payments(snapshot: &mut PgConnection, day: Date) -> sqlx::Result<Vec<Payment>> {
    let query = format!(
        "SELECT receipt_number, id, end_point_id, originator_id, request_id, t.amount::text AS amount, \
         to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS paid_at, \
         payment_method, booked_on::text AS booked_on, request \
         FROM transactions t LEFT JOIN bookings b USING (receipt_number) \
         WHERE status = 'PAYED' AND {} ORDER BY receipt_number COLLATE \"C\"",
        within_german_day("decided_at")
    );
    query_for_day(query, day).try_map(|row| payment_from_row(&row)).fetch_all(snapshot).await
}

fn payment_from_row(row: &PgRow) -> sqlx::Result<Payment> {
    /// The part of a stored request that goes into the books.
    #[derive(Deserialize)]
    struct StoredRequest {
        items: Vec<Item>,
    }
    let request: String = row.try_get("request")?;
    let request: StoredRequest =
        serde_json::from_str(&request).map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
    Ok(Payment {
        receipt_number: row.try_get("receipt_number")?,
        transaction_id: row.try_get("id")?,
        end_point_id: row.try_get("end_point_id")?,
        originator_id: row.try_get("originator_id")?,
        request_id: row.try_get("request_id")?,
        amount: row.try_get("amount")?,
        paid_at: row.try_get("paid_at")?,
        method: row.try_get("payment_method")?,
        booked_on: row.try_get("booked_on")?,
        items: request.items,
    })
}

/// An SQL condition: the timestamp `time` is within the day `$1` in German time. Days on which the clocks
/// change have 23 or 25 hours.
fn within_german_day(time: &str) -> String {
    format!(
        "{time} >= ($1::date::timestamp AT TIME ZONE 'Europe/Berlin') \
         AND {time} < (($1::date + 1)::timestamp AT TIME ZONE 'Europe/Berlin')"
    )
}

/// A query whose parameter `$1` is the day.
fn query_for_day(
    query: String,
    day: Date,
) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(sqlx::AssertSqlSafe(query)).bind(day.to_string())
}
