// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Provisions one database and one role for each module, on the shared PostgreSQL server (15 or newer).
//!
//! Every step checks the current state first and is idempotent. If the operator is killed between two
//! steps, the next run completes the work. The operator changes only roles and databases that it has
//! created itself. It recognises a role by its comment, which is written in the same transaction as the
//! role, and a database by its owner.

use std::path::{Path, PathBuf};
use std::time::Duration;

use postgres_protocol::password::scram_sha_256;
use rand::RngExt;
use rand::distr::Alphanumeric;
use rathaus_contract::DATABASE_CA_FILE;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row};
use tokio::time::timeout;
use url::Url;

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
    /// The file with the administrator's URL cannot be read, or its content is not such a URL.
    #[error(
        "the administrator's database URL in {path} cannot be used: {message}; state IT must correct the Secret"
    )]
    Settings {
        /// Path of the file.
        path: String,
        /// What is wrong with it; never repeats the URL, which contains a password.
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

/// The administrator's URL, and the authority (PEM) of the server's certificate.
struct AdminAccess {
    url: Url,
    ca: Option<String>,
}

impl Server {
    /// Names the folder; it is not read yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn read_admin_access(&self) -> Result<AdminAccess> {
        let path = self.folder.join("url");
        let unusable = |message: String| Error::Settings { path: path.display().to_string(), message };
        let text = std::fs::read_to_string(&path).map_err(|e| unusable(e.to_string()))?;
        // The text contains a password, so that the message must not repeat it.
        let url = Url::parse(text.trim()).map_err(|e| unusable(e.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || !url.has_host() {
            return Err(unusable("it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()));
        }
        Ok(AdminAccess { url, ca: std::fs::read_to_string(self.folder.join("ca.crt")).ok() })
    }

    /// Creates the module's role and database unless they exist, checks that the role can connect to no
    /// other database, and returns the URL for the module.
    ///
    /// `current_url` is the URL in the module's Secret, if there is one. Its password is kept.
    pub async fn provision(&self, module: &Module, current_url: Option<&str>) -> Result<DatabaseAccess> {
        let admin = self.read_admin_access()?;
        let name = module.name.database_name(&module.town.name);
        let mut connection = connect(&admin.url, admin.ca.as_deref()).await?;
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
    /// stays. Does nothing unless the comment on the role is `owner` (see [`owner_comment`]).
    pub async fn lock_or_drop(&self, name: &str, owner: &str, drop_data: bool) -> Result<()> {
        let admin = self.read_admin_access()?;
        let mut connection = connect(&admin.url, admin.ca.as_deref()).await?;
        let result = async {
            match read_role_comment(&mut connection, name).await? {
                None => Ok(()),
                Some(comment) if comment != owner => Ok(()), // the role was not created for this module
                Some(_) if drop_data => drop_database_and_role(&mut connection, name).await,
                Some(_) => lock_role(&mut connection, name).await,
            }
        };
        let result = result.await;
        let _ = connection.close().await;
        result
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

async fn connect(url: &Url, ca: Option<&str>) -> Result<PgConnection> {
    let mut options = PgConnectOptions::from_url(url).map_err(Error::from)?.application_name("rathaus");
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
    let url = password.as_deref().map(|password| module_url(admin, name, password));
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
    Ok(DatabaseAccess { url: module_url(admin, name, &password).into(), ca: admin.ca.clone() })
}

/// Whether a module can log in with this URL. An error other than a refused login, such as too many
/// connections (SQLSTATE 53300), occurs only after the password was accepted.
async fn can_log_in(url: &Url, ca: Option<&str>) -> Result<bool> {
    let mut url = url.clone();
    if ca.is_some() {
        url.set_query(Some("sslmode=verify-full")); // the file of `sslrootcert` exists only in the pod
    }
    match connect(&url, ca).await {
        Ok(connection) => {
            let _ = connection.close().await;
            Ok(true)
        }
        Err(Error::Refused(_)) => Ok(false),
        Err(Error::Failed(_)) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The administrator's URL with the module's role, password and database instead of the administrator's.
fn module_url(admin: &AdminAccess, name: &str, password: &str) -> Url {
    let mut url = admin.url.clone();
    // These setters fail only for a URL without a host, which `Server::read_admin_access` rejects.
    let _ = url.set_username(name);
    let _ = url.set_password(Some(password));
    url.set_path(name);
    if admin.ca.is_some() {
        url.query_pairs_mut()
            .clear()
            .extend_pairs([("sslmode", "verify-full"), ("sslrootcert", DATABASE_CA_FILE)]);
    }
    url
}

async fn lock_role(connection: &mut PgConnection, name: &str) -> Result<()> {
    execute(connection, format!("ALTER ROLE {} NOLOGIN PASSWORD NULL", quote_identifier(name))).await
}

async fn drop_database_and_role(connection: &mut PgConnection, name: &str) -> Result<()> {
    execute(connection, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(name))).await?;
    execute(connection, format!("DROP ROLE IF EXISTS {}", quote_identifier(name))).await
}
