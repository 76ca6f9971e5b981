// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Programs that must be installed on the machine, because neither Cargo nor the pinned Go modules provide
//! them.

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

/// The oldest minor version of Go 1 that the pinned modules build with.
const MIN_GO_MINOR: u32 = 26;

/// A Debian package, and a file that exists if the package is installed.
type Package = (&'static str, &'static str);

const NODE_PACKAGES: &[Package] = &[
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

/// The build of the components fetches the style sheets of their pages from npm.
const COMPONENT_PACKAGES: &[Package] = &[("npm", "/usr/bin/npm")];

/// Tests open the pages in a real browser.
const BROWSER_PACKAGES: &[Package] =
    &[("chromium", "/usr/bin/chromium"), ("chromium-driver", "/usr/bin/chromedriver")];

/// Installs the packages that a local node needs, and checks that the user is root.
///
/// # Errors
/// Fails if a package is missing and this user may not install it (the message is the command to run as
/// root), or if the user is not root.
pub async fn ensure_node_packages(progress: &mut Progress) -> Result<()> {
    install_missing(progress, NODE_PACKAGES).await?;
    if !geteuid().is_root() {
        bail!(
            "the local node needs root (containers, a bridge, nftables): run this as root, or name \
             an existing cluster by KUBECONFIG"
        );
    }
    Ok(())
}

/// Checks that Go is installed and new enough. Needed only when a program must be built.
///
/// # Errors
/// Fails if Go is missing or too old; the message says what to install.
pub async fn ensure_go() -> Result<()> {
    let advice = format!("install Go 1.{MIN_GO_MINOR} or newer, see https://go.dev/dl/");
    let mut command = Command::new("go");
    command.args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local");
    let printed = command::output(&mut command, Duration::from_secs(20)).await.context(advice.clone())?;
    let version = String::from_utf8_lossy(&printed).trim().to_owned();
    match minor_version(&version) {
        Some(minor) if minor >= MIN_GO_MINOR => Ok(()),
        _ => bail!("Go is {version}: {advice}"),
    }
}

/// Installs the packages that building the components needs in addition to Rust.
///
/// # Errors
/// Fails if a package is missing and this user may not install it.
pub async fn ensure_component_packages(progress: &mut Progress) -> Result<()> {
    install_missing(progress, COMPONENT_PACKAGES).await
}

/// Installs the packages that the tests need in addition to [`ensure_node_packages`].
///
/// # Errors
/// Fails if a package is missing and this user may not install it.
pub async fn ensure_test_packages(progress: &mut Progress) -> Result<()> {
    ensure_component_packages(progress).await?;
    install_missing(progress, BROWSER_PACKAGES).await
}

/// Installs the modules of Python that create a virtual environment.
///
/// # Errors
/// Fails if they are missing and this user may not install them.
pub async fn ensure_python(progress: &mut Progress) -> Result<()> {
    let mut command = Command::new("python3");
    command.args(["-c", "import ensurepip, venv"]);
    match command::output(&mut command, Duration::from_secs(20)).await {
        Ok(_) => Ok(()),
        Err(_) => apt_install(progress, &["python3-venv"]).await,
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

fn minor_version(version: &str) -> Option<u32> {
    let rest = version.strip_prefix("go1.")?;
    rest.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

async fn install_missing(progress: &mut Progress, packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> =
        packages.iter().filter(|(_, file)| !Path::new(file).exists()).map(|&(package, _)| package).collect();
    if missing.is_empty() { Ok(()) } else { apt_install(progress, &missing).await }
}

async fn apt_install(progress: &mut Progress, missing: &[&str]) -> Result<()> {
    let line = format!("apt-get install -y --no-install-recommends {}", missing.join(" "));
    if !geteuid().is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("this machine lacks programs; run as root: {line}");
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
        assert_eq!(minor_version("go1.26.8"), Some(26));
        assert_eq!(minor_version("go1.27rc1"), Some(27));
        assert_eq!(minor_version("devel"), None);
    }
}
