// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, ensure};
use sqlx::migrate::Migrator;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};

/// The module contract allows a pod five connections. The fifth is left for pods that are still stopping
/// during a roll-out: the limit of the module's role counts them, too.
const MAX_CONNECTIONS: u32 = 4;
/// The module contract allows no connection to be idle for longer than a minute, since all modules share
/// one server.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was idle for longer than this is pinged before it is used.
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);
/// A migration can wait longer than a request: no client waits for it, and Kubernetes restarts a failed
/// pod only after a back-off.
const MIGRATION_ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// PostgreSQL's `statement_timeout`, which ends a statement that runs for longer.
const STATEMENT_TIMEOUT: &str = "10s";
/// A migration may rewrite a table, or wait until the migration of another pod has done so.
const MIGRATION_STATEMENT_TIMEOUT: &str = "15min";

/// Returns a connection pool for the database at `url`, which opens its first connection on first use.
///
/// # Errors
/// Fails if `url` is not a PostgreSQL URL. The error does not repeat the URL, since it holds a password.
pub fn connect_lazy(url: &str) -> anyhow::Result<PgPool> {
    build_pool(url, STATEMENT_TIMEOUT, ACQUIRE_TIMEOUT)
}

/// Applies the `migrations` that the database at `url` does not have yet. It is safe to repeat this; if
/// several pods migrate at the same time, one applies the migrations and the others wait for it.
///
/// # Errors
/// Fails if `url` is not a PostgreSQL URL, if the database does not answer, or if a migration fails; a
/// failed migration is rolled back.
pub async fn migrate(url: &str, migrations: &Migrator) -> anyhow::Result<()> {
    let pool = build_pool(url, MIGRATION_STATEMENT_TIMEOUT, MIGRATION_ACQUIRE_TIMEOUT)?;
    migrations.run(&pool).await.context("cannot bring the database up to date")
}

fn build_pool(url: &str, statement_timeout: &str, acquire_timeout: Duration) -> anyhow::Result<PgPool> {
    // The URL holds a password, so the error must not repeat it.
    let expected = "database/url is not postgres://USER:PASSWORD@HOST:PORT/DATABASE";
    ensure!(url.starts_with("postgres://") || url.starts_with("postgresql://"), expected);
    let options = PgConnectOptions::from_str(url)
        .context(expected)?
        .options([("statement_timeout", statement_timeout)])
        .disable_statement_logging();
    Ok(PgPoolOptions::new()
        .max_connections(MAX_CONNECTIONS)
        .idle_timeout(IDLE_TIMEOUT)
        // sqlx tests each connection when it returns to the pool. Another round trip before every use
        // would cost a third of the throughput.
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > PING_AFTER_IDLE {
                    connection.ping().await.map(|()| true)
                } else {
                    Ok(true)
                }
            })
        })
        .acquire_timeout(acquire_timeout)
        .connect_lazy_with(options))
}
