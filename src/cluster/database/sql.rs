// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What all statements need: quoting, and the lock on a name.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Executor};

use super::error::{Error, Result};

/// SQLSTATE of a lock that was not free within `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Quotes an SQL identifier, since DDL statements take no parameters. The names consist of letters, digits,
/// hyphens and one underscore, so that quoting is only a second safeguard.
pub(super) fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes an SQL string literal.
pub(super) fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Runs a statement that returns no rows.
pub(super) async fn execute(connection: &mut PgConnection, sql: String) -> Result<()> {
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Locks the name of a database and role against other sessions of operators, for this session. A leader that
/// was frozen in the middle of a change still has the lock, so that its successor waits for the server to end
/// that session (`idle_session_timeout`). It is no lock of a transaction, because databases cannot be created
/// in one. It holds among operators whose administrator's URL names the same database.
pub(super) async fn lock_name(connection: &mut PgConnection, name: &str) -> Result<()> {
    let result = sqlx::query("SELECT pg_advisory_lock(hashtextextended($1, 0))")
        .bind(lock_text(name))
        .execute(connection)
        .await;
    match result {
        Err(sqlx::Error::Database(error)) if error.code().is_some_and(|code| code == LOCK_NOT_AVAILABLE) => {
            Err(Error::Failed(format!("another session of an operator is changing {name:?}")))
        }
        result => Ok(result.map(drop)?),
    }
}

/// Releases the lock of [`lock_name`].
pub(super) async fn unlock_name(connection: &mut PgConnection, name: &str) -> Result<()> {
    sqlx::query("SELECT pg_advisory_unlock(hashtextextended($1, 0))")
        .bind(lock_text(name))
        .execute(connection)
        .await?;
    Ok(())
}

fn lock_text(name: &str) -> String {
    format!("rathaus: database {name}")
}
