// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The operator as a process of this machine, so that its processor time and memory can be read.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use kube::{Client, api::DynamicObject};
use tokio::time::sleep;

use super::{
    report::{Stage, seconds_between},
    requests::{Tally, end_of_burst},
    wait::Patience,
};
use crate::{
    apply,
    audit::{self, Mark, Request},
    database, node, paths, pki, process,
    process::Daemon,
};

/// The operator's user, which has the rights of its ServiceAccount.
const USER: &str = "system:serviceaccount:rathaus-system:rathaus";
/// Its group, which all ServiceAccounts have.
const GROUP: &str = "system:serviceaccounts";
/// Folder of its files, relative to the state folder.
const FOLDER: &str = "operator";
/// How long the operator may take until it leads.
const LEAD_LIMIT: Duration = Duration::from_secs(60);
/// What follows a change at once, such as the events about it, belongs to the change.
const AFTERMATH: Duration = Duration::from_secs(5);
/// A restart has ended if nothing happens for this time.
const REST_AFTER_RESTART: f64 = 10.0;
/// How often the processor time is read after a restart.
const SAMPLE: Duration = Duration::from_millis(500);
/// The operator works if it uses more than this share of a processor.
const BUSY: f64 = 0.2;

/// The operator, running or not.
pub struct Operator {
    /// Its process.
    pub daemon: Daemon,
}

/// The start of a stage.
pub struct Begun {
    mark: Mark,
    cpu: Duration,
    /// When the stage has begun.
    pub at: Timestamp,
}

impl Operator {
    /// Installs what the chart installs, except the operator's Deployment.
    ///
    /// # Errors
    /// Fails if the API server rejects something.
    pub async fn install(client: &Client, program: &Path) -> Result<Self> {
        let file = paths::repository().join("manifests/install.yaml");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let objects = apply::parse_objects(&text)?;
        let folder = paths::state(FOLDER);
        fs::create_dir_all(folder.join("database"))?;
        fs::write(folder.join("settings.yaml"), settings_of(&objects)?)?;
        fs::write(folder.join("database/url"), database::admin_url()?)?;
        fs::write(folder.join("database/ca.crt"), pki::ca_certificate()?)?;
        for object in objects.into_iter().filter(|object| kind_of(object) != "Deployment") {
            apply::apply_object(client, object).await?;
        }
        let kubeconfig = node::create_user("operator", USER, Some(GROUP))?;
        let argv = [
            // It replaces itself by the operator.
            "env".to_owned(),
            format!("KUBECONFIG={}", kubeconfig.display()),
            program.display().to_string(),
            "run".to_owned(),
            format!("--settings={}", folder.join("settings.yaml").display()),
            format!("--database-dir={}", folder.join("database").display()),
            "--listen=127.0.0.1:19090".to_owned(),
            "--log-format=json".to_owned(),
        ];
        Ok(Self { daemon: Daemon::new("operator", argv.into()) })
    }

    /// Starts the operator and waits until it leads and reads its custom resources.
    ///
    /// # Errors
    /// Fails if it exits, or does not lead within a minute.
    pub async fn start_and_lead(&self) -> Result<()> {
        let mark = audit::mark()?;
        self.daemon.start()?;
        let patience = Patience { limit: LEAD_LIMIT, daemons: vec![self.daemon.clone()] };
        let leads = async || {
            let requests = audit::requests_since(mark, USER)?;
            Ok(requests.iter().any(|request| request.resource == "servicemodules"))
        };
        patience.wait_until("the operator leads", leads).await.map(drop)
    }

    /// Begins a stage.
    ///
    /// # Errors
    /// Fails if the operator does not run.
    pub fn begin(&self) -> Result<Begun> {
        Ok(Begun { mark: audit::mark()?, cpu: self.cpu_time()?, at: Timestamp::now() })
    }

