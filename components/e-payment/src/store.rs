// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What is kept: transactions and the log of what happened to them, in PostgreSQL.

use rand::RngExt;
use sqlx::postgres::PgRow;
use sqlx::{PgPool, Row};

use crate::problem::{Code, Problem};
use crate::transaction::{Decision, Status, Transaction};

/// Who asks and for whom: the pair that every call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Which online service.
    pub originator: String,
    /// Which authority gets the money.
    pub end_point: String,
}

const COLUMNS: &str =
    "id, originator_id, end_point_id, request, status, decided_at::timestamptz::text AS decided_at";

fn read(row: &PgRow) -> Result<Transaction, Problem> {
    let status: String = row.try_get("status")?;
    Ok(Transaction {
        id: row.try_get("id")?,
        pair: Pair { originator: row.try_get("originator_id")?, end_point: row.try_get("end_point_id")? },
        request: row.try_get("request")?,
        status: Status::parse(&status)
            .ok_or_else(|| Problem::new(Code::Unspecified, "unknown status stored"))?,
        decided_at: row.try_get("decided_at")?,
    })
}

/// Keeps a new transaction, or gives back the one that the same request made before. Several of the
/// same at a time make one.
///
/// # Errors
/// `PAYMENT_EXISTS` where the requestId was used for another request.
pub async fn create(
    pool: &PgPool,
    pair: &Pair,
    request_id: &str,
    request: &str,
) -> Result<Transaction, Problem> {
    let id = format!("{:032x}", rand::rng().random::<u128>());
    let mut transaction = pool.begin().await?;
    let insert = "INSERT INTO transactions (id, originator_id, end_point_id, request_id, request, status) \
                  VALUES ($1, $2, $3, $4, $5, 'INITIAL') ON CONFLICT DO NOTHING";
    let created = sqlx::query(insert)
        .bind(&id)
        .bind(&pair.originator)
        .bind(&pair.end_point)
        .bind(request_id)
        .bind(request)
        .execute(&mut *transaction)
        .await?;
    if created.rows_affected() == 1 {
        log(&mut transaction, &id, Status::Initial, true).await?;
    }
    transaction.commit().await?;

    let query = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM transactions WHERE originator_id = $1 AND end_point_id = $2 AND request_id = $3"
    ));
    let row = sqlx::query(query).bind(&pair.originator).bind(&pair.end_point).bind(request_id);
    let found = read(&row.fetch_one(pool).await?)?;
    if found.request != request {
        let detail = format!("requestId {request_id} was used for another request; choose another");
        return Err(Problem::new(Code::PaymentExists, detail));
    }
    Ok(found)
}

/// A transaction, if it is there.
///
/// # Errors
/// The database does not answer.
pub async fn find(pool: &PgPool, id: &str) -> Result<Option<Transaction>, Problem> {
    // PostgreSQL cannot be asked for every text: it refuses one with a NUL.
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let query = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM transactions WHERE id = $1"));
    sqlx::query(query).bind(id).fetch_optional(pool).await?.as_ref().map(read).transpose()
}

/// Decides a transaction, once: the first decision counts, every later one is logged and changes
/// nothing. True for the first.
///
/// # Errors
/// The database does not answer; then nothing was decided.
pub async fn decide(pool: &PgPool, id: &str, decision: Decision) -> Result<bool, Problem> {
    let status = decision.status();
    let mut transaction = pool.begin().await?;
    let update =
        "UPDATE transactions SET status = $2, decided_at = now() WHERE id = $1 AND status = 'INITIAL'";
    let decided = sqlx::query(update).bind(id).bind(status.as_str()).execute(&mut *transaction).await?;
    let effective = decided.rows_affected() == 1;
    log(&mut transaction, id, status, effective).await?;
    transaction.commit().await?;
    Ok(effective)
}

async fn log(
    connection: &mut sqlx::PgConnection,
    id: &str,
    status: Status,
    effective: bool,
) -> Result<(), Problem> {
    sqlx::query("INSERT INTO events (transaction_id, status, effective) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(status.as_str())
        .bind(effective)
        .execute(connection)
        .await?;
    Ok(())
}
