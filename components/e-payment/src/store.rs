// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Storage in PostgreSQL: transactions, idempotency keys and the append-only log of events.

use std::time::Duration;

use axum::http::StatusCode;
use rand::RngExt;
use rathaus_contract::Receipts;
use sqlx::postgres::PgRow;
use sqlx::{PgConnection, PgPool, Row};

use crate::problem::{Code, Problem};
use crate::receipt;
use crate::transaction::{Decision, PaymentMethod, ProviderPayment, Status, Transaction};

/// The `originatorId` and `endPointId` that every call of XBezahldienste names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The online service that asks for the payment.
    pub originator: String,
    /// The authority that gets the money.
    pub end_point: String,
}

/// The origin of a decision, as the log of events records it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecidedBy {
    /// The citizen, on the module's own pay page.
    PayPage,
    /// The provider, in a response or a notification.
    Provider,
}

impl DecidedBy {
    fn as_str(self) -> &'static str {
        match self {
            Self::PayPage => "page",
            Self::Provider => "provider",
        }
    }
}

/// A validated request for a payment that is to be stored.
#[derive(Clone, Copy, Debug)]
pub struct NewTransaction<'a> {
    /// The name of the API client that sent the request.
    pub client: &'a str,
    /// The originator and the end point of the request.
    pub pair: &'a Pair,
    /// The id that the online service gave the request, unique for the pair.
    pub request_id: &'a str,
    /// The request as JSON, as responses repeat it.
    pub request: &'a str,
    /// The `Idempotency-Key` that the client sent.
    pub idempotency_key: Option<&'a str>,
    /// The range from which the payment will get its receipt number.
    pub receipts: &'a Receipts,
}

/// Stores a transaction with its idempotency key and its first event. It is a single statement because
/// creating payments is most of the module's load, and each statement costs a round trip.
const INSERT_TRANSACTION: &str = "WITH inserted AS ( \
        INSERT INTO transactions (id, originator_id, end_point_id, request_id, request, client, status) \
        SELECT $1, $2, $3, $4, $5, $6, 'INITIAL' WHERE NOT EXISTS ( \
            SELECT FROM receipt_ranges WHERE end_point_id = $3 AND prefix = $8 AND last > $9) \
        ON CONFLICT (originator_id, end_point_id, request_id) DO NOTHING RETURNING id), \
    keyed AS ( \
        INSERT INTO idempotency_keys (client, key, transaction_id) \
        SELECT $6, $7, id FROM inserted WHERE $7 IS NOT NULL) \
    INSERT INTO events (transaction_id, status, effective, source) \
    SELECT id, 'INITIAL', true, 'client' FROM inserted";

/// The columns of table `transactions`, with the alias `t`, that [`transaction_from_row`] needs.
pub const COLUMNS: &str = "t.id, t.originator_id, t.end_point_id, t.request, t.status, t.decided_at::text AS decided_at, \
    t.provider_reference, t.provider_url, t.payment_method, t.payment_method_detail, t.status_detail, t.receipt_number";

/// Converts a row with [`COLUMNS`] into a transaction.
///
/// # Errors
/// Fails if the row has a state or payment method that this version of the module does not know.
pub fn transaction_from_row(row: &PgRow) -> Result<Transaction, Problem> {
    let unknown = || {
        let detail = "the transaction was stored by a newer version of this module; update this module";
        Problem::new(Code::Unspecified, detail)
    };
    let status: String = row.try_get("status")?;
    let method: Option<String> = row.try_get("payment_method")?;
    let provider_payment = (row.try_get("provider_reference")?, row.try_get("provider_url")?);
    Ok(Transaction {
        id: row.try_get("id")?,
        pair: Pair { originator: row.try_get("originator_id")?, end_point: row.try_get("end_point_id")? },
        request: row.try_get("request")?,
        status: Status::parse(&status).ok_or_else(unknown)?,
        decided_at: row.try_get("decided_at")?,
        provider_payment: match provider_payment {
            (Some(reference), Some(url)) => Some(ProviderPayment { reference, url }),
            _ => None,
        },
        method: method.map(|method| PaymentMethod::parse(&method).ok_or_else(unknown)).transpose()?,
        method_detail: row.try_get("payment_method_detail")?,
        status_detail: row.try_get("status_detail")?,
        receipt_number: row.try_get("receipt_number")?,
    })
}

