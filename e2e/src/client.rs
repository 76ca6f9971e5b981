// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Clients of a cluster's API server.

use std::{path::Path, time::Duration};

use anyhow::{Context, Result};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

/// Returns a client for the cluster that a kubeconfig names. It does not connect yet.
///
/// # Errors
/// The file is missing or is no kubeconfig.
pub async fn from_kubeconfig(kubeconfig: &Path) -> Result<Client> {
    let advice = || format!("{}: is there a cluster? `cargo xtask up` starts one", kubeconfig.display());
    let file = Kubeconfig::read_from(kubeconfig).with_context(advice)?;
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(Client::try_from(config)?)
}
