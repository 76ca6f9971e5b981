// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Paths of the files that the harness reads and writes.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The folder that holds every file of the running node. It is fixed because a machine can run only one node
/// (ports and bridge are fixed, too), and because socket paths must stay below 108 bytes.
pub const STATE: &str = "/var/lib/rathaus";

/// Returns the path of a file or folder inside [`STATE`].
pub fn state(below: &str) -> PathBuf {
    Path::new(STATE).join(below)
}

/// Returns the path of the kubeconfig of the local node's administrator.
pub fn admin_kubeconfig() -> PathBuf {
    state("admin.kubeconfig")
}

/// Returns the path of the local API server's audit log. It has one JSON object per line, for every write and
/// for every request of the operator.
pub fn audit_log() -> PathBuf {
    state("log/audit.log")
}

/// Returns the root folder of the checkout that this program was built from.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// Returns the folder for what is worth keeping between runs, such as built tools: `rathaus` below
/// `$RATHAUS_CACHE`, or else below the user's cache folder.
///
/// # Errors
/// Fails if none of `RATHAUS_CACHE`, `XDG_CACHE_HOME` and `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("RATHAUS_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME"))
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .context("no folder to keep built tools in: set RATHAUS_CACHE to one")?;
    Ok(base.join("rathaus"))
}
