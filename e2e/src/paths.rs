// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Where the harness keeps things.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// Everything that the running node owns. One fixed folder: a machine has room for one node (its
/// ports and its bridge are fixed too), and socket paths must stay below 108 bytes.
pub const STATE: &str = "/var/lib/rathaus";

/// A path inside [`STATE`].
pub fn state(below: &str) -> PathBuf {
    Path::new(STATE).join(below)
}

/// The kubeconfig of the local node's administrator.
pub fn admin_kubeconfig() -> PathBuf {
    state("admin.kubeconfig")
}

/// The audit log of the local API server: one JSON object per line, for every write and for every
/// request of the operator.
pub fn audit_log() -> PathBuf {
    state("log/audit.log")
}

/// The folder of the checkout that this program was built from.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// What is worth keeping between runs, namely built tools: `$RATHAUS_CACHE`, else `rathaus` in the
/// user's cache folder.
///
/// # Errors
/// Neither `RATHAUS_CACHE`, `XDG_CACHE_HOME` nor `HOME` is set.
pub fn cache() -> Result<PathBuf> {
    let folder = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = folder("RATHAUS_CACHE")
        .or_else(|| folder("XDG_CACHE_HOME"))
        .or_else(|| folder("HOME").map(|home| home.join(".cache")))
        .context("no folder to keep built tools in: set RATHAUS_CACHE to one")?;
    Ok(base.join("rathaus"))
}
