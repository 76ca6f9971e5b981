// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of the harness that lives as long as the local node: it enforces network policies and
//! serves routes.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tracing_subscriber::EnvFilter;

use crate::{
    client, gateway, netpol,
    paths::state,
    process::{self, Daemon},
};

const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts the agent that belongs to this program, and waits until network policies are in force. One
/// that runs is replaced, since it may belong to an older program. It keeps nothing in memory that it
/// could not read again.
///
/// # Errors
/// It does not start; the message holds the end of its log.
pub async fn restart() -> Result<()> {
    let program = state("bin/xtask");
    let daemon = Daemon::new(
        "agent",
        vec![
            program.to_string_lossy().into_owned(),
            "agent".to_owned(),
            "--kubeconfig".to_owned(),
            state("agent.kubeconfig").to_string_lossy().into_owned(),
        ],
    );
    daemon.stop().await?;
    let _ = fs::remove_file(netpol::in_force());
    // A copy: Cargo replaces the program whenever it builds it.
    let _ = fs::remove_file(&program);
    fs::create_dir_all(state("bin"))?;
    fs::copy("/proc/self/exe", &program).context("copying this program")?;
    daemon.start()?;
    let deadline = Instant::now() + START_LIMIT;
    while !netpol::in_force().exists() {
        daemon.check()?;
        if Instant::now() > deadline {
            bail!("no network policy is in force; see {}", process::log_of("agent").display());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Does the agent's work until SIGTERM.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn run(kubeconfig: &Path) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
    let client = client::from_kubeconfig(kubeconfig).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = netpol::run(client.clone()) => ended?,
        ended = gateway::run(client) => ended?,
        _ = terminate.recv() => return Ok(()),
    }
    bail!("a watch has ended that never should")
}
