// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tests on a real PostgreSQL server.

#[path = "../../../components/e-payment/tests/support/postgres.rs"]
mod postgres;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::jiff::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{sleep, timeout};
use url::Url;

use super::connections::can_log_in;
use super::error::{Error, Result};
use super::{Server, sql};
use crate::desired::module::DatabaseAccess;
use crate::fixtures;
use crate::tenant::{Module, SEAL_KEY_BYTES, SealKey, TownName};

/// Whether a call answers from memory or from the breaker, and not over the network.
const AT_ONCE: Duration = Duration::from_millis(200);

/// The server that these tests share. It demands passwords, except from the superuser.
fn postgres() -> &'static postgres::Server {
    static SERVER: OnceLock<postgres::Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let folder = postgres::create_temp_dir();
        let access = folder.join("pg_hba.conf");
        let (trusted, others) =
            ("host all postgres 127.0.0.1/32 trust", "host all all 127.0.0.1/32 scram-sha-256");
        std::fs::write(&access, format!("{trusted}\n{others}\n")).unwrap();
        let server = postgres::Server::start_with(&format!("-c fsync=off -c hba_file={}", access.display()));
        std::fs::remove_dir_all(folder).unwrap(); // it is read at start
        let (made, message) = server.psql(
            "postgres",
            "CREATE ROLE rathaus_admin LOGIN CREATEDB CREATEROLE PASSWORD 'admin'; \
             REVOKE CONNECT ON DATABASE postgres, template1 FROM PUBLIC; \
             GRANT CONNECT ON DATABASE postgres TO rathaus_admin",
        );
        assert!(made, "{message}");
        server
    })
}

/// Runs SQL as superuser.
fn psql(sql: &str) -> String {
    let (done, text) = postgres().psql("postgres", sql);
    assert!(done, "{sql}: {text}");
    text
}

fn admin_url() -> String {
    format!("postgres://rathaus_admin:admin@127.0.0.1:{}/postgres?sslmode=disable", postgres().port())
}

/// An operator with its mounted Secret.
struct Operator {
    server: Server,
    folder: PathBuf,
}

impl Operator {
    /// The operator of an installation, started just now.
    fn start(installation: u8) -> Self {
        Self::start_with(installation, &admin_url())
    }

    fn start_with(installation: u8, url: &str) -> Self {
        let folder = postgres::create_temp_dir();
        let key = SealKey::new(&[installation; SEAL_KEY_BYTES], Timestamp::UNIX_EPOCH).unwrap();
        let operator = Self { server: Server::new(&folder, key), folder };
        operator.mount(url);
        operator
    }

    fn mount(&self, url: &str) {
        std::fs::write(self.folder.join("url"), url).unwrap();
    }

    async fn provision(&self, module: &Module, current_url: Option<&str>) -> Result<String> {
        self.server.provision(module, current_url).await.map(|access: DatabaseAccess| access.url)
    }

