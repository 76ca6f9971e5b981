// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of the harness that lives as long as the local node: it enforces network policies and
//! serves routes.

use std::{env, path::PathBuf};

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{gateway, netpol, node, paths::state, process::Daemon};

/// Starts the agent that belongs to this program; one that runs is replaced, since it may belong to
/// an older one. It keeps nothing in memory that it could not read again.
///
/// # Errors
/// It does not start.
pub async fn restart() -> Result<()> {
    let daemon = Daemon::new(
        "agent",
        vec![
            env::current_exe()?.to_string_lossy().into_owned(),
            "agent".to_owned(),
            "--kubeconfig".to_owned(),
            state("agent.kubeconfig").to_string_lossy().into_owned(),
        ],
    );
    daemon.stop().await?;
    daemon.start()
}

/// Does the agent's work until SIGTERM.
///
/// # Errors
/// The cluster cannot be reached at all.
pub async fn run(kubeconfig: &PathBuf) -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).init();
    let client = node::client(kubeconfig).await?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        ended = netpol::run(client.clone()) => ended?,
        ended = gateway::run(client) => ended?,
        _ = terminate.recv() => return Ok(()),
    }
    bail!("a watch has ended that never should")
}
