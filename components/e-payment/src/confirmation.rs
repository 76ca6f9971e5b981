// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Import of the treasury's confirmation: a file with the payments that the treasury booked, and on which
//! day. `docs/treasury.md` describes the fields.

mod file;

use std::collections::HashMap;
use std::io;

use jiff::civil::Date;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Row};

use crate::money::Cents;
use file::Line;

/// The result of an import.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The number of payments that this import marked as booked.
    pub booked: u64,
    /// The number of lines that repeat an earlier confirmation and change nothing.
    pub repeated: u64,
    /// The invalid lines, in the order of the file.
    pub refused: Vec<RefusedLine>,
}

/// A line of the file that was not imported because it is invalid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RefusedLine {
    /// The number of the line in the file; the header is line 1.
    pub line: u64,
    /// The field and what is wrong with it.
    pub reason: String,
}

/// The reason why an import failed as a whole. No line of the file was imported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is not a confirmation, with the reason.
    #[error("{0}")]
    NotAConfirmation(String),
    /// Reading the file failed.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// The database does not answer.
    #[error("the database does not answer; try again")]
    Database(#[from] sqlx::Error),
}

/// A payment in the module's books, against which the lines of a confirmation are checked.
#[derive(Clone, Debug)]
struct BookedPayment {
    amount: Cents,
    payed_on: Date,
    /// The day that the treasury confirmed; `None` if it has not confirmed the payment yet.
    booked_on: Option<Date>,
}

/// The effect of a valid line.
#[derive(Debug, PartialEq, Eq)]
enum LineEffect {
    /// The payment is marked as booked.
    New,
    /// The payment was marked as booked on the same day before.
    Repeated,
}

