// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

/// A role has 20 connections for all pods of its module, which are twice as many during a roll-out.
const MAX_CONNECTIONS: u32 = 4;
/// The contract: no idle connection for longer than a minute, since all modules share one server.
const IDLE: Duration = Duration::from_secs(30);
const ACQUIRE: Duration = Duration::from_secs(5);
/// A connection that was idle for longer is tested before it is used.
const TESTED: Duration = Duration::from_secs(1);
/// Nobody waits for the answer of a migration, and a pod that gives up is started again only after a while.
const MIGRATION_ACQUIRE: Duration = Duration::from_secs(30);
const STATEMENT_TIMEOUT: &str = "10s";
/// A migration may rewrite a table, or wait until another pod's migration has done so.
const MIGRATION_STATEMENT_TIMEOUT: &str = "15min";

/// A pool of connections; the first is opened when it is needed.
///
/// # Errors
/// The URL is not one.
pub fn connect(url: &str) -> anyhow::Result<PgPool> {
    pool(url, STATEMENT_TIMEOUT, ACQUIRE)
}

/// Brings a database up to date. Repeating it does no harm; of several at a time one works and the
/// others wait.
///
/// # Errors
/// The URL is not one, the database does not answer, or a migration fails and is rolled back.
pub async fn migrate(url: &str, migrations: &Migrator) -> anyhow::Result<()> {
    let pool = pool(url, MIGRATION_STATEMENT_TIMEOUT, MIGRATION_ACQUIRE)?;
    migrations.run(&pool).await.context("cannot bring the database up to date")
}

fn pool(url: &str, statement_timeout: &str, acquire_timeout: Duration) -> anyhow::Result<PgPool> {
    // The text holds a password: the error must not repeat it.
    let expected = "database/url is not postgres://USER:PASSWORD@HOST:PORT/DATABASE";
    ensure!(url.starts_with("postgres://") || url.starts_with("postgresql://"), expected);
    let options = PgConnectOptions::from_str(url)
        .context(expected)?
        .options([("statement_timeout", statement_timeout)])
        .disable_statement_logging();
    Ok(PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .idle_timeout(IDLE)
        // A connection in constant use is tested at its return; a round trip before each use, too, would
        // cost a third of the throughput.
        .test_before_acquire(false)
        .before_acquire(|connection, since| {
            Box::pin(async move {
                if since.idle_for > TESTED { connection.ping().await.map(|()| true) } else { Ok(true) }
            })
        })
        .acquire_timeout(acquire_timeout)
        .connect_lazy_with(options))
}
