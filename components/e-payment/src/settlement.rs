// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The daily settlement (Tagesabschluss): what was paid on a German day, for the treasury's books.
//! `docs/treasury.md` has the fields.

mod file;

use std::fmt;

use jiff::civil::Date;
use rathaus_contract::Municipality;
use serde::Deserialize;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, PgConnection, PgPool, Row};

use crate::money::{Cents, Sum};
use crate::request::Item;

/// What the settlement is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Comma-separated values (RFC 4180) as German spreadsheets read them: semicolons, decimal commas.
    Csv,
    /// One JSON object (RFC 8259) a line.
    #[value(name = "jsonl")]
    JsonLines,
}

/// A day on which something was paid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DaySummary {
    /// The German day.
    pub day: Date,
    /// How many payments.
    pub payments: i64,
    /// Their sum in euros, two decimals.
    pub amount: String,
    /// How many of them the treasury confirmed as booked.
    pub booked: i64,
}

/// Why there is no settlement.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database does not answer, or with what this version cannot read.
    #[error("the payments cannot be read from the database; try again")]
    Database(#[from] sqlx::Error),
    /// Somebody changed what is kept behind the module's back.
    #[error(
        "the settlement of {day} is withheld: {difference}; let the operator of this service compare them"
    )]
    Differs {
        /// The German day.
        day: Date,
        /// What differs from what.
        difference: String,
    },
    /// Not what this version writes.
    #[error("the file cannot be written")]
    Unwritable(#[from] std::io::Error),
}

/// A number of payments and their sum in euros, two decimals, as PostgreSQL adds it up.
#[derive(Clone, Debug, PartialEq, Eq, FromRow)]
struct Total {
    payments: i64,
    amount: String,
}

impl fmt::Display for Total {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} payments of together {} EUR", self.payments, self.amount)
    }
}

/// A payment of the day. There is nothing in it of who paid.
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

/// The day's payments with totals by end point and of all.
#[derive(Debug)]
struct Settlement<'a> {
    town: &'a Municipality,
    day: Date,
    payments: Vec<Payment>,
    end_points: Vec<(String, Total)>,
    total: Total,
}

/// The latest `n` German days on which something was paid, the latest first.
///
/// # Errors
/// The database does not answer.
pub async fn days(pool: &PgPool, n: u16) -> sqlx::Result<Vec<DaySummary>> {
    let query = "SELECT (decided_at AT TIME ZONE 'Europe/Berlin')::date::text AS day, count(*) AS payments, \
                 sum(t.amount)::text AS amount, count(b.receipt_number) AS booked \
                 FROM transactions t LEFT JOIN bookings b USING (receipt_number) \
                 WHERE status = 'PAYED' GROUP BY 1 ORDER BY 1 DESC LIMIT $1";
    let summary = |row: PgRow| {
        let day: String = row.try_get("day")?;
        Ok(DaySummary {
            day: day.parse().map_err(|wrong| sqlx::Error::Decode(Box::new(wrong)))?,
            payments: row.try_get("payments")?,
            amount: row.try_get("amount")?,
            booked: row.try_get("booked")?,
        })
    };
    sqlx::query(query).bind(i64::from(n)).try_map(summary).fetch_all(pool).await
}

/// The settlement of a German day, as a file. Of a day that is not over it is what was paid so far.
///
/// # Errors
/// What is kept is not what the append-only log of events says: then there is no file.
pub async fn export(pool: &PgPool, town: &Municipality, day: Date, format: Format) -> Result<Vec<u8>, Error> {
    // One snapshot: payments and totals are of the same moment.
    let mut snapshot = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY").await?;
    let settlement = read(&mut snapshot, town, day).await?;
    snapshot.commit().await?;
    let written = match format {
        Format::Csv => file::csv(&settlement),
        Format::JsonLines => file::json_lines(&settlement),
    };
    Ok(written?)
}

async fn read<'a>(
    snapshot: &mut PgConnection,
    town: &'a Municipality,
    day: Date,
) -> Result<Settlement<'a>, Error> {
    let (end_points, total) = totals(snapshot, day).await?;
    compare(snapshot, day, &total).await?;
    let payments = payments(snapshot, day).await?;
    for payment in &payments {
        let items = payment
            .items
            .iter()
            .fold(Sum::default(), |sum, item| sum + item.total_net_amount + item.total_tax_amount);
        if Cents::parse(&payment.amount).is_ok_and(|amount| items != amount) {
            let (number, amount) = (&payment.receipt_number, &payment.amount);
            let difference = format!("{number} is of {amount} EUR, and its items of {items} EUR");
            return Err(Error::Differs { day, difference });
        }
    }
    Ok(Settlement { town, day, payments, end_points, total })
}

