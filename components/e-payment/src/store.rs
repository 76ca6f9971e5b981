// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What is kept: transactions and the log of what happened to them, in PostgreSQL.

use std::time::Duration;

use axum::http::StatusCode;
use rand::RngExt;
use rathaus_contract::Receipts;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use crate::problem::{Code, Problem};
use crate::receipt;
use crate::transaction::{AtProvider, Decision, PaymentMethod, Status, Transaction};

/// Who asks and for whom: the pair that every call names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// Which online service.
    pub originator: String,
    /// Which authority gets the money.
    pub end_point: String,
}

/// Who said that a transaction is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The citizen, on our own pay page.
    Page,
    /// The provider, asked by us or by itself.
    Provider,
}

impl Source {
    fn as_str(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::Provider => "provider",
        }
    }
}

/// A payment that is asked for, checked.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// By whom, as the client's name.
    pub client: &'a str,
    /// For whom.
    pub pair: &'a Pair,
    /// Its id at the online service, unique for the pair.
    pub request_id: &'a str,
    /// The request as JSON, as it will be echoed.
    pub request: &'a str,
    /// The client's `Idempotency-Key`.
    pub key: Option<&'a str>,
    /// The range that its receipt number will be of.
    pub receipts: &'a Receipts,
}

/// One statement and so one round trip: most of what this module does is this.
const CREATE: &str = "WITH made AS ( \
        INSERT INTO transactions (id, originator_id, end_point_id, request_id, request, client, status) \
        SELECT $1, $2, $3, $4, $5, $6, 'INITIAL' WHERE NOT EXISTS ( \
            SELECT FROM receipt_ranges WHERE end_point_id = $3 AND prefix = $8 AND last > $9) \
        ON CONFLICT (originator_id, end_point_id, request_id) DO NOTHING RETURNING id), \
    keyed AS ( \
        INSERT INTO idempotency_keys (client, key, transaction_id) \
        SELECT $6, $7, id FROM made WHERE $7 IS NOT NULL) \
    INSERT INTO events (transaction_id, status, effective, source) \
    SELECT id, 'INITIAL', true, 'client' FROM made";

/// What [`read`] reads of transactions `t`.
pub const COLUMNS: &str = "t.id, t.originator_id, t.end_point_id, t.request, t.status, t.decided_at::text AS decided_at, \
    t.provider_reference, t.provider_url, t.payment_method, t.payment_method_detail, t.status_detail, t.receipt_number";

/// Reads a row of [`COLUMNS`].
///
/// # Errors
/// The row holds what this version does not know.
pub fn read(row: &PgRow) -> Result<Transaction, Problem> {
    let unknown =
        || Problem::new(Code::Unspecified, "what is stored is of a newer version; update this module");
    let status: String = row.try_get("status")?;
    let method: Option<String> = row.try_get("payment_method")?;
    let at_provider = (row.try_get("provider_reference")?, row.try_get("provider_url")?);
    Ok(Transaction {
        id: row.try_get("id")?,
        pair: Pair { originator: row.try_get("originator_id")?, end_point: row.try_get("end_point_id")? },
        request: row.try_get("request")?,
        status: Status::parse(&status).ok_or_else(unknown)?,
        decided_at: row.try_get("decided_at")?,
        at_provider: match at_provider {
            (Some(reference), Some(url)) => Some(AtProvider { reference, url }),
            _ => None,
        },
        method: method.map(|method| PaymentMethod::parse(&method).ok_or_else(unknown)).transpose()?,
        method_detail: row.try_get("payment_method_detail")?,
        status_detail: row.try_get("status_detail")?,
        receipt_number: row.try_get("receipt_number")?,
    })
}

