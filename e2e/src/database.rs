// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The state's shared PostgreSQL server: Debian's, with a data folder of its own on the bridge address.

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
const ADMIN: &str = "rathaus_admin";
const LIMIT: Duration = Duration::from_secs(60);

/// The server as a daemon, which tests may stop and start.
///
/// SIGINT is PostgreSQL's fast shutdown: sessions end, nothing is lost.
pub fn server() -> Daemon {
    let program = binary("postgres").unwrap_or_default();
    let data = data();
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
    Daemon { stop: Signal::INT, ..Daemon::new("postgres", argv.map(str::to_owned).to_vec()) }
}

/// The URL of the administrator, who may create databases and roles and is no superuser.
///
/// # Errors
/// No node has been started.
pub fn admin_url() -> Result<String> {
    let file = url_file();
    let text = fs::read_to_string(&file)
        .with_context(|| format!("{} is missing: start the node with `cargo xtask up`", file.display()))?;
    Ok(text.trim().to_owned())
}

/// Makes a new server and starts it.
///
/// # Errors
/// PostgreSQL is missing, or does not start; the message says why.
pub async fn create() -> Result<()> {
    let user = ids().await?;
    let folder = state("postgres");
    fs::create_dir_all(&folder)?;
    chown(&folder, Some(user.0), Some(user.1))?;
    let data = data();
    let mut initdb = as_postgres(&binary("initdb")?);
    initdb.args(["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]);
    initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256", "--pgdata"]).arg(&data);
    command::output(&mut initdb, LIMIT).await?;

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
         password_encryption = scram-sha-256\nmax_connections = 300\nfsync = off\n",
        socket = folder.display(),
        certificate = certificate.display(),
        key = key.display(),
    );
    fs::write(data.join("postgresql.auto.conf"), settings)?;
    // The socket's folder is open to its owner alone; from the network only TLS and a password do.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    let access = format!("local all postgres trust\nhostssl all all {POD_NETWORK} scram-sha-256\n");
    fs::write(data.join("pg_hba.conf"), access)?;
    start().await?;
    create_admin().await
}

/// Starts the server and waits until it accepts connections.
///
/// # Errors
/// It does not start within a minute; the message holds the end of its log.
pub async fn start() -> Result<()> {
    let server = server();
    if !server.runs() {
        server.start()?;
    }
    let deadline = Instant::now() + LIMIT;
    while let Err(error) = sql("SELECT 1").await {
        server.check()?;
        if Instant::now() > deadline {
            bail!("the database server accepts no connection: {error:#}");
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Stops the server; its data stays.
///
/// # Errors
/// It does not end.
pub async fn stop() -> Result<()> {
    server().stop().await
}

/// Runs one statement as superuser in the database `postgres` and returns what `psql` prints, one row
/// per line, columns parted by `|`.
///
/// # Errors
/// The server does not run or refuses the statement.
pub async fn sql(statement: &str) -> Result<String> {
    let mut psql = Command::new("psql");
    psql.arg("--host").arg(state("postgres"));
    psql.args(["--username=postgres", "--dbname=postgres", "--no-psqlrc", "--quiet"]);
    psql.args(["--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1"]);
    let printed = command::fed(&mut psql, statement, LIMIT).await?;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
}

async fn create_admin() -> Result<()> {
    let password = Alphanumeric.sample_string(&mut rand::rng(), 32);
    sql(&format!("CREATE ROLE {ADMIN} LOGIN CREATEDB CREATEROLE PASSWORD '{password}'")).await?;
    // As docs/state-it.md asks: a module's role may enter no database but its own.
    sql(&format!("REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO {ADMIN}")).await?;
    let url = format!("postgres://{ADMIN}:{password}@{HOST}:{PORT}/postgres?sslmode=verify-full");
    let file = url_file();
    fs::write(&file, "")?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(fs::write(file, url)?)
}

fn url_file() -> PathBuf {
    state("database-url")
}

fn data() -> PathBuf {
    state("postgres/data")
}

fn as_postgres(program: &PathBuf) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--"]).arg(program);
    // `initdb` enters the folder that it is started in.
    command.current_dir("/");
    command
}

/// Debian keeps several versions side by side; the newest is taken.
fn binary(name: &str) -> Result<PathBuf> {
    let root = "/usr/lib/postgresql";
    let versions = fs::read_dir(root).with_context(|| format!("{root}: install postgresql"))?;
    versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .map(|version| PathBuf::from(format!("{root}/{version}/bin/{name}")))
        .with_context(|| format!("{root} holds no version of PostgreSQL"))
}

async fn ids() -> Result<(u32, u32)> {
    let id = async |option: &str| -> Result<u32> {
        let printed = command::output(Command::new("id").args([option, "postgres"]), LIMIT).await?;
        Ok(String::from_utf8_lossy(&printed).trim().parse()?)
    };
    Ok((id("-u").await?, id("-g").await?))
}