/// Stores a new transaction, or returns the existing one if the same request was sent before. The same
/// request sent several times concurrently creates one transaction.
///
/// # Errors
/// Fails with `PAYMENT_EXISTS` if the requestId was used for another request, with `VALIDATION_ERROR` and
/// status 422 if the `Idempotency-Key` was, and with `UNSPECIFIED` and status 503 if the receipt numbers are
/// used up or the database does not answer.
pub async fn create(pool: &PgPool, new: NewTransaction<'_>) -> Result<Transaction, Problem> {
    if let Some(key) = new.idempotency_key
        && let Some(existing) = find_by_idempotency_key(pool, &new, key).await?
    {
        return existing;
    }
    let id = format!("{:032x}", rand::rng().random::<u128>());
    let Pair { originator, end_point } = new.pair;
    let inserted = sqlx::query(INSERT_TRANSACTION)
        .bind(&id)
        .bind(originator)
        .bind(end_point)
        .bind(new.request_id)
        .bind(new.request)
        .bind(new.client)
        .bind(new.idempotency_key)
        .bind(&new.receipts.prefix)
        .bind(receipt::last_number_for_new_payments(new.receipts))
        .execute(pool)
        .await;
    match (inserted, new.idempotency_key) {
        (Ok(inserted), _) if inserted.rows_affected() == 1 => Ok(Transaction {
            id,
            pair: new.pair.clone(),
            request: new.request.to_owned(),
            status: Status::Initial,
            decided_at: None,
            provider_payment: None,
            method: None,
            method_detail: None,
            status_detail: None,
            receipt_number: None,
        }),
        (Ok(_), _) => find_by_request_id(pool, &new).await,
        // A concurrent request with the same key created its transaction first.
        (Err(sqlx::Error::Database(error)), Some(key)) if error.is_unique_violation() => {
            find_by_idempotency_key(pool, &new, key)
                .await?
                .unwrap_or_else(|| Err(sqlx::Error::Database(error).into()))
        }
        (Err(error), _) => Err(error.into()),
    }
}

/// The transaction that was created with this idempotency key of the client; `None` if the key is unused.
/// The inner result is an error if the key was used for another request.
async fn find_by_idempotency_key(
    pool: &PgPool,
    new: &NewTransaction<'_>,
    key: &str,
) -> Result<Option<Result<Transaction, Problem>>, Problem> {
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, t.request = $3 AND t.erased_at IS NULL AS is_same_request FROM transactions t \
         JOIN idempotency_keys k ON k.transaction_id = t.id WHERE k.client = $1 AND k.key = $2"
    ));
    let row = sqlx::query(query).bind(new.client).bind(key).bind(new.request).fetch_optional(pool).await?;
    let Some(row) = row else { return Ok(None) };
    let found = transaction_from_row(&row)?;
    if row.try_get("is_same_request")? && found.pair == *new.pair {
        return Ok(Some(Ok(found)));
    }
    let problem = Problem::invalid_field("Idempotency-Key", "was used for another request; choose another");
    Ok(Some(Err(problem.with_status(StatusCode::UNPROCESSABLE_ENTITY))))
}

/// The existing transaction with the requestId of `new`, to which the idempotency key of `new` is added.
/// If there is none, nothing was inserted because the receipt numbers are used up.
async fn find_by_request_id(pool: &PgPool, new: &NewTransaction<'_>) -> Result<Transaction, Problem> {
    let query = sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, t.request = $4 AND t.erased_at IS NULL AS is_same_request FROM transactions t \
         WHERE t.originator_id = $1 AND t.end_point_id = $2 AND t.request_id = $3"
    ));
    let Pair { originator, end_point } = new.pair;
    let query = sqlx::query(query).bind(originator).bind(end_point).bind(new.request_id).bind(new.request);
    let Some(row) = query.fetch_optional(pool).await? else { return Err(receipt_numbers_used_up(end_point)) };
    if !row.try_get("is_same_request")? {
        let detail = format!("requestId {} was used for another request; choose another", new.request_id);
        return Err(Problem::new(Code::PaymentExists, detail));
    }
    let found = transaction_from_row(&row)?;
    if let Some(key) = new.idempotency_key {
        let insert = "INSERT INTO idempotency_keys (client, key, transaction_id) VALUES ($1, $2, $3) \
                      ON CONFLICT DO NOTHING";
        sqlx::query(insert).bind(new.client).bind(key).bind(&found.id).execute(pool).await?;
    }
    Ok(found)
}

