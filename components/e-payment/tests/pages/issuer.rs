// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! An OpenID provider for the tests, and the program configured with clerks who log in there.
//!
//! The provider is `oidc-provider`, certified by the OpenID Foundation. It is used instead of Dex because the
//! page tests need npm packages anyway, and because it starts in a second, needs no Go build, and supports
//! client credentials.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::packages::install_packages;
use crate::support::{Server, Service, free_port};

/// The secret of every client at the provider.
pub const CLIENT_SECRET: &str = "a-secret-of-a-client-at-its-issuer";

/// A running provider. It is killed when the test ends.
pub struct Issuer {
    pub url: String,
    process: Child,
}

impl Issuer {
    async fn start(redirect_uri: &str) -> Self {
        let port = free_port();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "node"]).arg(install_packages().join("provider.mjs"));
        command.args([&port.to_string(), redirect_uri, CLIENT_SECRET]);
        let process = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("node is installed");
        let url = format!("http://127.0.0.1:{port}");
        wait_until_ready(&format!("{url}/.well-known/openid-configuration")).await;
        Self { url, process }
    }

    /// Requests a token for `audience` with the credentials of `client`.
    pub async fn request_token(&self, client: &str, audience: &str) -> String {
        let form = [("grant_type", "client_credentials"), ("resource", &format!("urn:{audience}"))];
        let request = plain_http()
            .post(format!("{}/token", self.url))
            .basic_auth(client, Some(CLIENT_SECRET))
            .form(&form);
        let response: Value = request.send().await.unwrap().json().await.unwrap();
        response["access_token"].as_str().unwrap_or_else(|| panic!("{response}")).to_owned()
    }

    /// Stops the provider.
    pub fn stop(&mut self) {
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

/// An HTTP client that sends no credentials and follows no redirects.
pub fn plain_http() -> Client {
    Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap()
}

/// Waits until a started program answers `url` successfully.
pub async fn wait_until_ready(url: &str) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !plain_http().get(url).send().await.is_ok_and(|response| response.status().is_success()) {
        assert!(Instant::now() < deadline, "{url} does not answer");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The settings `ePayment.clerks` of `module.json`.
pub fn clerks_settings() -> Value {
    json!({"clientId": "e-payment", "secret": "kasse-login", "roleClaim": "groups", "role": "kasse"})
}

/// Starts the program with clerks, and their provider.
pub async fn start_with_clerks() -> (Service<'static>, Issuer) {
    let mut service = Service::start(Server::shared()).await;
    let issuer = Issuer::start(&service.url("/kasse/angemeldet")).await;
    service.write_secret("kasse-login", "client-secret", CLIENT_SECRET);
    restart_with(&mut service, |module| {
        module["issuer"] = issuer.url.clone().into();
        module["ePayment"]["clerks"] = clerks_settings();
    })
    .await;
    (service, issuer)
}

/// Changes `module.json` and restarts the program.
pub async fn restart_with(service: &mut Service<'_>, change: impl FnOnce(&mut Value)) {
    let file = service.config.join("module.json");
    let mut module = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut module);
    fs::write(file, module.to_string()).unwrap();
    service.stop(Signal::TERM);
    service.serve().await;
}
