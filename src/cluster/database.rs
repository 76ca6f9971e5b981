// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A database and a role of its own for each module, on the shared PostgreSQL server (15 or newer).
//!
//! Every step looks first and can be repeated, so that being killed between any two of them leaves
//! nothing that the next run does not complete. Nothing is touched that rathaus did not make: the
//! proof is the comment on the role, written in the same transaction as the role, and the role's
//! ownership of the database.

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

/// Connections that a module's role may hold at a time, all its pods together.
const CONNECTION_LIMIT: u16 = 20;
const PASSWORD_LENGTH: usize = 32;
/// For connecting, and for each statement: a server that does not answer holds nobody up.
const PATIENCE: Duration = Duration::from_secs(10);
const STATEMENT_TIMEOUT: &str = "30s";

/// Why a module has no database: a variant for each thing that a person would do differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The administrator's URL cannot be read or is none.
    #[error(
        "the administrator's database URL in {path} cannot be used: {message}; state IT mends the Secret"
    )]
    Settings {
        /// Which file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
    /// The server does not answer.
    #[error("the database server does not answer: {0}; it is tried again by itself")]
    Unreachable(String),
    /// The server does not let the administrator in, or lets it do too little.
    #[error(
        "the database server refuses: {0}; state IT checks the administrator's role (CREATEDB, CREATEROLE) and password"
    )]
    Refused(String),
    /// A database or role of that name is somebody else's.
    #[error(
        "database or role {0:?} exists on the server and was not made for this module; state IT renames or removes it"
    )]
    Foreign(String),
    /// The module's role could enter databases that are not its own.
    #[error(
        "role {role:?} could connect to {databases}; state IT runs REVOKE CONNECT ON DATABASE {databases} FROM PUBLIC"
    )]
    NotConfined {
        /// The module's role.
        role: String,
        /// The databases, comma-separated.
        databases: String,
    },
    /// The server failed.
    #[error("the database server failed: {0}; it is tried again by itself")]
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

/// The shared server, through a folder with the administrator's `url` and, optionally, `ca.crt`: a
/// mounted Secret. Read anew for each use, so that a changed password needs no restart.
#[derive(Clone, Debug)]
pub struct Server {
    folder: PathBuf,
}

/// A server's URL and authority.
struct Admin {
    url: Url,
    ca: Option<String>,
}

impl Server {
    /// The server that a folder speaks of.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    fn admin(&self) -> Result<Admin> {
        let path = self.folder.join("url");
        let wrong = |message: String| Error::Settings { path: path.display().to_string(), message };
        let text = std::fs::read_to_string(&path).map_err(|e| wrong(e.to_string()))?;
        // The text holds a password: the message must not repeat it.
        let url = Url::parse(text.trim()).map_err(|e| wrong(e.to_string()))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") || !url.has_host() {
            return Err(wrong("it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE".to_owned()));
        }
        Ok(Admin { url, ca: std::fs::read_to_string(self.folder.join("ca.crt")).ok() })
    }

    /// Makes sure that the module has its database and role, and that they are confined; `known` is
    /// the URL that its Secret holds, whose password is kept.
    pub async fn ensure(&self, module: &Module, known: Option<&str>) -> Result<DatabaseAccess> {
        let admin = self.admin()?;
        let name = module.name.database_name(&module.town.name);
        let mut connection = connect(&admin.url, admin.ca.as_deref()).await?;
        let result = async {
            ensure_role(&mut connection, &name, &owner(module)).await?;
            ensure_database(&mut connection, &name).await?;
            confined(&mut connection, &name).await?;
            ensure_password(&mut connection, &admin, &name, known).await
        };
        let access = result.await;
        let _ = connection.close().await; // the answer counts, not the goodbye
        access
    }

    /// What becomes of a module's database when the module goes: locked, or dropped for good.
    pub async fn release(&self, name: &str, owner: &str, drop_data: bool) -> Result<()> {
        let admin = self.admin()?;
        let mut connection = connect(&admin.url, admin.ca.as_deref()).await?;
        let result = async {
            match role_comment(&mut connection, name).await? {
                None => Ok(()),
                Some(comment) if comment != owner => Ok(()), // not made for this module: not ours to touch
                Some(_) if drop_data => drop_all(&mut connection, name).await,
                Some(_) => lock(&mut connection, name).await,
            }
        };
        let released = result.await;
        let _ = connection.close().await;
        released
    }
}

/// What the comment on a module's role says: whose it is. The ARS, and not a UID, so that a
/// municipality that comes back finds its data, and another one of the same name does not.
pub fn owner_comment(ars: &str, module: &str) -> String {
    format!("rathaus: municipality {ars}, module {module}")
}

fn owner(module: &Module) -> String {
    owner_comment(module.town.ars.as_str(), module.name.as_str())
}

async fn connect(url: &Url, ca: Option<&str>) -> Result<PgConnection> {
    let mut options = PgConnectOptions::from_url(url).map_err(Error::from)?.application_name("rathaus");
    if let Some(pem) = ca {
        options = options.ssl_root_cert_from_pem(pem.as_bytes().to_vec());
    }
    let options = options.options([("statement_timeout", STATEMENT_TIMEOUT)]).disable_statement_logging();
    timeout(PATIENCE, options.connect())
        .await
        .map_err(|_| Error::Unreachable(format!("no connection after {} s", PATIENCE.as_secs())))?
        .map_err(Error::from)
}

