// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Provisions one database and one role for each module, on the shared PostgreSQL server (15 or newer).
//!
//! Every step checks the current state first and is idempotent. If the operator is killed between two
//! steps, the next run completes the work. The operator changes only roles and databases that it has
//! created itself. It recognises a role by its comment, which is written in the same transaction as the
//! role, and a database by its owner.

mod access;

use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres_protocol::password::scram_sha_256;
use rand::RngExt;
use rand::distr::Alphanumeric;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::time::timeout;
use url::Url;

use self::access::AdminAccess;
use crate::desired::module::DatabaseAccess;
use crate::tenant::Module;

/// Number of connections that a module's role may hold at a time, over all its pods.
const CONNECTION_LIMIT: u16 = 20;
const PASSWORD_LENGTH: usize = 32;
/// Limits the time for connecting, so that a server which does not answer delays no other object.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The PostgreSQL setting `statement_timeout`.
const STATEMENT_TIMEOUT: &str = "30s";

/// Why a module has no database. There is one variant for each way to resolve it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file with the administrator's URL, or with the authority of the server's certificate, cannot be
    /// read or used.
    #[error(
        "the file {path} of the database administrator's Secret cannot be used: {message}; state IT must correct the Secret"
    )]
    Settings {
        /// Path of the file.
        path: String,
        /// What is wrong with it; never repeats the content, which contains a password.
        message: String,
    },
    /// The server does not answer, or the connection failed.
    #[error("the database server does not answer: {0}; the operator tries again")]
    Unreachable(String),
    /// The server rejects the administrator's login, or its role lacks a privilege.
    #[error(
        "the database server refuses access: {0}; state IT must check the administrator's role (CREATEDB, CREATEROLE) and password"
    )]
    Refused(String),
    /// A database or role of that name exists and does not belong to the module.
    #[error(
        "database or role {0:?} exists on the server and was not made for this module; state IT must rename or remove it"
    )]
    Foreign(String),
    /// The module's role could connect to databases other than its own.
    #[error(
        "role {role:?} could connect to {databases}; state IT must run REVOKE CONNECT ON DATABASE {databases} FROM PUBLIC"
    )]
    NotConfined {
        /// The module's role.
        role: String,
        /// The databases, comma-separated.
        databases: String,
    },
    /// The server answered with another error.
    #[error("the database server failed: {0}; the operator tries again")]
    Failed(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // Classes 28 (authorization) and 42501 (privilege) of SQLSTATE, PostgreSQL appendix A.
            sqlx::Error::Database(db) if db.code().is_some_and(|c| c.starts_with("28") || c == "42501") => {
                Self::Refused(db.message().to_owned())
            }
            sqlx::Error::Database(db) => Self::Failed(db.message().to_owned()),
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

type Result<T> = std::result::Result<T, Error>;

/// Access to the shared server, by a folder with the administrator's `url` and, optionally, `ca.crt`: a
/// mounted Secret. The files are read for each use, so that a changed password needs no restart.
#[derive(Clone, Debug)]
pub struct Server {
    folder: PathBuf,
}

impl Server {
    /// Names the folder; it is not read yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Creates the module's role and database unless they exist, checks that the role can connect to no
    /// other database, and returns the URL for the module.
    ///
    /// `current_url` is the URL in the module's Secret, if there is one. Its password is kept.
    pub async fn provision(&self, module: &Module, current_url: Option<&str>) -> Result<DatabaseAccess> {
        let admin = AdminAccess::read(&self.folder)?;
        let name = module.name.database_name(&module.town.name);
        let mut connection = connect(admin.options.clone(), admin.ca.as_deref()).await?;
        let result = async {
            ensure_role(&mut connection, &name, &owner_comment_of(module)).await?;
            ensure_database(&mut connection, &name).await?;
            check_role_is_confined(&mut connection, &name).await?;
            keep_or_set_password(&mut connection, &admin, &name, current_url).await
        };
        let access = result.await;
        let _ = connection.close().await; // a failure to close changes nothing about the result
        access
    }

    /// Drops the role and database `name` of a deleted module, or only locks the role so that the data
    /// stays. A role counts as the module's only if its comment is `owner` (see [`owner_comment`]), and a
    /// database only if that role owns it. What is not the module's is left as it is.
    pub async fn lock_or_drop(&self, name: &str, owner: &str, drop_data: bool) -> Result<()> {
        let admin = AdminAccess::read(&self.folder)?;
        let mut connection = connect(admin.options.clone(), admin.ca.as_deref()).await?;
        let result = async {
            let comment = read_role_comment(&mut connection, name).await?;
            let database_owner = read_database_owner(&mut connection, name).await?;
            match decide_removal(name, owner, comment.as_deref(), database_owner.as_deref(), drop_data) {
                Removal::Nothing => Ok(()),
                Removal::LockRole => lock_role(&mut connection, name).await,
                Removal::DropDatabaseAndRole => drop_database_and_role(&mut connection, name).await,
            }
        };
        let result = result.await;
        let _ = connection.close().await;
        result
    }
}

/// What is done on the server for a deleted module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Removal {
    Nothing,
    LockRole,
    DropDatabaseAndRole,
}

