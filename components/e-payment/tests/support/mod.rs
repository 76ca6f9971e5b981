// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A real PostgreSQL server for the tests, and the real program on a database of its own.

#![allow(dead_code, reason = "each test program needs a part of it")]

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
/// The token of the client that the tests call as.
pub const TOKEN: &str = "a-token-of-the-tests-0123456789abcdef";
const PATIENCE: Duration = Duration::from_secs(30);

/// A PostgreSQL server of Debian's, private to this test program. It ends when the program does,
/// however that ends: a shell waits for the other end of its standard input to go.
pub struct Server {
    folder: PathBuf,
    port: u16,
    _guard: Child,
}

impl Server {
    /// The server that the tests share.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Server> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A server of a test's own.
    pub fn start() -> Self {
        Self::start_with("-c fsync=off -c max_connections=200")
    }

    /// The same with other words on its command line.
    pub fn start_with(settings: &str) -> Self {
        let folder = scratch();
        if let Some((user, group)) = postgres_user() {
            chown(&folder, Some(user), Some(group)).unwrap();
        }
        let port = free_port();
        let data = folder.join("data");
        let initdb = format!(
            "{} --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync --pgdata={}",
            program("initdb"),
            data.display()
        );
        let made = as_postgres(&initdb).stdout(Stdio::null()).status().unwrap();
        assert!(made.success(), "initdb");
        let serve = format!(
            "{} -D {} -p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={} {settings} \
             & pid=$!; cat >/dev/null; kill -QUIT $pid; wait $pid; rm -rf {}",
            program("postgres"),
            data.display(),
            folder.display(),
            folder.display()
        );
        let log = fs::File::create(folder.join("log")).unwrap();
        let guard = as_postgres(&serve).stdin(Stdio::piped()).stderr(log).spawn().unwrap();
        let server = Self { folder, port, _guard: guard };
        server.wait();
        server
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        while !self.psql("postgres", "SELECT 1").0 {
            assert!(Instant::now() < deadline, "PostgreSQL does not start: see {}", self.folder.display());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Runs SQL; whether it worked, and what it printed.
    pub fn psql(&self, database: &str, sql: &str) -> (bool, String) {
        let port = self.port.to_string();
        let output = Command::new("psql")
            .args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-d", database, "-qtAX", "-c", sql])
            .output()
            .unwrap();
        let printed = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&printed).trim().to_owned())
    }
}

fn scratch() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("e-payment-test-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A program of the newest PostgreSQL of this machine.
pub fn program(name: &str) -> String {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("install the Debian package postgresql");
    let newest = versions.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok()).max();
    format!("/usr/lib/postgresql/{}/bin/{name}", newest.expect("a version of PostgreSQL"))
}

/// The user that PostgreSQL must run as where the tests run as root, which it refuses.
fn postgres_user() -> Option<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let line = passwd.lines().find(|line| line.starts_with("postgres:"))?;
    let mut fields = line.split(':').skip(2).map(|field| field.parse().unwrap());
    rustix::process::geteuid().is_root().then(|| (fields.next().unwrap(), fields.next().unwrap()))
}

fn as_postgres(shell: &str) -> Command {
    let mut command = match postgres_user() {
        Some(_) => {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=postgres", "--regid=postgres", "--init-groups", "--", "sh"]);
            command
        }
        None => Command::new("sh"),
    };
    command.args(["-c", shell]).current_dir("/");
    command
}

/// A port below those that the system gives to whoever asks for any: between here and the program's
/// start nobody gets it by chance.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let mut candidates = std::iter::repeat_with(|| {
        let step = std::process::id() * 37 + NEXT.fetch_add(1, Ordering::Relaxed);
        15_000 + u16::try_from(step % 15_000).unwrap()
    });
    candidates.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).unwrap()
}

