// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Starts the real program with a new database on a real PostgreSQL server.

#![allow(dead_code, reason = "each test program uses a part of this module")]

mod postgres;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use reqwest::Client;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use postgres::create_temp_dir;
#[allow(unused_imports, reason = "each test program uses a part of this module")]
pub use postgres::{Server, free_port, postgres_program};

pub const ARS: &str = "055540004004";
/// The token of the API client `portal`, which [`Service::http`] sends.
pub const TOKEN: &str = "a-token-of-the-tests-0123456789abcdef";
const START_TIMEOUT: Duration = Duration::from_secs(30);

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
        let url = format!("postgres://postgres@127.0.0.1:{}/{database}?sslmode=disable\n", server.port());
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
