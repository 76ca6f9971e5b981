// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Connections to the server: a small pool for the administrator, behind a breaker.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions, Connection, Executor, Postgres};
use tokio::time::timeout;

use super::access::{AdminAccess, AdminFiles};
use super::breaker::Breaker;
use super::error::{Error, Result};
use super::records::Records;

/// Number of the administrator's connections.
const POOL_SIZE: u32 = 4;
/// How long a call waits for one of them: for its turn, for the ping of an idle connection, and for a new one.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Limits the time for connecting as a module.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Limits the attempt that finds out why the pool has no connection.
const EXPLAIN_TIMEOUT: Duration = Duration::from_millis(500);
/// Limits what is done when a connection returns to the pool.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(3);
/// An idle connection is closed after that time. Less than the server's `idle_session_timeout` below.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// Settings of PostgreSQL for each session. The last two end the session of a leader that was frozen in the
/// middle of a change, and with it its locks.
const SESSION: [(&str, &str); 4] = [
    ("statement_timeout", "30s"),
    ("lock_timeout", "5s"),
    ("idle_session_timeout", "2min"),
    ("idle_in_transaction_session_timeout", "1min"),
];

/// What belongs to one content of the administrator's files: the pool, the breaker, and what was verified.
pub(super) struct Connections {
    /// How the administrator connects.
    pub admin: AdminAccess,
    files: AdminFiles,
    options: PgConnectOptions,
    pool: PgPool,
    breaker: Mutex<Breaker<Error>>,
    records: Mutex<Records>,
}

impl Connections {
    /// Makes a pool without connections. It must be called in the runtime's context.
    pub fn new(files: AdminFiles, folder: &Path) -> Result<Self> {
        let admin = files.parse(folder)?;
        let options = session_options(admin.options.clone(), admin.ca.as_deref());
        let pool = PgPoolOptions::new()
            .max_connections(POOL_SIZE)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .test_before_acquire(true)
            // The pool also takes back connections of calls that were cancelled, with what they had locked. It
            // would wait for ever for the answer to a statement that was under way.
            .after_release(|connection, _| {
                Box::pin(async move {
                    let unlocked = connection.execute("SELECT pg_advisory_unlock_all()");
                    let unlocked = timeout(RELEASE_TIMEOUT, unlocked).await;
                    unlocked.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map(|_| true)
                })
            })
            .connect_lazy_with(options.clone());
        let (breaker, records) = (Mutex::new(Breaker::new()), Mutex::default());
        Ok(Self { admin, files, options, pool, breaker, records })
    }

    /// Whether these connections were made from this content of the files.
    pub fn are_of(&self, files: &AdminFiles) -> bool {
        self.files == *files
    }

    /// What was verified over these connections.
    pub fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a connection of the administrator, or an error within a few seconds, at once while the server is
    /// known to be down.
    pub async fn acquire(&self) -> Result<PoolConnection<Postgres>> {
        let began = Instant::now();
        self.breaker().admit(began)?;
        let failure = match self.pool.acquire().await {
            Ok(connection) => {
                self.breaker().record_success();
                return Ok(connection);
            }
            Err(sqlx::Error::PoolTimedOut) => self.explain_timeout().await,
            Err(error) => Some(error.into()),
        };
        match failure {
            Some(error) => {
                self.breaker().record_failure(began, Instant::now(), error.clone(), rand::random());
                Err(error)
            }
            None => {
                Err(Error::Unreachable(format!("the operator's {POOL_SIZE} connections to it are in use")))
            }
        }
    }

    /// Finds out why the pool has no connection: it tries again while connections are refused, and does not
    /// say so in the end. `None` if the server answers, so that all connections are in use.
    async fn explain_timeout(&self) -> Option<Error> {
        match timeout(EXPLAIN_TIMEOUT, self.options.connect()).await {
            Ok(Ok(connection)) => {
                close(connection);
                None
            }
            Ok(Err(error)) => Some(error.into()),
            Err(_) => Some(Error::no_answer(ACQUIRE_TIMEOUT)),
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker<Error>> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether somebody can log in as these options say. An error other than a refused login, such as too many
/// connections (SQLSTATE 53300), occurs only after the password was accepted.
pub(super) async fn can_log_in(options: PgConnectOptions, ca: Option<&str>) -> Result<bool> {
    let connected = timeout(CONNECT_TIMEOUT, session_options(options, ca).connect()).await;
    match connected.map_err(|_| Error::no_answer(CONNECT_TIMEOUT))?.map_err(Error::from) {
        Ok(connection) => {
            close(connection);
            Ok(true)
        }
        Err(Error::Refused(_)) => Ok(false),
        Err(Error::Failed(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

fn session_options(options: PgConnectOptions, ca: Option<&str>) -> PgConnectOptions {
    let options = options.application_name("rathaus").options(SESSION).disable_statement_logging();
    match ca {
        Some(pem) => options.ssl_root_cert_from_pem(pem.as_bytes().to_vec()),
        None => options,
    }
}

/// Closes a connection without waiting for it: nothing depends on how that ends.
fn close(connection: PgConnection) {
    tokio::spawn(timeout(RELEASE_TIMEOUT, connection.close()));
}