/// The program on a database of its own.
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
    /// Migrated and serving, as most towns have it.
    pub async fn start(server: &'a Server) -> Self {
        Self::start_with(server, block()).await
    }

    /// Migrated and serving, with an e-payment block of the test's own.
    pub async fn start_with(server: &'a Server, block: Value) -> Self {
        Self::start_trusting(server, block, None).await
    }

    /// The same, with authorities (PEM) beside the public ones.
    pub async fn start_trusting(server: &'a Server, block: Value, authorities: Option<&str>) -> Self {
        let config = scratch();
        let database = config.file_name().unwrap().to_str().unwrap().replace('-', "_");
        assert!(server.psql("postgres", &format!("CREATE DATABASE {database}")).0);
        fs::create_dir_all(config.join("database")).unwrap();
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable\n", server.port);
        fs::write(config.join("database/url"), url).unwrap();
        let (port, admin_port) = (free_port(), free_port());
        let mut module = module_json(port);
        module["ePayment"] = block;
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

    /// Writes what Kubernetes would mount of a Secret.
    pub fn write_secret(&self, name: &str, key: &str, text: &str) {
        let folder = self.config.join("secrets").join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(key), text).unwrap();
    }

    pub fn migrate(&self) -> Child {
        run(&self.config, &["migrate"])
    }

    pub async fn serve(&mut self) {
        let (listen, admin) = (format!("127.0.0.1:{}", self.port), format!("127.0.0.1:{}", self.admin_port));
        self.process = Some(run(&self.config, &["--listen", &listen, "--admin-listen", &admin]));
        let deadline = Instant::now() + PATIENCE;
        while self.ready().await != Some(200) {
            assert!(Instant::now() < deadline, "the program does not become ready");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What `/readyz` answers, if anything.
    pub async fn ready(&self) -> Option<u16> {
        self.http.get(self.admin_url("/readyz")).send().await.ok().map(|answer| answer.status().as_u16())
    }

    pub fn admin_url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.admin_port)
    }

    /// The running program's process.
    pub fn process_id(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// What the program has printed.
    pub fn log(&self) -> String {
        fs::read_to_string(self.config.join("log")).unwrap()
    }

    /// Sends a signal and waits for the end.
    pub fn end(&mut self, signal: rustix::process::Signal) -> ExitStatus {
        let mut process = self.process.take().unwrap();
        let id = rustix::process::Pid::from_child(&process);
        rustix::process::kill_process(id, signal).unwrap();
        process.wait().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    pub fn sql(&self, sql: &str) -> (bool, String) {
        self.server.psql(&self.database, sql)
    }

    /// Creates a payment; status and answer.
    pub async fn create(&self, request: &Value) -> (u16, Value) {
        let url = self.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
        let answer = self.http.post(url).json(request).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// The state of a transaction as the standard tells it.
    pub async fn poll(&self, id: &str) -> Value {
        let url = self.url(&format!("/paymenttransaction/parkausweis/{ARS}/{id}"));
        self.http.get(url).send().await.unwrap().json().await.unwrap()
    }

    /// Presses a button of the pay page; status and where the browser is sent.
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

/// Starts the program, which ends with the test that started it, however that ends. What it prints is
/// added to the file `log` in its configuration folder.
pub fn run(config: &Path, words: &[&str]) -> Child {
    let log = fs::File::options().create(true).append(true).open(config.join("log")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", env!("CARGO_BIN_EXE_e-payment"), "--config-dir"]);
    command.arg(config).args(words).stdout(log).spawn().unwrap()
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

/// The e-payment block that most tests use.
pub fn block() -> Value {
    json!({
        "provider": {"type": "Sandbox"},
        "endPoints": [{"id": ARS, "receipts": {"prefix": "AHS-", "length": 12, "checkDigit": "Luhn"}}],
        "clients": [{"name": "portal", "secret": "portal", "originators": ["parkausweis", "another", "park_-9"]}],
        "payerDataDays": 90,
    })
}

/// A request for 28.80 euros.
pub fn payment(request: &str) -> Value {
    json!({
        "requestId": request, "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR",
        "grosAmount": 28.80, "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
        "redirectUrl": "https://forms.example/return?x=1",
        "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
            "totalNetAmount": 28.80, "totalTaxAmount": 0.00, "singleNetAmount": 28.80, "singleTaxAmount": 0.00}],
    })
}