/// What the log of events says, by end point and of all.
async fn totals(snapshot: &mut PgConnection, day: Date) -> sqlx::Result<(Vec<(String, Total)>, Total)> {
    let query = format!(
        "SELECT end_point_id, count(*) AS payments, COALESCE(sum(e.amount), 0)::numeric(20, 2)::text AS amount \
         FROM events e JOIN transactions t ON t.id = e.transaction_id \
         WHERE e.effective AND e.status = 'PAYED' AND {} \
         GROUP BY GROUPING SETS ((end_point_id), ()) ORDER BY end_point_id COLLATE \"C\" NULLS LAST",
        on_the_day("e.at")
    );
    let mut end_points = Vec::new();
    for row in query_of(query, day).fetch_all(&mut *snapshot).await? {
        match row.try_get("end_point_id")? {
            Some(end_point) => end_points.push((end_point, Total::from_row(&row)?)),
            None => return Ok((end_points, Total::from_row(&row)?)),
        }
    }
    Err(sqlx::Error::RowNotFound) // the empty grouping set always has its row
}

/// Each payment must be in both, with the same receipt number and amount.
async fn compare(snapshot: &mut PgConnection, day: Date, logged: &Total) -> Result<(), Error> {
    let query = format!(
        "SELECT count(*) AS payments, COALESCE(sum(amount), 0)::numeric(20, 2)::text AS amount \
         FROM transactions WHERE status = 'PAYED' AND {}",
        on_the_day("decided_at")
    );
    let kept = Total::from_row(&query_of(query, day).fetch_one(&mut *snapshot).await?)?;
    let query = format!(
        "SELECT COALESCE(id, transaction_id) AS id FROM \
         (SELECT id, receipt_number, amount FROM transactions WHERE status = 'PAYED' AND {}) t FULL JOIN \
         (SELECT transaction_id, receipt_number, amount FROM events \
          WHERE effective AND status = 'PAYED' AND {}) e ON t.id = e.transaction_id \
         WHERE (t.receipt_number = e.receipt_number AND t.amount = e.amount) IS NOT TRUE ORDER BY 1 LIMIT 1",
        on_the_day("decided_at"),
        on_the_day("at")
    );
    let first = query_of(query, day).fetch_optional(&mut *snapshot).await?;
    let first: Option<String> = first.map(|row| row.try_get("id")).transpose()?;
    if *logged == kept && first.is_none() {
        return Ok(());
    }
    let first = first.map(|id| format!(", first at transaction {id}")).unwrap_or_default();
    let difference = format!("the log of events has {logged}, the transactions have {kept}{first}");
    Err(Error::Differs { day, difference })
}

async fn payments(snapshot: &mut PgConnection, day: Date) -> sqlx::Result<Vec<Payment>> {
    let query = format!(
        "SELECT receipt_number, id, end_point_id, originator_id, request_id, t.amount::text AS amount, \
         to_char(decided_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"') AS paid_at, \
         payment_method, booked_on::text AS booked_on, request \
         FROM transactions t LEFT JOIN bookings b USING (receipt_number) \
         WHERE status = 'PAYED' AND {} ORDER BY receipt_number COLLATE \"C\"",
        on_the_day("decided_at")
    );
    query_of(query, day).try_map(|row| payment(&row)).fetch_all(snapshot).await
}

fn payment(row: &PgRow) -> sqlx::Result<Payment> {
    /// What of a request goes into the books.
    #[derive(Deserialize)]
    struct Booked {
        items: Vec<Item>,
    }
    let request: String = row.try_get("request")?;
    let booked: Booked =
        serde_json::from_str(&request).map_err(|wrong| sqlx::Error::Decode(Box::new(wrong)))?;
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
        items: booked.items,
    })
}

/// That a time is on the German day `$1`, be it of 23, 24 or 25 hours.
fn on_the_day(time: &str) -> String {
    format!(
        "{time} >= ($1::date::timestamp AT TIME ZONE 'Europe/Berlin') \
         AND {time} < (($1::date + 1)::timestamp AT TIME ZONE 'Europe/Berlin')"
    )
}

fn query_of(
    query: String,
    day: Date,
) -> sqlx::query::Query<'static, sqlx::Postgres, sqlx::postgres::PgArguments> {
    sqlx::query(sqlx::AssertSqlSafe(query)).bind(day.to_string())
}
