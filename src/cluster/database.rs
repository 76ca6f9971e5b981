// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Provisions one database and one role for each module, on the shared PostgreSQL server (15 or newer).
//!
//! Every step checks the current state first and is idempotent. If the operator is killed between two
//! steps, the next run completes the work. The operator changes only roles and databases that it has
//! created itself. It recognises a role by its comment, which is written in the same transaction as the
//! role, and a database by its owner.
//!
//! What was verified counts for ten minutes, so that a reconcile seldom asks the server, and a server that
//! is down keeps nobody waiting: see `records` and `breaker`.

mod access;
mod breaker;
mod connections;
mod error;
mod mark;
mod records;
mod removal;
mod role;
mod sql;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use postgres_protocol::password::scram_sha_256;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::time::timeout;
use url::Url;

pub use self::error::Error;
pub use self::mark::owner_comment;

use self::access::{AdminAccess, AdminFiles};
use self::connections::Connections;
use self::error::Result;
use self::mark::Mark;
use self::records::Wanted;
use self::removal::Removal;
use crate::desired::module::DatabaseAccess;
use crate::tenant::{Module, SealKey};

/// Limits the statements for one module, which may include the creation of a database. The server limits each
/// of them (`statement_timeout`), but only if it still can.
const WORK_TIMEOUT: Duration = Duration::from_secs(40);

/// Access to the shared server, by a folder with the administrator's `url` and, optionally, `ca.crt`: a
/// mounted Secret. The files are read for each use, so that a changed password needs no restart.
pub struct Server {
    folder: PathBuf,
    key: SealKey,
    /// See [`SealKey::installation_id`].
    installation: String,
    connections: Mutex<Option<Arc<Connections>>>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl Server {
    /// Names the folder, which is not read yet, and the key from which passwords and the installation's id
    /// follow.
    pub fn new(folder: &Path, key: SealKey) -> Self {
        let installation = key.installation_id();
        Self { folder: folder.to_owned(), key, installation, connections: Mutex::default() }
    }

    /// Creates the module's role and database unless they exist, corrects the role's connection limit, checks
    /// that the role can connect to no other database, and returns the URL for the module.
    ///
    /// `current_url` is the URL in the module's Secret, if there is one. Its password is kept; without one, the
    /// password is derived. What was verified a short time ago is not verified again.
    pub async fn provision(&self, module: &Module, current_url: Option<&str>) -> Result<DatabaseAccess> {
        let connections = self.connections()?;
        let name = module.name.database_name(&module.town.name);
        let owner = mark::owner_of(module);
        let wanted = Wanted {
            owner: &owner,
            connection_limit: role::connection_limit(module.plan.replicas),
            current_url,
        };
        let known = connections.records().find(&name, wanted, Instant::now());
        let url = match known {
            Some(url) => url,
            None => {
                connections.records().forget(&name);
                let password = match current_url.and_then(password_of) {
                    Some(password) => password,
                    None => self.derive_password(module)?,
                };
                let url = self.verify(&connections, &name, wanted, &password).await?;
                connections.records().remember(&name, wanted, &url, Instant::now(), rand::random());
                url
            }
        };
        Ok(DatabaseAccess { url, ca: connections.admin.ca.clone() })
    }

    /// Drops the role and database `name` of a deleted module, or only locks the role so that the data
    /// stays. A role counts as the module's only if its comment is that of `owner` (see [`owner_comment`]) and
    /// this installation, and a database only if that role owns it. What is not the module's is left as it is.
    pub async fn lock_or_drop(&self, name: &str, owner: &str, drop_data: bool) -> Result<()> {
        let connections = self.connections()?;
        connections.records().forget(name);
        let mark = Mark { owner, installation: &self.installation };
        let mut connection = connections.acquire().await?;
        within_work_timeout(async {
            sql::lock_name(&mut connection, name).await?;
            let removed = async {
                let removal = Removal::read(&mut connection, name, &mark, drop_data).await?;
                if removal == Removal::DropDatabaseAndRole {
                    // Nobody else may get a connection that acts as the module's role.
                    connection.close_on_drop();
                }
                removal.carry_out(&mut connection, name).await
            };
            let removed = removed.await;
            let unlocked = sql::unlock_name(&mut connection, name).await;
            removed.and(unlocked)
        })
        .await
    }

    /// Verifies role, database and password on the server, and returns the module's URL.
    async fn verify(
        &self,
        connections: &Connections,
        name: &str,
        wanted: Wanted<'_>,
        password: &str,
    ) -> Result<String> {
        let mark = Mark { owner: wanted.owner, installation: &self.installation };
        let admin = &connections.admin;
        let mut connection = connections.acquire().await?;
        within_work_timeout(async {
            sql::lock_name(&mut connection, name).await?;
            let verified = async {
                let is_new = role::ensure_role(&mut connection, name, &mark, wanted.connection_limit).await?;
                role::ensure_database(&mut connection, name).await?;
                role::check_role_is_confined(&mut connection, name).await?;
                ensure_password(&mut connection, admin, name, password, is_new).await
            };
            let verified = verified.await;
            let unlocked = sql::unlock_name(&mut connection, name).await;
            let url = verified?;
            unlocked.map(|()| url.into())
        })
        .await
    }

    fn derive_password(&self, module: &Module) -> Result<String> {
        let password = self.key.database_password(module.town.ars.as_str(), module.name.as_str());
        password.map_err(|error| Error::Failed(error.to_string()))
    }

    /// The connections for the present content of the files.
    fn connections(&self) -> Result<Arc<Connections>> {
        let files = AdminFiles::read(&self.folder)?;
        let mut current = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connections) = current.as_ref().filter(|connections| connections.are_of(&files)) {
            return Ok(connections.clone());
        }
        let connections = Arc::new(Connections::new(files, &self.folder)?);
        *current = Some(connections.clone());
        Ok(connections)
    }
}

async fn within_work_timeout<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(WORK_TIMEOUT, work).await.unwrap_or_else(|_| Err(Error::no_answer(WORK_TIMEOUT)))
}

fn password_of(url: &str) -> Option<String> {
    Url::parse(url).ok()?.password().map(str::to_owned)
}

/// Gives the role the password unless the module can log in with it, and returns the module's URL. Nobody can
/// log in as a role that `is_new`.
async fn ensure_password(
    connection: &mut PgConnection,
    admin: &AdminAccess,
    name: &str,
    password: &str,
    is_new: bool,
) -> Result<Url> {
    let url = admin.module_url(name, password);
    if is_new || !connections::can_log_in(operators_options(&url, admin)?, admin.ca.as_deref()).await? {
        let verifier = sql::quote_literal(&scram_sha_256(password.as_bytes()));
        let role = sql::quote_identifier(name);
        sql::execute(connection, format!("ALTER ROLE {role} LOGIN PASSWORD {verifier}")).await?;
    }
    Ok(url)
}

/// How the operator connects with a module's URL.
fn operators_options(url: &Url, admin: &AdminAccess) -> Result<PgConnectOptions> {
    let mut url = url.clone();
    if admin.ca.is_some() {
        url.set_query(Some("sslmode=verify-full")); // the file of `sslrootcert` exists only in the pod
    }
    Ok(sqlx::ConnectOptions::from_url(&url)?)
}
