// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The treasury's confirmation: a file that says which payments it booked, and when.
//! `docs/treasury.md` has the fields.

mod file;

use std::collections::HashMap;
use std::io;

use jiff::civil::Date;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, Row};

use crate::money::Cents;
use file::Line;

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Payments that are booked now and were not before.
    pub booked: u64,
    /// Lines that say what is known already.
    pub repeated: u64,
    /// Lines that changed nothing, in their order.
    pub refused: Vec<Refusal>,
}

/// A line that changed nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Its number in the file; the header is line 1.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Why a file was not imported; then nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not a confirmation file at all.
    #[error("{0}")]
    NotAConfirmation(String),
    /// It cannot be read.
    #[error("the file cannot be read")]
    Unreadable(#[from] io::Error),
    /// The database does not answer.
    #[error("the database does not answer; try again")]
    Database(#[from] sqlx::Error),
}

/// A payment as the module knows it.
#[derive(Clone, Debug)]
struct Known {
    amount: Cents,
    payed_on: Date,
    booked_on: Option<Date>,
}

/// What a good line means.
#[derive(Debug, PartialEq, Eq)]
enum Meaning {
    New,
    Repeated,
}

/// Imports a confirmation for the person or program `by`.
///
/// A wrong line holds nobody else's up: good lines are booked, and since a repetition does no harm the
/// corrected file can be imported as a whole. All that is booked is so in one transaction: if the
/// database goes away nothing is, and the report is what happened.
///
/// # Errors
/// Nothing was imported.
pub async fn import(pool: &PgPool, reader: impl io::Read, by: &str) -> Result<Report, Error> {
    let lines = file::read(reader)?;
    let mut transaction = pool.begin().await?;
    // Imports wait for each other, so that what is looked up stays true; readers wait for none.
    sqlx::query("LOCK TABLE bookings IN SHARE ROW EXCLUSIVE MODE").execute(&mut *transaction).await?;
    let today = today(&mut transaction).await?;
    let mut known = look_up(&mut transaction, &lines).await?;
    let mut report = Report::default();
    let mut new = Vec::new();
    for (line, parsed) in lines {
        let judged = parsed.and_then(|parsed| judge(&parsed, &known, today).map(|meaning| (parsed, meaning)));
        match judged {
            Ok((parsed, Meaning::New)) => {
                if let Some(payment) = known.get_mut(&parsed.receipt_number) {
                    payment.booked_on = Some(parsed.booked_on);
                }
                report.booked += 1;
                new.push(parsed);
            }
            Ok((_, Meaning::Repeated)) => report.repeated += 1,
            Err(reason) => report.refused.push(Refusal { line, reason }),
        }
    }
    book(&mut transaction, &new, by).await?;
    transaction.commit().await?;
    Ok(report)
}

fn judge(line: &Line, known: &HashMap<String, Known>, today: Date) -> Result<Meaning, String> {
    let Line { receipt_number, amount, booked_on } = line;
    let Some(payment) = known.get(receipt_number) else {
        return Err(format!("receiptNumber {receipt_number:?} is not that of a payment"));
    };
    if payment.amount != *amount {
        return Err(format!("amount is {amount}, and {receipt_number} was paid with {}", payment.amount));
    }
    match payment.booked_on {
        Some(before) if before == *booked_on => return Ok(Meaning::Repeated),
        Some(before) => {
            return Err(format!(
                "bookedOn is {booked_on}, and {receipt_number} was booked on {before} already"
            ));
        }
        None => {}
    }
    if *booked_on < payment.payed_on {
        return Err(format!(
            "bookedOn is {booked_on}, and {receipt_number} was paid later, on {}",
            payment.payed_on
        ));
    }
    if *booked_on > today {
        return Err(format!("bookedOn is {booked_on}, and today is {today}"));
    }
    Ok(Meaning::New)
}

async fn today(connection: &mut PgConnection) -> sqlx::Result<Date> {
    let query = "SELECT (now() AT TIME ZONE 'Europe/Berlin')::date::text";
    date(&sqlx::query_scalar::<_, String>(query).fetch_one(connection).await?)
}

async fn look_up(
    connection: &mut PgConnection,
    lines: &[(u64, Result<Line, String>)],
) -> sqlx::Result<HashMap<String, Known>> {
    let numbers: Vec<&str> =
        lines.iter().filter_map(|(_, line)| Some(line.as_ref().ok()?.receipt_number.as_str())).collect();
    let query = "SELECT receipt_number, t.amount::text AS amount, booked_on::text AS booked_on, \
                 (decided_at AT TIME ZONE 'Europe/Berlin')::date::text AS payed_on \
                 FROM transactions t LEFT JOIN bookings b USING (receipt_number) \
                 WHERE status = 'PAYED' AND receipt_number = ANY($1)";
    let rows = sqlx::query(query).bind(numbers).fetch_all(connection).await?;
    let known = rows.iter().map(|row| {
        let amount: String = row.try_get("amount")?;
        let payed_on: String = row.try_get("payed_on")?;
        let booked_on: Option<String> = row.try_get("booked_on")?;
        let known = Known {
            amount: Cents::parse(&amount).map_err(|wrong| sqlx::Error::Decode(wrong.into()))?,
            payed_on: date(&payed_on)?,
            booked_on: booked_on.as_deref().map(date).transpose()?,
        };
        Ok((row.try_get("receipt_number")?, known))
    });
    known.collect()
}

async fn book(connection: &mut PgConnection, lines: &[Line], by: &str) -> sqlx::Result<()> {
    let numbers: Vec<&str> = lines.iter().map(|line| line.receipt_number.as_str()).collect();
    let days: Vec<String> = lines.iter().map(|line| line.booked_on.to_string()).collect();
    let amounts: Vec<String> = lines.iter().map(|line| line.amount.to_string()).collect();
    let insert = "INSERT INTO bookings (receipt_number, booked_on, amount, imported_by) \
                  SELECT number, day::date, amount::numeric, $4 \
                  FROM unnest($1::text[], $2::text[], $3::text[]) AS line (number, day, amount)";
    sqlx::query(insert).bind(numbers).bind(days).bind(amounts).bind(by).execute(connection).await?;
    Ok(())
}

fn date(stored: &str) -> sqlx::Result<Date> {
    stored.parse().map_err(|wrong| sqlx::Error::Decode(Box::new(wrong)))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    fn known(booked_on: Option<Date>) -> HashMap<String, Known> {
        let amount = Cents::parse("28.80").unwrap();
        [("PA-1".to_owned(), Known { amount, payed_on: date(2026, 11, 24), booked_on })].into()
    }

    fn line(number: &str, amount: &str, booked_on: Date) -> Line {
        Line { receipt_number: number.to_owned(), amount: Cents::parse(amount).unwrap(), booked_on }
    }

    #[test]
    fn a_line_is_new_repeated_or_refused_with_what_is_known() {
        let (today, yesterday) = (date(2026, 11, 25), date(2026, 11, 24));
        let judged = |booked, line: Line| judge(&line, &known(booked), today);
        assert_eq!(judged(None, line("PA-1", "28.80", today)), Ok(Meaning::New));
        assert_eq!(judged(None, line("PA-1", "28.80", yesterday)), Ok(Meaning::New));
        assert_eq!(judged(Some(today), line("PA-1", "28.80", today)), Ok(Meaning::Repeated));
        for (booked, line, told) in [
            (None, line("PA-2", "28.80", today), "receiptNumber \"PA-2\" is not that of a payment"),
            (None, line("PA-1", "28.81", today), "amount is 28.81, and PA-1 was paid with 28.80"),
            (
                Some(yesterday),
                line("PA-1", "28.80", today),
                "bookedOn is 2026-11-25, and PA-1 was booked on 2026-11-24 already",
            ),
            (
                None,
                line("PA-1", "28.80", date(2026, 11, 23)),
                "bookedOn is 2026-11-23, and PA-1 was paid later, on 2026-11-24",
            ),
            (
                None,
                line("PA-1", "28.80", date(2026, 11, 26)),
                "bookedOn is 2026-11-26, and today is 2026-11-25",
            ),
        ] {
            assert_eq!(judged(booked, line), Err(told.to_owned()));
        }
    }
}