/// An identifier as SQL writes it. DDL has no parameters for names; these are of letters, digits,
/// hyphens and one underscore, and quoted all the same.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

async fn run(connection: &mut PgConnection, sql: String) -> Result<()> {
    connection.execute(AssertSqlSafe(sql)).await?;
    Ok(())
}

/// The comment on a role; `Some("")` for a role without one.
async fn role_comment(connection: &mut PgConnection, name: &str) -> Result<Option<String>> {
    let row = sqlx::query(
        "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = $1",
    )
    .bind(name)
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?)
}

async fn ensure_role(connection: &mut PgConnection, name: &str, owner: &str) -> Result<()> {
    match role_comment(connection, name).await? {
        Some(comment) if comment == owner => return Ok(()),
        Some(_) => return Err(Error::Foreign(name.to_owned())),
        None => {}
    }
    let role = quoted(name);
    let mut transaction = connection.begin().await?;
    for sql in [
        // Without a password nobody can log in yet.
        format!(
            "CREATE ROLE {role} LOGIN CONNECTION LIMIT {CONNECTION_LIMIT} NOSUPERUSER NOCREATEDB NOCREATEROLE"
        ),
        format!("COMMENT ON ROLE {role} IS {}", literal(owner)),
        // The administrator need not be a superuser: as a member it may make and drop what is the role's.
        format!("GRANT {role} TO CURRENT_USER"),
    ] {
        run(&mut transaction, sql).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn ensure_database(connection: &mut PgConnection, name: &str) -> Result<()> {
    let query = "SELECT pg_get_userbyid(datdba)::text, has_database_privilege('public', oid, 'CONNECT') \
                 OR has_database_privilege('public', oid, 'TEMP') FROM pg_database WHERE datname = $1";
    let row = sqlx::query(query).bind(name).fetch_optional(&mut *connection).await?;
    let open = match row {
        Some(row) if row.try_get::<String, _>(0)? != name => return Err(Error::Foreign(name.to_owned())),
        Some(row) => row.try_get(1)?,
        None => {
            let sql =
                format!("CREATE DATABASE {0} OWNER {0} TEMPLATE template0 ENCODING 'UTF8'", quoted(name));
            run(connection, sql).await?;
            true
        }
    };
    if open {
        run(connection, format!("REVOKE ALL ON DATABASE {} FROM PUBLIC", quoted(name))).await?;
    }
    Ok(())
}

/// A role may enter its own database only. Those of other modules are closed by the operator; the
/// server's own, such as `postgres`, are state IT's to close once.
async fn confined(connection: &mut PgConnection, role: &str) -> Result<()> {
    let query = "SELECT coalesce(string_agg(quote_ident(datname), ', ' ORDER BY datname), '') FROM pg_database \
                 WHERE datallowconn AND datname <> $1 AND has_database_privilege($1, oid, 'CONNECT') \
                 AND coalesce(shobj_description(datdba, 'pg_authid'), '') NOT LIKE 'rathaus: municipality %'";
    let databases: String = sqlx::query(query).bind(role).fetch_one(connection).await?.try_get(0)?;
    if databases.is_empty() {
        return Ok(());
    }
    Err(Error::NotConfined { role: role.to_owned(), databases })
}

/// Keeps the password of the known URL as long as it opens the database; else makes a new one.
async fn ensure_password(
    connection: &mut PgConnection,
    admin: &Admin,
    name: &str,
    known: Option<&str>,
) -> Result<DatabaseAccess> {
    let password = known.and_then(|url| Url::parse(url).ok()?.password().map(str::to_owned));
    let kept = password.as_deref().map(|password| module_url(admin, name, password));
    if let Some(url) = kept
        && opens(&url, admin.ca.as_deref()).await?
    {
        return Ok(DatabaseAccess { url: url.into(), ca: admin.ca.clone() });
    }
    let password = password.unwrap_or_else(|| {
        rand::rng().sample_iter(Alphanumeric).take(PASSWORD_LENGTH).map(char::from).collect()
    });
    let verifier = scram_sha_256(password.as_bytes());
    run(connection, format!("ALTER ROLE {} LOGIN PASSWORD {}", quoted(name), literal(&verifier))).await?;
    Ok(DatabaseAccess { url: module_url(admin, name, &password).into(), ca: admin.ca.clone() })
}

/// Whether a module can log in so. Too many connections (53300) come after the password was right.
async fn opens(url: &Url, ca: Option<&str>) -> Result<bool> {
    let mut url = url.clone();
    if ca.is_some() {
        url.set_query(Some("sslmode=verify-full")); // the file that the URL names is in the module's pod
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

fn module_url(admin: &Admin, name: &str, password: &str) -> Url {
    let mut url = admin.url.clone();
    // These three fail only for a URL without a host, which `Server::admin` refuses.
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

async fn lock(connection: &mut PgConnection, name: &str) -> Result<()> {
    run(connection, format!("ALTER ROLE {} NOLOGIN PASSWORD NULL", quoted(name))).await
}

async fn drop_all(connection: &mut PgConnection, name: &str) -> Result<()> {
    run(connection, format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quoted(name))).await?;
    run(connection, format!("DROP ROLE IF EXISTS {}", quoted(name))).await
}
