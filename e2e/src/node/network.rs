// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The bridge that pods are on.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use tokio::process::Command;

use super::{BRIDGE, HOST};
use crate::command;

const LIMIT: Duration = Duration::from_secs(20);

/// Makes the bridge, and lets the kernel route and filter what crosses it.
pub async fn create() -> Result<()> {
    let bridged = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
    if !bridged.exists() {
        let mut modprobe = Command::new("modprobe");
        command::output(modprobe.args(["br_netfilter"]), LIMIT)
            .await
            .context("the kernel lacks br_netfilter, without which no network policy reaches the bridge")?;
    }
    let address = format!("{HOST}/16");
    for words in [
        &["link", "add", BRIDGE, "type", "bridge"][..],
        &["addr", "add", &address, "dev", BRIDGE],
        &["link", "set", BRIDGE, "up"],
    ] {
        command::output(Command::new("ip").args(words), LIMIT).await?;
    }
    // Pods on one bridge reach each other without routing: without this, policies see nothing of it.
    fs::write(bridged, "1").with_context(|| bridged.display().to_string())?;
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("switching routing on")
}