    /// Ends a stage whose work was done at `done`. Requests of the next five seconds belong to it, too.
    ///
    /// # Errors
    /// Fails if the operator has exited.
    pub async fn end(&self, begun: Begun, done: Timestamp) -> Result<(Stage, Vec<Request>)> {
        let cpu = self.cpu_time()?.saturating_sub(begun.cpu);
        sleep(AFTERMATH).await;
        let requests = audit::requests_since(begun.mark, USER)?;
        Ok((self.stage(seconds_between(begun.at, done), Tally::of(&requests), cpu)?, requests))
    }

    /// Measures the operator for this time without any change.
    ///
    /// # Errors
    /// Fails if the operator has exited.
    pub async fn rest(&self, length: Duration) -> Result<Stage> {
        let begun = self.begin()?;
        sleep(length).await;
        let cpu = self.cpu_time()?.saturating_sub(begun.cpu);
        let requests = audit::requests_since(begun.mark, USER)?;
        self.stage(length.as_secs_f64(), Tally::of(&requests), cpu)
    }

    /// Restarts the operator and measures until it neither makes more requests than at rest nor uses the
    /// processor. `at_rest` is the number of requests per second at rest.
    ///
    /// # Errors
    /// Fails if the operator exits or does not come to rest within `limit`.
    pub async fn restart(&self, at_rest: f64, limit: Duration) -> Result<Stage> {
        self.daemon.stop().await?;
        let mark = audit::mark()?;
        let start = Timestamp::now();
        self.daemon.start()?;
        let allowed = (at_rest * 5.0 * 2.0).ceil() as usize;
        let (mut cpu, mut busy_until) = (Duration::ZERO, start);
        loop {
            sleep(SAMPLE).await;
            self.daemon.ensure_running()?;
            let now = Timestamp::now();
            let used = self.cpu_time()?;
            if used.saturating_sub(cpu).as_secs_f64() > BUSY * SAMPLE.as_secs_f64() {
                busy_until = now;
            }
            cpu = used;
            let requests = audit::requests_since(mark, USER)?;
            if let Some(end) = end_of_burst(&requests, allowed).map(|end| end.max(busy_until))
                && seconds_between(end, now) > REST_AFTER_RESTART
            {
                return self.stage(seconds_between(start, end), Tally::of(&requests), cpu);
            }
            if seconds_between(start, now) > limit.as_secs_f64() {
                bail!("the operator is not at rest {} s after a restart", limit.as_secs());
            }
        }
    }

    fn stage(&self, seconds: f64, requests: Tally, cpu: Duration) -> Result<Stage> {
        let peak_memory = process::peak_memory(self.pid()?).context("the operator has exited")?;
        Ok(Stage { seconds, requests, cpu: cpu.as_secs_f64(), peak_memory })
    }

    fn cpu_time(&self) -> Result<Duration> {
        process::cpu_time(self.pid()?).context("the operator has exited")
    }

    fn pid(&self) -> Result<i32> {
        self.daemon.ensure_running()?;
        self.daemon.pid().context("the operator has exited")
    }
}

fn kind_of(object: &DynamicObject) -> &str {
    object.types.as_ref().map(|types| types.kind.as_str()).unwrap_or_default()
}

/// The settings file as the chart renders it.
fn settings_of(objects: &[DynamicObject]) -> Result<&str> {
    let mut maps = objects.iter().filter(|object| kind_of(object) == "ConfigMap");
    let settings = maps.find_map(|map| map.data["data"]["settings.yaml"].as_str());
    settings.context("manifests/install.yaml has no ConfigMap with settings.yaml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manifest_has_the_settings_and_a_deployment_to_leave_out() {
        let text = fs::read_to_string(paths::repository().join("manifests/install.yaml")).unwrap();
        let objects = apply::parse_objects(&text).unwrap();
        assert!(settings_of(&objects).unwrap().contains("resyncSeconds"));
        assert!(objects.iter().any(|object| kind_of(object) == "Deployment"));
    }
}
