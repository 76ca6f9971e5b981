// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the machine must have that neither Cargo nor the pinned Go modules bring.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;
use tokio::process::Command;

use crate::{command, paths, progress::Progress};

const INSTALL_LIMIT: Duration = Duration::from_secs(15 * 60);

/// The oldest Go that the pinned modules build with.
const GO_MINOR: u32 = 26;

/// Debian package and a file that proves it is there.
type Package = (&'static str, &'static str);

const NODE: &[Package] = &[
    ("binutils", "/usr/bin/strip"),
    ("containernetworking-plugins", "/usr/lib/cni/bridge"),
    ("gcc", "/usr/bin/gcc"),
    ("iproute2", "/usr/sbin/ip"),
    ("libc6-dev", "/usr/include/stdio.h"),
    ("libseccomp-dev", "/usr/include/seccomp.h"),
    ("nftables", "/usr/sbin/nft"),
    ("pkg-config", "/usr/bin/pkg-config"),
    ("postgresql", "/usr/lib/postgresql"),
];

/// The components' pages come with style sheets from npm.
const PAGES: &[Package] = &[("npm", "/usr/bin/npm")];

/// Citizens come with a browser.
const BROWSER: &[Package] =
    &[("chromium", "/usr/bin/chromium"), ("chromium-driver", "/usr/bin/chromedriver")];

/// Installs what a local node needs.
///
/// # Errors
/// Something is missing and this user may not install it; the message is the line to run.
pub async fn node(progress: &mut Progress) -> Result<()> {
    install(progress, NODE).await?;
    if !geteuid().is_root() {
        bail!(
            "the local node needs root (containers, a bridge, nftables): run this as root, or name \
             a cluster of yours by KUBECONFIG"
        );
    }
    Ok(())
}

/// Fails with advice unless Go is there and new enough. Asked only when something must be built.
///
/// # Errors
/// Go is missing or too old.
pub async fn go() -> Result<()> {
    let advice = format!("install Go 1.{GO_MINOR} or newer, see https://go.dev/dl/");
    let mut ask = Command::new("go");
    ask.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local");
    let printed = command::output(&mut ask, Duration::from_secs(20)).await.context(advice.clone())?;
    let version = String::from_utf8_lossy(&printed).trim().to_owned();
    match minor(&version) {
        Some(minor) if minor >= GO_MINOR => Ok(()),
        _ => bail!("Go is {version}: {advice}"),
    }
}

/// Installs what building the components needs beside Rust.
///
/// # Errors
/// As [`node`].
pub async fn components(progress: &mut Progress) -> Result<()> {
    install(progress, PAGES).await
}

/// Installs what the tests need beside [`node`].
///
/// # Errors
/// As [`node`].
pub async fn tests(progress: &mut Progress) -> Result<()> {
    components(progress).await?;
    install(progress, BROWSER).await
}

/// Python with what it takes to make a virtual environment.
///
/// # Errors
/// As [`node`].
pub async fn python(progress: &mut Progress) -> Result<()> {
    let mut ask = Command::new("python3");
    ask.args(["-c", "import ensurepip, venv"]);
    match command::output(&mut ask, Duration::from_secs(20)).await {
        Ok(_) => Ok(()),
        Err(_) => apt(progress, &["python3-venv"]).await,
    }
}

/// Prometheus' `promtool`, which tests the chart's alerts. Debian's package is only unpacked: its installation
/// would start a server.
///
/// # Errors
/// The package cannot be downloaded; the message is what apt printed.
pub async fn promtool(progress: &mut Progress) -> Result<PathBuf> {
    let folder = paths::cache()?.join("bin/promtool");
    let program = folder.join("usr/bin/promtool");
    if program.exists() {
        return Ok(program);
    }
    let work = async {
        fs::create_dir_all(&folder)?;
        let script = "rm -f prometheus_*.deb; \
            apt-get download prometheus || { apt-get update && apt-get download prometheus; } && \
            dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool && rm prometheus_*.deb";
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).current_dir(&folder);
        command::output(&mut shell, INSTALL_LIMIT).await.map(drop)
    };
    progress.step("downloading promtool", work).await?;
    Ok(program)
}

fn minor(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

async fn install(progress: &mut Progress, packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|&(package, _)| package).collect();
    if missing.is_empty() { Ok(()) } else { apt(progress, &missing).await }
}

async fn apt(progress: &mut Progress, missing: &[&str]) -> Result<()> {
    let line = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !geteuid().is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("this machine lacks programs; as root, run: {line}");
    }
    let work = async {
        let script = format!("apt-get update && {line}");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).env("DEBIAN_FRONTEND", "noninteractive");
        command::output(&mut shell, INSTALL_LIMIT).await.map(drop)
    };
    progress.step(&format!("installing {}", missing.join(", ")), work).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minor_version_is_read_from_releases_and_candidates() {
        assert_eq!(minor("go1.26.8"), Some(26));
        assert_eq!(minor("go1.27rc1"), Some(27));
        assert_eq!(minor("devel"), None);
    }
}
