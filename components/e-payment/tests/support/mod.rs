// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Starts a real PostgreSQL server for the tests, and the real program with a new database on it.

#![allow(dead_code, reason = "each test program uses a part of this module")]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};

pub const ARS: &str = "055540004004";
/// The token of the API client `portal`, which [`Service::http`] sends.
pub const TOKEN: &str = "a-token-of-the-tests-0123456789abcdef";
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A PostgreSQL server from Debian's package, private to this test program. A shell stops it when the test
/// program ends, even if that is killed: the shell waits for the end of its standard input.
pub struct Server {
    folder: PathBuf,
    port: u16,
    _shell: Child,
}

impl Server {
    /// The server that the tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// Starts a server for a single test.
    pub fn start() -> Self {
        Self::start_with("-c fsync=off -c max_connections=200")
    }

    /// Starts a server with these options on its command line.
    pub fn start_with(options: &str) -> Self {
        let folder = create_temp_dir();
        if let Some((user, group)) = postgres_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let port = free_port();
        let data = folder.join("data");
        let initdb = format!(
            "{} --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync --pgdata={}",
            postgres_program("initdb"),
            data.display()
        );
        let status = as_postgres(&initdb).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "initdb failed");
        let serve = format!(
            "{} -D {} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} {options} \
             & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid; rm -rf {}",
            postgres_program("postgres"),
            data.display(),
            folder.display(),
            folder.display()
        );
        let log = fs::File::create(folder.join("log")).unwrap();
        let shell = as_postgres(&serve).stdin(Stdio::piped()).stderr(log).spawn().unwrap();
        let server = Self { folder, port, _shell: shell };
        server.wait_until_ready();
        server
    }

    /// The port on 127.0.0.1 at which the server listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait_until_ready(&self) {
        let deadline = Instant::now() + START_TIMEOUT;
        while !self.psql("postgres", "SELECT 1").0 {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: see {}", self.folder.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs SQL with `psql`. Returns whether it succeeded, and its output.
    pub fn psql(&self, database: &str, sql: &str) -> (bool, String) {
        let port = self.port.to_string();
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database, "-qtAX", "-c", sql])
            .output()
            .unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }
}

fn create_temp_dir() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("e-payment-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The path of a program of the newest PostgreSQL version that is installed.
pub fn postgres_program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("install the Debian package postgresql");
    let newest = versions.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok()).max();
    format!("/usr/lib/postgresql/{}/bin/{name}", newest.expect("a version of PostgreSQL"))
}

/// User id and group id of the user `postgres` if the tests run as root, because PostgreSQL refuses to run
/// as root.
fn postgres_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    rustix::process::geteuid().is_root().then(|| (fields.next().unwrap(), fields.next().unwrap()))
}

/// A command that runs a shell script as the user of PostgreSQL.
fn as_postgres(script: &str) -> Command {
    let mut command = match postgres_user() {
        Some(_) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "sh"]);
            command
        }
        None => Command::new("sh"),
    };
    command.args(["-c", script]).current_dir("/");
    command
}

/// A free port below the range of ephemeral ports, so that the system does not assign it to another process
/// before the program under test binds it.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut candidates = std::iter::repeat_with(|| {
        let step = std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed);
        15_000 + u16::try_from(step % 15_000).unwrap()
    });
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// A running e-payment module with a database and a configuration folder of its own.
pub struct Service<'a> {
    pub server: &'a Server,
    pub database: String,
    pub config: PathBuf,
    pub http: Client,
    port: u16,
    admin_port: u16,
    process: Option<Child>,
}

impl<'a> Service<'a> {
    /// Starts the program with [`settings`].
    pub async fn start(server: &'a Server) -> Self {
        Self::start_with(server, settings()).await
    }

    /// Starts the program with another `ePayment` object in `module.json`.
    pub async fn start_with(server: &'a Server, settings: Value) -> Self {
        Self::start_with_authorities(server, settings, None).await
    }

    /// Starts the program with certificate authorities (PEM) that it trusts in addition to the public ones.
    pub async fn start_with_authorities(
        server: &'a Server,
        settings: Value,
        authorities: Option<&str>,
    ) -> Self {
        let config = create_temp_dir();
        let database = config.file_name().unwrap().to_str().unwrap().replace('-', "_");
        assert!(server.psql("postgres", &format!("CREATE DATABASE {database}")).0);
        fs::create_dir_all(config.join("database")).unwrap();
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable\n", server.port);
        fs::write(config.join("database/url"), url).unwrap();
        let (port, admin_port) = (free_port(), free_port());
        let mut module = module_json(port);
        module["ePayment"] = settings;
        module["authorities"] = authorities.into();
        fs::write(config.join("module.json"), module.to_string()).unwrap();
        let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
        let http = Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .default_headers(HeaderMap::from_iter([(AUTHORIZATION, bearer)]))
            .build()
            .unwrap();
        let mut service = Self { server, database, config, http, port, admin_port, process: None };
        service.write_secret("portal", "token", TOKEN);
        assert!(service.migrate().wait().unwrap().success());
        service.serve().await;
        service
    }

