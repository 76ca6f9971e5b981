// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of the harness that runs as long as the local node: it enforces network policies and serves
//! routes.

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

/// How long the agent may take until network policies are in force.
const START_LIMIT: Duration = Duration::from_secs(30);

/// Starts the agent of this program, and waits until network policies are in force. A running agent is
/// replaced, since it may be of an older version. Nothing is lost, because the agent reads its whole state
/// from the cluster.
///
/// # Errors
/// Fails if the agent does not start; the message holds the end of its log.
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
    let _ = fs::remove_file(netpol::in_force_marker());
    // The agent runs from a copy, since Cargo replaces the program whenever it builds it.
    let _ = fs::remove_file(&program);
    fs::create_dir_all(state("bin"))?;
    fs::copy("/proc/self/exe", &program).context("cannot copy this program")?;
    daemon.start()?;
    let deadline = Instant::now() + START_LIMIT;
    while !netpol::in_force_marker().exists() {
        daemon.ensure_running()?;
        if Instant::now() > deadline {
            bail!("no network policy is in force; see {}", process::log_file("agent").display());
        }
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// Runs the agent until SIGTERM.
///
/// # Errors
/// Fails if the kubeconfig or the node's authority cannot be read, or if a watch ends.
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
    bail!("a watch has ended, which should never happen")
}