/// Decides what is done about the role and the database `name` of a deleted module, from the comment on the
/// role and the owner of the database, each `None` if there is no such role or database. A role of ours may
/// stand beside a database that is not: the module was refused as `DatabaseForeign` after its role was made.
fn decide_removal(
    name: &str,
    owner: &str,
    role_comment: Option<&str>,
    database_owner: Option<&str>,
    drop_data: bool,
) -> Removal {
    let database_is_foreign = database_owner.is_some_and(|database_owner| database_owner != name);
    match role_comment {
        Some(comment) if comment != owner => Removal::Nothing,
        None => Removal::Nothing,
        Some(_) if drop_data && !database_is_foreign => Removal::DropDatabaseAndRole,
        Some(_) => Removal::LockRole,
    }
}

/// The comment on a module's role, which names its owner. It contains the ARS and not a UID, so that a
/// municipality which is created anew finds its data, and another one of the same name does not.
pub fn owner_comment(ars: &str, module: &str) -> String {
    format!("rathaus: municipality {ars}, module {module}")
}

fn owner_comment_of(module: &Module) -> String {
    owner_comment(module.town.ars.as_str(), module.name.as_str())
}

async fn connect(options: PgConnectOptions, ca: Option<&str>) -> Result<PgConnection> {
    let mut options = options.application_name("rathaus");
    if let Some(pem) = ca {
        options = options.ssl_root_cert_from_pem(pem.as_bytes().to_vec());
    }
    let options = options.options([("statement_timeout", STATEMENT_TIMEOUT)]).disable_statement_logging();
    timeout(CONNECT_TIMEOUT, options.connect())
        .await
        .map_err(|_| Error::Unreachable(format!("no connection after {} s", CONNECT_TIMEOUT.as_secs())))?
        .map_err(Error::from)
}

