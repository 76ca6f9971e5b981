// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The local node's network: its addresses, and the bridge that connects all pods.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use tokio::process::Command;

use crate::command;

/// The node's address on its bridge. The API server, the database server and the gateway listen here.
pub const HOST: &str = "10.88.0.1";
/// The range that pods get their addresses from.
pub const POD_NETWORK: &str = "10.88.0.0/16";
/// The range that Services get their cluster IPs from.
pub const SERVICE_NETWORK: &str = "10.96.0.0/16";
/// The cluster IP of the DNS Service.
pub const DNS: &str = "10.96.0.10";
/// The bridge interface that all pods are connected to.
pub const BRIDGE: &str = "rathaus0";
/// Name of the pod network in the CNI configuration. The plugins keep their results under this name in
/// `/var/lib/cni`.
pub const CNI_NETWORK: &str = "rathaus";

const COMMAND_LIMIT: Duration = Duration::from_secs(20);

/// Creates the bridge, and lets the kernel route and filter the traffic that crosses it.
///
/// # Errors
/// The kernel lacks `br_netfilter`, or one of the `ip` commands fails.
pub async fn create_bridge() -> Result<()> {
    let bridged = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if !bridged.exists() {
        let mut modprobe = Command::new("modprobe");
        command::output(modprobe.args(["br_netfilter"]), COMMAND_LIMIT)
            .await
            .context("the kernel lacks br_netfilter, without which no network policy reaches the bridge")?;
    }
    let address = format!("{HOST}/16");
    for words in [
        &["link", "add", BRIDGE, "type", "bridge"][..],
        &["addr", "add", &address, "dev", BRIDGE],
        &["link", "set", BRIDGE, "up"],
    ] {
        command::output(Command::new("ip").args(words), COMMAND_LIMIT).await?;
    }
    // Pods on one bridge reach each other without routing; by default the kernel shows policies none of
    // that traffic.
    fs::write(bridged, "1").with_context(|| bridged.display().to_string())?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("cannot switch on routing")
}
