// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The shared PostgreSQL server of the state. It is the one of Debian, with a separate data folder, and
//! listens on the address of the bridge.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, chown},
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rand::distr::{Alphanumeric, SampleString};
use rustix::process::Signal;
use tokio::{process::Command, time::sleep};

use crate::{
    command,
    network::{HOST, POD_NETWORK},
    paths::state,
    pki::{Authority, Subject, certificate_file, key_file},
    process::Daemon,
};

const PORT: u16 = 5432;
/// The role by which the operator creates databases and roles.
const ADMIN_ROLE: &str = "rathaus_admin";
/// The nftables table of [`fall_silent`].
pub const SILENCE: &str = "ip rathaus-database";
/// How long one of PostgreSQL's programs, or the start of the server, may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);

/// Whether the server's data survives a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As on every production server: a commit waits for the disk.
    Durable,
    /// Faster, for demonstrations and tests.
    Volatile,
}

/// Returns the server as a daemon.
///
/// SIGINT is the fast shutdown of PostgreSQL: it ends sessions and loses no data.
pub fn daemon() -> Daemon {
    let program = newest_program("postgres").unwrap_or_default();
    let data = data_folder();
    let argv = [
        "setpriv",
        "--reuid=postgres",
        "--regid=postgres",
        "--init-groups",
        "--",
        &program.to_string_lossy(),
        "-D",
        &data.to_string_lossy(),
    ];
    Daemon { stop_signal: Signal::INT, ..Daemon::new("postgres", argv.map(str::to_owned).to_vec()) }
}