/// The error for an end point without receipt numbers, whose payments the treasury could not book.
pub fn receipt_numbers_used_up(end_point: &str) -> Problem {
    let detail = format!(
        "the receipt numbers of endPointId {end_point} are used up; the administrators of the municipality must configure another prefix"
    );
    Problem::new(Code::Unspecified, detail).with_status(StatusCode::SERVICE_UNAVAILABLE)
}

/// The transaction with this id; `None` if there is none.
///
/// # Errors
/// Fails if the database does not answer or if the transaction was stored by a newer version.
pub async fn find(pool: &PgPool, id: &str) -> Result<Option<Transaction>, Problem> {
    // The id is part of a URL and may be any text. PostgreSQL rejects text that contains a NUL character.
    if !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(None);
    }
    let query = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} FROM transactions t WHERE t.id = $1"));
    sqlx::query(query).bind(id).fetch_optional(pool).await?.as_ref().map(transaction_from_row).transpose()
}

/// Claims the first attempt to register a transaction at the provider. Of concurrent callers, one gets
/// `true`. The poller takes over if the attempt has not succeeded after `retry_after`.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn claim_start(pool: &PgPool, id: &str, retry_after: Duration) -> Result<bool, Problem> {
    let update = "UPDATE transactions SET look_at = now() + make_interval(secs => $2) \
                  WHERE id = $1 AND status = 'INITIAL' AND look_at IS NULL";
    let updated = sqlx::query(update).bind(id).bind(retry_after.as_secs_f64()).execute(pool).await?;
    Ok(updated.rows_affected() == 1)
}

/// Stores the provider's payment of a transaction and schedules the first status check after `check_after`.
/// If a payment is stored already, it stays, because the citizen may be on its page.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn record_start(
    pool: &PgPool,
    id: &str,
    payment: &ProviderPayment,
    check_after: Duration,
) -> Result<(), Problem> {
    let update = "UPDATE transactions SET provider_reference = $2, provider_url = $3, \
                  look_at = now() + make_interval(secs => $4) WHERE id = $1 AND provider_reference IS NULL";
    sqlx::query(update)
        .bind(id)
        .bind(&payment.reference)
        .bind(&payment.url)
        .bind(check_after.as_secs_f64())
        .execute(pool)
        .await?;
    Ok(())
}

/// Decides a transaction and logs the decision. Only the first decision takes effect; later ones are
/// logged and change nothing. A payment gets its receipt number from `receipts`, the range of its end point.
/// Returns whether the decision took effect, which is `false` also if there is no such transaction.
///
/// # Errors
/// Fails if the database does not answer. In this case, nothing was decided.
pub async fn decide(
    pool: &PgPool,
    id: &str,
    decision: &Decision,
    decided_by: DecidedBy,
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
        write_decision(&mut transaction, id, &end_point, decision, receipts).await?;
    }
    log_event(&mut transaction, id, decision, decided_by, open).await?;
    transaction.commit().await?;
    Ok(open)
}

async fn write_decision(
    connection: &mut PgConnection,
    id: &str,
    end_point: &str,
    decision: &Decision,
    receipts: &Receipts,
) -> Result<(), Problem> {
    let (number, method, method_detail, detail) = match decision {
        Decision::Payed { method, detail } => {
            let number = receipt::take_next_number(&mut *connection, end_point, receipts).await?;
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

/// Adds a decision to the log of events. Only an effective payment has an amount and a receipt number
/// there, so that the log alone gives the totals of the settlement.
async fn log_event(
    connection: &mut PgConnection,
    id: &str,
    decision: &Decision,
    decided_by: DecidedBy,
    effective: bool,
) -> Result<(), Problem> {
    let insert = "INSERT INTO events (transaction_id, status, effective, source, amount, receipt_number) \
                  SELECT id, $2, $3, $4, CASE WHEN $5 THEN amount END, CASE WHEN $5 THEN receipt_number END \
                  FROM transactions WHERE id = $1";
    sqlx::query(insert)
        .bind(id)
        .bind(decision.status().as_str())
        .bind(effective)
        .bind(decided_by.as_str())
        .bind(effective && decision.status() == Status::Payed)
        .execute(connection)
        .await?;
    Ok(())
}