/// Keeps a new transaction, or gives back the one that the same request made before. Several of the
/// same at a time make one.
///
/// # Errors
/// `PAYMENT_EXISTS` where the requestId was used for another request; `VALIDATION_ERROR` with 422
/// where the `Idempotency-Key` was; `UNSPECIFIED` with 503 where no receipt number is left.
pub async fn create(pool: &PgPool, new: New<'_>) -> Result<Transaction, Problem> {
    if let Some(key) = new.key
        && let Some(known) = by_key(pool, &new, key).await?
    {
        return known;
    }
    let id = format!("{:032x}", rand::rng().random::<u128>());
    let Pair { originator, end_point } = new.pair;
    let made = sqlx::query(CREATE)
        .bind(&id)
        .bind(originator)
        .bind(end_point)
        .bind(new.request_id)
        .bind(new.request)
        .bind(new.client)
        .bind(new.key)
        .bind(&new.receipts.prefix)
        .bind(receipt::last_for_new(new.receipts))
        .execute(pool)
        .await;
    match (made, new.key) {
        (Ok(made), _) if made.rows_affected() == 1 => Ok(Transaction {
            id,
            pair: new.pair.clone(),
            request: new.request.to_owned(),
            status: Status::Initial,
            decided_at: None,
            at_provider: None,
            method: None,
            method_detail: None,
            status_detail: None,
            receipt_number: None,
        }),
        (Ok(_), _) => by_request_id(pool, &new).await,
        // Another request with the same key came in between, and made what it names.
        (Err(sqlx::Error::Database(error)), Some(key)) if error.is_unique_violation() => {
            by_key(pool, &new, key).await?.unwrap_or_else(|| Err(sqlx::Error::Database(error).into()))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The transaction that a client's key made, if it made one for the same request.
async fn by_key(
    pool: &PgPool,
    new: &New<'_>,
    key: &str,
) -> Result<Option<Result<Transaction, Problem>>, Problem> {
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, t.request = $3 AND t.erased_at IS NULL AS same FROM transactions t \
         JOIN idempotency_keys k ON k.transaction_id = t.id WHERE k.client = $1 AND k.key = $2"
    ));
    let row = sqlx::query(query).bind(new.client).bind(key).bind(new.request).fetch_optional(pool).await?;
    let Some(row) = row else { return Ok(None) };
    let found = read(&row)?;
    if row.try_get("same")? && found.pair == *new.pair {
        return Ok(Some(Ok(found)));
    }
    let wrong = Problem::field("Idempotency-Key", "was used for another request; choose another");
    Ok(Some(Err(wrong.with_status(StatusCode::UNPROCESSABLE_ENTITY))))
}

async fn by_request_id(pool: &PgPool, new: &New<'_>) -> Result<Transaction, Problem> {
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, t.request = $4 AND t.erased_at IS NULL AS same FROM transactions t \
         WHERE t.originator_id = $1 AND t.end_point_id = $2 AND t.request_id = $3"
    ));
    let Pair { originator, end_point } = new.pair;
    let query = sqlx::query(query).bind(originator).bind(end_point).bind(new.request_id).bind(new.request);
    let Some(row) = query.fetch_optional(pool).await? else { return Err(used_up(end_point)) };
    if !row.try_get("same")? {
        let detail = format!("requestId {} was used for another request; choose another", new.request_id);
        return Err(Problem::new(Code::PaymentExists, detail));
    }
    let found = read(&row)?;
    if let Some(key) = new.key {
        let insert = "INSERT INTO idempotency_keys (client, key, transaction_id) VALUES ($1, $2, $3) \
                      ON CONFLICT DO NOTHING";
        sqlx::query(insert).bind(new.client).bind(key).bind(&found.id).execute(pool).await?;
    }
    Ok(found)
}

/// No payments are taken that the treasury has no number for.
pub fn used_up(end_point: &str) -> Problem {
    let detail = format!(
        "the receipt numbers of endPointId {end_point} are used up; the town's administrators must configure another prefix"
    );
    Problem::new(Code::Unspecified, detail).with_status(StatusCode::SERVICE_UNAVAILABLE)
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
    let query = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM transactions t WHERE t.id = $1"));
    sqlx::query(query).bind(id).fetch_optional(pool).await?.as_ref().map(read).transpose()
}