/// Returns the URL of the administrator, who may create databases and roles, but is no superuser.
///
/// # Errors
/// Fails if no node was started.
pub fn admin_url() -> Result<String> {
    let file = admin_url_file();
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} is missing: start the node with `cargo xtask up`", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Creates a new server and starts it.
///
/// # Errors
/// Fails if PostgreSQL is missing or does not start; the message says why.
pub async fn create(durability: Durability) -> Result<()> {
    let user = postgres_ids().await?;
    let folder = state("postgres");
    fs::create_dir_all(&folder)?;
    chown(&folder, Some(user.0), Some(user.1))?;
    let data = data_folder();
    let mut initdb = command_as_postgres(&newest_program("initdb")?);
    initdb.args(["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pgdata"]).arg(&data);
    command::output(&mut initdb, COMMAND_LIMIT).await?;

    let hosts = [HOST];
    let subject = Subject { name: "postgres", group: None, hosts: &hosts };
    Authority::open()?.issue("postgres", subject)?;
    let key = folder.join("server.key");
    fs::copy(key_file("postgres"), &key)?;
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    chown(&key, Some(user.0), Some(user.1))?;
    let certificate = folder.join("server.crt");
    fs::copy(certificate_file("postgres"), &certificate)?;

    let settings = format!(
        "listen_addresses = '{HOST}'\nport = {PORT}\nunix_socket_directories = '{socket}'\n\
         ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\n\
         password_encryption = scram-sha-256\nmax_connections = 300\nfsync = {fsync}\n",
        fsync = if durability == Durability::Durable { "on" } else { "off" },
        socket = folder.display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    fs::write(data.join("postgresql.auto.conf"), settings)?;
    // Only the owner of the folder reaches the socket; connections over the network need TLS and a password.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    let access = format!("local all postgres trust\nhostssl all all {POD_NETWORK} scram-sha-256\n");
    fs::write(data.join("pg_hba.conf"), access)?;
    start().await?;
    create_admin_role().await
}

/// Starts the server and waits until it accepts connections.
///
/// # Errors
/// Fails if the server does not start within a minute; the message holds the end of its log.
pub async fn start() -> Result<()> {
    let daemon = daemon();
    if !daemon.is_running() {
        daemon.start()?;
    }
    let deadline = Instant::now() + COMMAND_LIMIT;
    while let Err(error) = sql("SELECT 1").await {
        daemon.ensure_running()?;
        if Instant::now() > deadline {
            bail!("the database server accepts no connection: {error:#}");
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Stops the server and keeps its data.
///
/// # Errors
/// Fails if the server does not exit.
pub async fn stop() -> Result<()> {
    daemon().stop().await
}

/// Lets the server be silent to everybody who connects over the network: whatever is sent to it is lost, as behind a
/// broken firewall. [`answer`] ends it.
///
/// # Errors
/// Fails if the kernel rejects the rule.
pub async fn fall_silent() -> Result<()> {
    let rules = format!(
        "table {SILENCE} {{\n\
         chain input {{\n\
         type filter hook input priority -200;\n\
         ip daddr {HOST} tcp dport {PORT} drop;\n\
         }}\n\
         }}\n"
    );
    let mut nft = Command::new("nft");
    command::output_with_input(nft.args(["--file", "-"]), &rules, COMMAND_LIMIT).await.map(drop)
}

/// Ends what [`fall_silent`] began, or does nothing.
///
/// # Errors
/// Fails if the rule cannot be removed.
pub async fn answer() -> Result<()> {
    // It exists after the first command, so that the second works in any case.
    let commands = format!("table {SILENCE} {{ }}\ndelete table {SILENCE}\n");
    let mut nft = Command::new("nft");
    command::output_with_input(nft.args(["--file", "-"]), &commands, COMMAND_LIMIT).await.map(drop)
}

/// Runs SQL as superuser in the database `postgres` and returns what `psql` prints: one line for each row,
/// with `|` between the columns.
///
/// # Errors
/// Fails if the server is not running or rejects a statement.
pub async fn sql(statement: &str) -> Result<String> {
    sql_within(statement, COMMAND_LIMIT).await
}

/// Like [`sql`], for statements that may take up to `limit` together.
///
/// # Errors
/// Fails as [`sql`] does.
pub async fn sql_within(statements: &str, limit: Duration) -> Result<String> {
    let mut psql = Command::new("psql");
    psql.arg("--host").arg(state("postgres"));
    psql.args(["--username=postgres", "--dbname=postgres", "--no-psqlrc", "--quiet"]);
    psql.args(["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    let printed = command::output_with_input(&mut psql, statements, limit).await?;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
}

async fn create_admin_role() -> Result<()> {
    let password = Alphanumeric.sample_string(&mut rand::rng(), 32);
    sql(&format!("CREATE ROLE {ADMIN_ROLE} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'")).await?;
    // As docs/state-it.md demands: the role of a module may connect only to its own database.
    sql(&format!("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO {ADMIN_ROLE}")).await?;
    let url = format!("postgres://{ADMIN_ROLE}:{password}@{HOST}:{PORT}/postgres?sslmode=verify-full");
    let file = admin_url_file();
    fs::write(&file, "")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(fs::write(file, url)?)
}

fn admin_url_file() -> PathBuf {
    state("database-url")
}

fn data_folder() -> PathBuf {
    state("postgres/data")
}

fn command_as_postgres(program: &PathBuf) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    // `initdb` needs a working folder that the user `postgres` may enter.
    command.current_dir("/");
    command
}

/// Returns the path of one of PostgreSQL's programs. Debian may have several versions installed; the newest
/// is used.
fn newest_program(name: &str) -> Result<PathBuf> {
    let root = "/usr/lib/postgresql";
    let versions = fs::read_dir(root).with_context(|| format!("{root}: install postgresql"))?;
    versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| PathBuf::from(format!("{root}/{version}/bin/{name}")))
        .with_context(|| format!("{root} holds no version of PostgreSQL"))
}

/// User id and group id of the user `postgres`.
async fn postgres_ids() -> Result<(u32, u32)> {
    let id = async |option: &str| -> Result<u32> {
        let printed = command::output(Command::new("id").args([option, "postgres"]), COMMAND_LIMIT).await?;
        Ok(String::from_utf8_lossy(&printed).trim().parse()?)
    };
    Ok((id("-u").await?, id("-g").await?))
}