    async fn lock_or_drop(&self, module: &Module, drop_data: bool) -> Result<()> {
        let owner = super::mark::owner_of(module);
        self.server.lock_or_drop(&name_of(module), &owner, drop_data).await
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// An e-payment module of a town of this name, with two replicas.
fn module(town: &str) -> Module {
    let mut module = fixtures::e_payment();
    module.town.name = TownName::parse(town).unwrap();
    module
}

fn name_of(module: &Module) -> String {
    module.name.database_name(&module.town.name)
}

/// Everything about the role and database of a module that the operator could change.
fn on_server(module: &Module) -> String {
    let name = name_of(module);
    psql(&format!(
        "SELECT r.oid, rolpassword, rolcanlogin, rolconnlimit, shobj_description(r.oid, 'pg_authid'), d.oid, datdba, datacl \
         FROM pg_authid r LEFT JOIN pg_database d ON datname = rolname WHERE rolname = '{name}'"
    ))
}

async fn logs_in(url: &str) -> bool {
    let options = PgConnectOptions::from_url(&Url::parse(url).unwrap()).unwrap();
    can_log_in(options, None).await.unwrap()
}

fn with_password(url: &str, password: &str) -> String {
    let mut url = Url::parse(url).unwrap();
    url.set_password(Some(password)).unwrap();
    url.into()
}

#[tokio::test]
async fn provisioning_again_changes_nothing_and_seldom_asks_the_server() {
    let (operator, module) = (Operator::start(1), module("twice"));
    let url = operator.provision(&module, None).await.unwrap();
    assert!(logs_in(&url).await);
    let before = on_server(&module);
    assert!(before.contains("|t|17|rathaus: municipality"), "{before}");

    assert_eq!(operator.provision(&module, Some(&url)).await.unwrap(), url);
    assert_eq!(Operator::start(1).provision(&module, Some(&url)).await.unwrap(), url, "after a restart");
    assert_eq!(on_server(&module), before);

    psql("ALTER ROLE \"twice_e-payment\" CONNECTION LIMIT 99");
    operator.provision(&module, Some(&url)).await.unwrap();
    assert!(on_server(&module).contains("|99|"), "what was verified just now is not verified again");
    let mut larger = module.clone();
    larger.plan.replicas = 3;
    operator.provision(&larger, Some(&url)).await.unwrap();
    assert!(on_server(&module).contains("|22|"), "a change of the plan is no repetition");
    Operator::start(1).provision(&module, Some(&url)).await.unwrap();
    assert_eq!(on_server(&module), before, "the limit of an existing role is corrected");
}

#[tokio::test]
async fn a_lost_secret_and_a_new_cluster_change_no_password() {
    let module = module("lost");
    let url = Operator::start(1).provision(&module, None).await.unwrap();
    let before = on_server(&module);
    assert_eq!(Operator::start(1).provision(&module, None).await.unwrap(), url);
    assert_eq!(on_server(&module), before);
}

#[tokio::test]
async fn the_password_of_the_secret_is_kept_or_given_to_the_role() {
    let (operator, module) = (Operator::start(1), module("kept"));
    let derived = operator.provision(&module, None).await.unwrap();
    let chosen = with_password(&derived, "chosen");
    assert!(!logs_in(&chosen).await);
    assert_eq!(operator.provision(&module, Some(&chosen)).await.unwrap(), chosen);
    assert!(logs_in(&chosen).await && !logs_in(&derived).await);
    let before = on_server(&module);
    assert_eq!(Operator::start(1).provision(&module, Some(&chosen)).await.unwrap(), chosen);
    assert_eq!(on_server(&module), before);
    // The Secret is lost: what only it contained is replaced.
    assert_eq!(operator.provision(&module, None).await.unwrap(), derived);
    assert!(logs_in(&derived).await);
}

#[tokio::test]
async fn a_database_of_another_installation_is_refused_until_it_is_handed_over() {
    let (first, second, module) = (Operator::start(1), Operator::start(2), module("shared"));
    first.provision(&module, None).await.unwrap();
    let before = on_server(&module);
    let refused = second.provision(&module, None).await.unwrap_err();
    assert!(matches!(&refused, Error::Foreign(name) if name == "shared_e-payment"), "{refused}");
    second.lock_or_drop(&module, true).await.unwrap();
    assert_eq!(on_server(&module), before);

    psql("COMMENT ON ROLE \"shared_e-payment\" IS 'rathaus: municipality 055540004004, module e-payment'");
    let url = second.provision(&module, None).await.unwrap();
    assert!(logs_in(&url).await);
    let handed_over = on_server(&module);
    first.lock_or_drop(&module, true).await.unwrap();
    let refused = first.provision(&module, None).await.unwrap_err();
    assert!(matches!(refused, Error::Foreign(_)), "{refused}");
    assert_eq!(on_server(&module), handed_over);
}

#[tokio::test]
async fn a_role_of_version_0_1_0_is_completed() {
    let module = module("older");
    let url = Operator::start(1).provision(&module, None).await.unwrap();
    let (url, before) = (with_password(&url, "random"), on_server(&module));
    psql(
        "COMMENT ON ROLE \"older_e-payment\" IS 'rathaus: municipality 055540004004, module e-payment'; \
         ALTER ROLE \"older_e-payment\" CONNECTION LIMIT 20 PASSWORD 'random'",
    );
    assert_eq!(Operator::start(1).provision(&module, Some(&url)).await.unwrap(), url);
    let (_, after_password) = before.split_once("|t|").unwrap();
    assert!(on_server(&module).ends_with(after_password), "{before}\n{}", on_server(&module));
}

#[tokio::test]
async fn a_role_is_locked_and_opened_again_or_dropped_with_its_database() {
    let (operator, module) = (Operator::start(1), module("gone"));
    let url = operator.provision(&module, None).await.unwrap();
    let database = "SELECT oid FROM pg_database WHERE datname = 'gone_e-payment'";
    let before = psql(database);
    operator.lock_or_drop(&module, false).await.unwrap();
    assert!(!logs_in(&url).await);
    assert_eq!(operator.provision(&module, None).await.unwrap(), url);
    assert!(logs_in(&url).await);
    assert_eq!(psql(database), before);
    operator.lock_or_drop(&module, true).await.unwrap();
    assert_eq!((psql(database), on_server(&module)), (String::new(), String::new()));
    // Whatever connections are left, none acts as the role that is gone.
    assert_eq!(operator.provision(&module, None).await.unwrap(), url);
    assert!(logs_in(&url).await);
}

/// A session of an operator that holds the lock of the module's database.
async fn frozen_leader(module: &Module) -> PgConnection {
    let options = PgConnectOptions::from_url(&admin_url().parse().unwrap()).unwrap();
    let mut connection = options.connect().await.unwrap();
    sql::lock_name(&mut connection, &name_of(module)).await.unwrap();
    connection
}

#[tokio::test]
async fn two_operators_do_not_change_one_database_at_the_same_time() {
    let (operator, module) = (Operator::start(1), module("frozen"));
    let frozen = frozen_leader(&module).await;
    let error = operator.provision(&module, None).await.unwrap_err();
    assert!(matches!(&error, Error::Failed(message) if message.contains("another session")), "{error}");
    assert_eq!(on_server(&module), "");
    let error = operator.lock_or_drop(&module, true).await.unwrap_err();
    assert!(matches!(error, Error::Failed(_)), "{error}");
    // The server ends the session of a frozen leader.
    frozen.close().await.unwrap();
    operator.provision(&module, None).await.unwrap();
}

#[tokio::test]
async fn a_cancelled_call_leaves_no_lock() {
    let (operator, module) = (Operator::start(1), module("cancelled"));
    let locks = || {
        psql(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = \
             (hashtextextended('rathaus: database cancelled_e-payment', 0) >> 32 & 4294967295)::oid",
        )
    };
    let frozen = frozen_leader(&module).await;
    assert_eq!(locks(), "1");
    timeout(Duration::from_secs(1), operator.provision(&module, None)).await.unwrap_err();
    assert_eq!(locks(), "2", "it is cancelled while it waits for the lock");
    frozen.close().await.unwrap();
    // Now the server gives the lock to the session of the call that nobody waits for.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(locks(), "0");
    let url = operator.provision(&module, None).await.unwrap();
    assert!(logs_in(&url).await);
}

#[tokio::test]
async fn a_server_that_swallows_everything_holds_calls_for_four_seconds_and_then_not_at_all() {
    let hole = TcpListener::bind("127.0.0.1:0").unwrap(); // connections are made, and nobody answers
    let url = format!("postgres://rathaus_admin:admin@{}/postgres", hole.local_addr().unwrap());
    let (operator, module) = (Operator::start_with(1, &url), module("hole"));
    let start = Instant::now();
    // More workers than connections.
    for result in join_all((0..8).map(|_| operator.provision(&module, None))).await {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::Unreachable(message) if message.contains("3 s")), "{error}");
    }
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    let start = Instant::now();
    for _ in 0..100 {
        let error = operator.provision(&module, None).await.unwrap_err();
        assert!(matches!(error, Error::Unreachable(_)), "{error}");
        operator.lock_or_drop(&module, false).await.unwrap_err();
    }
    assert!(start.elapsed() < AT_ONCE, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_refused_connection_is_told_and_ends_within_four_seconds() {
    let url = format!("postgres://rathaus_admin:admin@127.0.0.1:{}/postgres", postgres::free_port());
    let (operator, module) = (Operator::start_with(1, &url), module("closed"));
    let start = Instant::now();
    let error = operator.provision(&module, None).await.unwrap_err();
    assert!(matches!(&error, Error::Unreachable(message) if message.contains("refused")), "{error}");
    assert!(start.elapsed() < Duration::from_secs(4), "{:?}", start.elapsed());
    // With another URL, nobody waits.
    operator.mount(&admin_url());
    operator.provision(&module, None).await.unwrap();
}

#[tokio::test]
async fn a_refused_login_is_not_repeated_until_the_secret_is_corrected() {
    let (operator, module) =
        (Operator::start_with(1, &with_password(&admin_url(), "wrong")), module("login"));
    for _ in 0..2 {
        let start = Instant::now();
        let error = operator.provision(&module, None).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error}");
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    }
    operator.mount(&admin_url());
    operator.provision(&module, None).await.unwrap();
}