/// Takes the first try of telling the provider of a transaction; when that did not work is known after
/// `limit`. True for one of several at a time.
///
/// # Errors
/// The database does not answer.
pub async fn take_start(pool: &PgPool, id: &str, limit: Duration) -> Result<bool, Problem> {
    let update = "UPDATE transactions SET look_at = now() + make_interval(secs => $2) \
                  WHERE id = $1 AND status = 'INITIAL' AND look_at IS NULL";
    let taken = sqlx::query(update).bind(id).bind(limit.as_secs_f64()).execute(pool).await?;
    Ok(taken.rows_affected() == 1)
}

/// Keeps where a transaction is paid, and that it is to be looked up after `look`. What was kept first
/// stays: the citizen may be there already.
///
/// # Errors
/// The database does not answer.
pub async fn started(pool: &PgPool, id: &str, at: &AtProvider, look: Duration) -> Result<(), Problem> {
    let update = "UPDATE transactions SET provider_reference = $2, provider_url = $3, \
                  look_at = now() + make_interval(secs => $4) WHERE id = $1 AND provider_reference IS NULL";
    let query = sqlx::query(update).bind(id).bind(&at.reference).bind(&at.url).bind(look.as_secs_f64());
    query.execute(pool).await?;
    Ok(())
}

/// Decides a transaction, once: the first decision counts, every later one is logged and changes
/// nothing. A payment takes its receipt number from `receipts`, the range of its end point. True for
/// the decision that counts; false, too, where there is no such transaction.
///
/// # Errors
/// The database does not answer; then nothing was decided.
pub async fn decide(
    pool: &PgPool,
    id: &str,
    decision: &Decision,
    source: Source,
    receipts: &Receipts,
) -> Result<bool, Problem> {
    let mut transaction = pool.begin().await?;
    let lock = "SELECT end_point_id, status = 'INITIAL' AS open FROM transactions WHERE id = $1 FOR UPDATE";
    let Some(row) = sqlx::query(lock).bind(id).fetch_optional(&mut *transaction).await? else {
        return Ok(false);
    };
    let open: bool = row.try_get("open")?;
    if open {
        let end_point: String = row.try_get("end_point_id")?;
        write(&mut transaction, id, &end_point, decision, receipts).await?;
    }
    log(&mut transaction, id, decision, source, open).await?;
    transaction.commit().await?;
    Ok(open)
}

async fn write(
    connection: &mut PgConnection,
    id: &str,
    end_point: &str,
    decision: &Decision,
    receipts: &Receipts,
) -> Result<(), Problem> {
    let (number, method, method_detail, detail) = match decision {
        Decision::Payed { method, detail } => {
            let number = receipt::take_number(&mut *connection, end_point, receipts).await?;
            (Some(number), Some(method.as_str()), detail.as_ref(), None)
        }
        Decision::Failed(detail) | Decision::Canceled(detail) => (None, None, None, detail.as_ref()),
    };
    let update = "UPDATE transactions SET status = $2, decided_at = now(), receipt_number = $3, \
                  payment_method = $4, payment_method_detail = $5, status_detail = $6 WHERE id = $1";
    sqlx::query(update)
        .bind(id)
        .bind(decision.status().as_str())
        .bind(number)
        .bind(method)
        .bind(method_detail)
        .bind(detail)
        .execute(connection)
        .await?;
    Ok(())
}

/// What counts carries what it put into the books; what does not, does not.
async fn log(
    connection: &mut PgConnection,
    id: &str,
    decision: &Decision,
    source: Source,
    effective: bool,
) -> Result<(), Problem> {
    let insert = "INSERT INTO events (transaction_id, status, effective, source, amount, receipt_number) \
                  SELECT id, $2, $3, $4, CASE WHEN $5 THEN amount END, CASE WHEN $5 THEN receipt_number END \
                  FROM transactions WHERE id = $1";
    sqlx::query(insert)
        .bind(id)
        .bind(decision.status().as_str())
        .bind(effective)
        .bind(source.as_str())
        .bind(effective && decision.status() == Status::Payed)
        .execute(connection)
        .await?;
    Ok(())
}