/// Imports a confirmation and records the person or program `imported_by` with the bookings.
///
/// An invalid line does not stop the others: the valid lines are imported, and since repeated lines change
/// nothing, the corrected file can be imported as a whole. All lines are imported in one database
/// transaction. If the database fails, nothing is imported, so the report is always true.
///
/// # Errors
/// Fails if the file cannot be read or is not a confirmation, or if the database does not answer. In these
/// cases, nothing was imported.
pub async fn import(pool: &PgPool, reader: impl io::Read, imported_by: &str) -> Result<Report, Error> {
    let lines = file::parse_file(reader)?;
    let mut transaction = pool.begin().await?;
    // The lock makes concurrent imports wait for each other, so that the loaded payments stay up to date. It
    // does not block readers.
    sqlx::query("LOCK TABLE bookings IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let today = german_today(&mut transaction).await?;
    let mut payments = load_payments(&mut transaction, &lines).await?;
    let mut report = Report::default();
    let mut new = Vec::new();
    for (line, parsed) in lines {
        let checked =
            parsed.and_then(|parsed| check_line(&parsed, &payments, today).map(|effect| (parsed, effect)));
        match checked {
            Ok((parsed, LineEffect::New)) => {
                if let Some(payment) = payments.get_mut(&parsed.receipt_number) {
                    payment.booked_on = Some(parsed.booked_on);
                }
                report.booked += 1;
                new.push(parsed);
            }
            Ok((_, LineEffect::Repeated)) => report.repeated += 1,
            Err(reason) => report.refused.push(RefusedLine { line, reason }),
        }
    }
    insert_bookings(&mut transaction, &new, imported_by).await?;
    transaction.commit().await?;
    Ok(report)
}

/// Checks a line against the payment with its receipt number.
///
/// # Errors
/// Fails with the field and what is wrong with it.
fn check_line(
    line: &Line,
    payments: &HashMap<String, BookedPayment>,
    today: Date,
) -> Result<LineEffect, String> {
    let Line { receipt_number, amount, booked_on } = line;
    let Some(payment) = payments.get(receipt_number) else {
        return Err(format!("no payment has the receiptNumber {receipt_number:?}"));
    };
    if payment.amount != *amount {
        return Err(format!("amount is {amount}, but the amount of {receipt_number} is {}", payment.amount));
    }
    match payment.booked_on {
        Some(earlier) if earlier == *booked_on => return Ok(LineEffect::Repeated),
        Some(earlier) => {
            return Err(format!(
                "bookedOn is {booked_on}, but {receipt_number} was already confirmed as booked on {earlier}"
            ));
        }
        None => {}
    }
    if *booked_on < payment.payed_on {
        return Err(format!(
            "bookedOn is {booked_on}, but {receipt_number} was paid later, on {}",
            payment.payed_on
        ));
    }
    if *booked_on > today {
        return Err(format!("bookedOn is {booked_on}, but today is {today}"));
    }
    Ok(LineEffect::New)
}

/// The current day in German time, by the clock of the database.
async fn german_today(connection: &mut PgConnection) -> sqlx::Result<Date> {
    let query = "SELECT (now() AT TIME ZONE 'Europe/Berlin')::date::text";
    parse_date(&sqlx::query_scalar::<_, String>(query).fetch_one(connection).await?)
}

/// The payments with the receipt numbers of the lines, by receipt number.
async fn load_payments(
    connection: &mut PgConnection,
    lines: &[(u64, Result<Line, String>)],
) -> sqlx::Result<HashMap<String, BookedPayment>> {
    let numbers: Vec<&str> =
        lines.iter().filter_map(|(_, line)| Some(line.as_ref().ok()?.receipt_number.as_str())).collect();
    let query = "SELECT receipt_number, t.amount::text AS amount, booked_on::text AS booked_on, \
                 (decided_at AT TIME ZONE 'Europe/Berlin')::date::text AS payed_on \
                 FROM transactions t LEFT JOIN bookings b USING (receipt_number) \
                 WHERE status = 'PAYED' AND receipt_number = ANY($1)";
    let rows = sqlx::query(query).bind(numbers).fetch_all(connection).await?;
    let payments = rows.iter().map(|row| {
        let amount: String = row.try_get("amount")?;
        let payed_on: String = row.try_get("payed_on")?;
        let booked_on: Option<String> = row.try_get("booked_on")?;
        let payment = BookedPayment {
            amount: Cents::parse(&amount).map_err(|error| sqlx::Error::Decode(error.into()))?,
            payed_on: parse_date(&payed_on)?,
            booked_on: booked_on.as_deref().map(parse_date).transpose()?,
        };
        Ok((row.try_get("receipt_number")?, payment))
    });
    payments.collect()
}

async fn insert_bookings(
    connection: &mut PgConnection,
    lines: &[Line],
    imported_by: &str,
) -> sqlx::Result<()> {
    let numbers: Vec<&str> = lines.iter().map(|line| line.receipt_number.as_str()).collect();
    let days: Vec<String> = lines.iter().map(|line| line.booked_on.to_string()).collect();
    let amounts: Vec<String> = lines.iter().map(|line| line.amount.to_string()).collect();
    let insert = "INSERT INTO bookings (receipt_number, booked_on, amount, imported_by) \
                  SELECT number, day::date, amount::numeric, $4 \
                  FROM unnest($1::text[], $2::text[], $3::text[]) AS line (number, day, amount)";
    sqlx::query(insert).bind(numbers).bind(days).bind(amounts).bind(imported_by).execute(connection).await?;
    Ok(())
}

fn parse_date(stored: &str) -> sqlx::Result<Date> {
    stored.parse().map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn payments(booked_on: Option<Date>) -> HashMap<String, BookedPayment> {
        let amount = Cents::parse("28.80").unwrap();
        [("PA-1".to_owned(), BookedPayment { amount, payed_on: date(2026, 11, 24), booked_on })].into()
    }

    fn line(number: &str, amount: &str, booked_on: Date) -> Line {
        Line { receipt_number: number.to_owned(), amount: Cents::parse(amount).unwrap(), booked_on }
    }

    #[test]
    fn lines_are_new_repeated_or_refused_with_a_reason() {
        let (today, yesterday) = (date(2026, 11, 25), date(2026, 11, 24));
        let check = |booked_on, line: Line| check_line(&line, &payments(booked_on), today);
        assert_eq!(check(None, line("PA-1", "28.80", today)), Ok(LineEffect::New));
        assert_eq!(check(None, line("PA-1", "28.80", yesterday)), Ok(LineEffect::New));
        assert_eq!(check(Some(today), line("PA-1", "28.80", today)), Ok(LineEffect::Repeated));
        for (booked_on, line, reason) in [
            (None, line("PA-2", "28.80", today), "no payment has the receiptNumber \"PA-2\""),
            (None, line("PA-1", "28.81", today), "amount is 28.81, but the amount of PA-1 is 28.80"),
            (
                Some(yesterday),
                line("PA-1", "28.80", today),
                "bookedOn is 2026-11-25, but PA-1 was already confirmed as booked on 2026-11-24",
            ),
            (
                None,
                line("PA-1", "28.80", date(2026, 11, 23)),
                "bookedOn is 2026-11-23, but PA-1 was paid later, on 2026-11-24",
            ),
            (
                None,
                line("PA-1", "28.80", date(2026, 11, 26)),
                "bookedOn is 2026-11-26, but today is 2026-11-25",
            ),
        ] {
            assert_eq!(check(booked_on, line), Err(reason.to_owned()));
        }
    }
}