    /// Writes a key of a Secret to the file at which Kubernetes would mount it.
    pub fn write_secret(&self, name: &str, key: &str, text: &str) {
        let folder = self.config.join("secrets").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(key), text).unwrap();
    }

    /// Starts the database migration.
    pub fn migrate(&self) -> Child {
        spawn_program(&self.config, &["migrate"])
    }

    /// Starts the program and waits until it is ready.
    pub async fn serve(&mut self) {
        let (listen, admin) = (format!("127.0.0.1:{}", self.port), format!("127.0.0.1:{}", self.admin_port));
        self.process = Some(spawn_program(&self.config, &["--listen", &listen, "--admin-listen", &admin]));
        let deadline = Instant::now() + START_TIMEOUT;
        while self.readiness().await != Some(200) {
            assert!(Instant::now() < deadline, "the program does not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The status of `/readyz`; `None` if there is no response.
    pub async fn readiness(&self) -> Option<u16> {
        self.http.get(self.admin_url("/readyz")).send().await.ok().map(|answer| answer.status().as_u16())
    }

    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin_port)
    }

    /// The process id of the running program.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// The log of the program so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.config.join("log")).unwrap()
    }

    /// Sends a signal to the program and waits until it ends.
    pub fn stop(&mut self, signal: rustix::process::Signal) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        let id = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(id, signal).unwrap();
        process.wait().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// Runs SQL in the database of the program. Returns whether it succeeded, and its output.
    pub fn sql(&self, sql: &str) -> (bool, String) {
        self.server.psql(&self.database, sql)
    }

    /// Creates a payment. Returns the status and the body of the response.
    pub async fn create(&self, request: &Value) -> (u16, Value) {
        let url = self.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
        let answer = self.http.post(url).json(request).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Polls a transaction. Returns the body of the response.
    pub async fn poll(&self, id: &str) -> Value {
        let url = self.url(&format!("/paymenttransaction/parkausweis/{ARS}/{id}"));
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Presses a button of the pay page. Returns the status and the header `Location` of the response.
    pub async fn press(&self, id: &str, button: &str) -> (u16, Option<String>) {
        let url = self.url(&format!("/pay/{id}"));
        let answer = self.http.post(url).form(&[("decision", button)]).send().await.unwrap();
        let location = answer.headers().get("location").map(|value| value.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location)
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.config);
    }
}

/// Starts the program with these arguments. It is killed when the test program ends. Its standard output is
/// appended to the file `log` in the configuration folder.
pub fn spawn_program(config: &Path, arguments: &[&str]) -> Child {
    let log = fs::File::options().create(true).append(true).open(config.join("log")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_e-payment"), "--config-dir"]);
    command.arg(config).args(arguments).stdout(log).spawn().unwrap()
}

fn module_json(port: u16) -> Value {
    json!({
        "municipality": {"name": "ahaus", "displayName": "Stadt Ahaus", "ars": ARS},
        "module": "e-payment", "publicUrl": format!("http://127.0.0.1:{port}"),
        "legal": {
            "imprintUrl": "https://www.ahaus.example/impressum",
            "privacyUrl": "https://www.ahaus.example/datenschutz",
            "accessibilityUrl": "https://www.ahaus.example/barrierefreiheit",
        },
    })
}

/// The `ePayment` object of `module.json` that most tests use.
pub fn settings() -> Value {
    json!({
        "provider": {"type": "Sandbox"},
        "endPoints": [{"id": ARS, "receipts": {"prefix": "AHS-", "length": 12, "checkDigit": "Luhn"}}],
        "clients": [{"name": "portal", "secret": "portal", "originators": ["parkausweis", "another", "park_-9"]}],
        "payerDataDays": 90,
    })
}

/// A request for a payment of 28.80 euros.
pub fn payment(request_id: &str) -> Value {
    json!({
        "requestId": request_id, "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR",
        "grosAmount": 28.80, "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
        "redirectUrl": "https://forms.example/return?x=1",
        "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
            "totalNetAmount": 28.80, "totalTaxAmount": 0.00, "singleNetAmount": 28.80, "singleTaxAmount": 0.00}],
    })
}