/// Quotes an SQL identifier, since DDL statements take no parameters. The names consist of letters, digits,
/// hyphens and one underscore, so that quoting is only a second safeguard.
fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes an SQL string literal.
fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn execute(connection: &mut PgConnection, sql: String) -> Result<()> {
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// Reads the comment on a role: `None` if there is no such role, `Some("")` if it has no comment.
async fn read_role_comment(connection: &mut PgConnection, name: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = $1",
    )
    .bind(name)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

/// Reads the name of the role that owns a database: `None` if there is no such database.
async fn read_database_owner(connection: &mut PgConnection, name: &str) -> Result<Option<String>> {
    let row = sqlx::query("SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn ensure_role(connection: &mut PgConnection, name: &str, owner: &str) -> Result<()> {
    match read_role_comment(connection, name).await? {
        Some(comment) if comment == owner => return Ok(()),
        Some(_) => return Err(Error::Foreign(name.to_owned())),
        None => {}
    }
    let role = quote_identifier(name);
    let mut transaction = connection.begin().await?;
    for sql in [
        // Nobody can log in yet: the role has no password.
        format!(
            "CREATE ROLE {role} LOGIN CONNECTION LIMIT {CONNECTION_LIMIT} NOSUPERUSER NOCREATEDB NOCREATEROLE"
        ),
        format!("COMMENT ON ROLE {role} IS {}", quote_literal(owner)),
        // Without being a superuser, the administrator must be a member of the role to create and drop the
        // role's database.
        format!("GRANT {role} TO CURRENT_USER"),
    ] {
        execute(&mut transaction, sql).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn ensure_database(connection: &mut PgConnection, name: &str) -> Result<()> {
    let query = "SELECT pg_get_userbyid(datdba)::text, has_database_privilege('public', oid, 'CONNECT') \
                 OR has_database_privilege('public', oid, 'TEMP') FROM pg_database WHERE datname = $1";
    let row = sqlx::query(query).bind(name).fetch_optional(&mut *connection).await?;
    let is_public = match row {
        Some(row) if row.try_get::<String, _>(0)? != name => return Err(Error::Foreign(name.to_owned())),
        Some(row) => row.try_get(1)?,
        None => {
            let sql = format!(
                "CREATE DATABASE {0} OWNER {0} TEMPLATE template0 ENCODING 'UTF8'",
                quote_identifier(name)
            );
            execute(connection, sql).await?;
            true
        }
    };
    if is_public {
        execute(connection, format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quote_identifier(name))).await?;
    }
    Ok(())
}

/// Fails with [`Error::NotConfined`] if the role can connect to a database other than its own. Databases of
/// other modules are exempt, since the operator revokes PUBLIC's access to each of them. Those of the server
/// itself, such as `postgres`, must be closed once by state IT.
async fn check_role_is_confined(connection: &mut PgConnection, role: &str) -> Result<()> {
    let query = "SELECT coalesce(string_agg(quote_ident(datname), ', ' ORDER BY datname), '') FROM pg_database \
                 WHERE datallowconn AND datname <> $1 AND has_database_privilege($1, oid, 'CONNECT') \
                 AND coalesce(shobj_description(datdba, 'pg_authid'), '') NOT LIKE 'rathaus: municipality %'";
    let databases: String = sqlx::query(query).bind(role).fetch_one(connection).await?.try_get(0)?;
    if databases.is_empty() {
        return Ok(());
    }
    Err(Error::NotConfined { role: role.to_owned(), databases })
}

/// Keeps the password of the current URL. If the module cannot log in with it, the role is given the same
/// password again; if there is no current URL, the role is given a random one.
async fn keep_or_set_password(
    connection: &mut PgConnection,
    admin: &AdminAccess,
    name: &str,
    current_url: Option<&str>,
) -> Result<DatabaseAccess> {
    let password = current_url.and_then(|url| Url::parse(url).ok()?.password().map(str::to_owned));
    let url = password.as_deref().map(|password| admin.module_url(name, password));
    if let Some(url) = url
        && can_log_in(&url, admin.ca.as_deref()).await?
    {
        return Ok(DatabaseAccess { url: url.into(), ca: admin.ca.clone() });
    }
    let password = password.unwrap_or_else(|| {
        rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect()
    });
    let verifier = scram_sha_256(password.as_bytes());
    execute(
        connection,
        format!("ALTER ROLE {} LOGIN PASSWORD {}", quote_identifier(name), quote_literal(&verifier)),
    )
    .await?;
    Ok(DatabaseAccess { url: admin.module_url(name, &password).into(), ca: admin.ca.clone() })
}

/// Whether a module can log in with this URL. An error other than a refused login, such as too many
/// connections (SQLSTATE 53300), occurs only after the password was accepted.
async fn can_log_in(url: &Url, ca: Option<&str>) -> Result<bool> {
    let mut url = url.clone();
    if ca.is_some() {
        url.set_query(Some("sslmode=verify-full")); // the file of `sslrootcert` exists only in the pod
    }
    match connect(PgConnectOptions::from_url(&url)?, ca).await {
        Ok(connection) => {
            let _ = connection.close().await;
            Ok(true)
        }
        Err(Error::Refused(_)) => Ok(false),
        Err(Error::Failed(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

async fn lock_role(connection: &mut PgConnection, name: &str) -> Result<()> {
    execute(connection, format!("ALTER ROLE {} NOLOGIN PASSWORD NULL", quote_identifier(name))).await
}

/// Drops a module's database as the module's role, so that the server itself refuses it for a database that
/// was given to another owner since the owner was read.
async fn drop_database_and_role(connection: &mut PgConnection, name: &str) -> Result<()> {
    let quoted = quote_identifier(name);
    execute(connection, format!("SET ROLE {quoted}")).await?;
    execute(connection, format!("DROP DATABASE IF EXISTS {quoted} WITH (FORCE)")).await?;
    execute(connection, "RESET ROLE".to_owned()).await?;
    execute(connection, format!("DROP ROLE IF EXISTS {quoted}")).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_database_with_our_comment_and_our_role_as_its_owner_is_dropped() {
        use Removal::{DropDatabaseAndRole, LockRole, Nothing};
        let (name, ours) = ("ahaus_e-payment", owner_comment("055540004004", "e-payment"));
        let other = owner_comment("055540008008", "e-payment");
        for (comment, database_owner, under_delete, under_retain) in [
            (Some(ours.as_str()), Some(name), DropDatabaseAndRole, LockRole),
            (Some(ours.as_str()), None, DropDatabaseAndRole, LockRole),
            (Some(ours.as_str()), Some("postgres"), LockRole, LockRole),
            (Some(other.as_str()), Some(name), Nothing, Nothing),
            (Some(""), Some(name), Nothing, Nothing),
            (None, Some("postgres"), Nothing, Nothing),
            (None, None, Nothing, Nothing),
        ] {
            let decide = |drop_data| decide_removal(name, &ours, comment, database_owner, drop_data);
            assert_eq!(decide(true), under_delete, "{comment:?} {database_owner:?} under Delete");
            assert_eq!(decide(false), under_retain, "{comment:?} {database_owner:?} under Retain");
        }
    }
}
