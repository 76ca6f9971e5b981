// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! An OpenID provider, and the program with clerks who log in there.
//!
//! It is `oidc-provider`, certified by the OpenID Foundation, and not Dex: it comes with the packages that
//! the pages need anyway, starts in a second without a Go build, and gives tokens to programs, too.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::packages::packages;
use crate::support::{Server, Service, free_port};

/// Of every client at the provider.
pub const SECRET: &str = "a-secret-of-a-client-at-its-issuer";

/// The provider; it ends with the test.
pub struct Issuer {
    pub url: String,
    process: Child,
}

impl Issuer {
    async fn start(redirect_uri: &str) -> Self {
        let port = free_port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "node"]).arg(packages().join("provider.mjs"));
        command.args([&port.to_string(), redirect_uri, SECRET]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("node is installed");
        let url = format!("http://127.0.0.1:{port}");
        answers(&format!("{url}/.well-known/openid-configuration")).await;
        Self { url, process }
    }

    /// A token by the client credentials of `client` for `audience`.
    pub async fn token(&self, client: &str, audience: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", &format!("urn:{audience}"))];
        let request =
            plain_http().post(format!("{}/token", self.url)).basic_auth(client, Some(SECRET)).form(&form);
        let answer: Value = request.send().await.unwrap().json().await.unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// As when the provider is down.
    pub fn end(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A client that brings nothing of its own and follows nothing.
pub fn plain_http() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// Waits until a program that was started answers.
pub async fn answers(url: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !plain_http().get(url).send().await.is_ok_and(|answer| answer.status().is_success()) {
        assert!(Instant::now() < deadline, "{url} does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Who are clerks, in `module.json`.
pub fn clerks() -> Value {
    json!({"clientId": "e-payment", "secret": "kasse-login", "roleClaim": "groups", "role": "kasse"})
}

/// The program with clerks.
pub async fn with_clerks() -> (Service<'static>, Issuer) {
    let mut service = Service::start(Server::shared()).await;
    let issuer = Issuer::start(&service.url("/kasse/angemeldet")).await;
    service.write_secret("kasse-login", "client-secret", SECRET);
    configure(&mut service, |module| {
        module["issuer"] = issuer.url.clone().into();
        module["ePayment"]["clerks"] = clerks();
    })
    .await;
    (service, issuer)
}

/// Starts the program again with another `module.json`.
pub async fn configure(service: &mut Service<'_>, change: impl FnOnce(&mut Value)) {
    let file = service.config.join("module.json");
    let mut module = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut module);
    fs::write(file, module.to_string()).unwrap();
    service.stop(Signal::TERM);
    service.serve().await;
}
