// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Installs the style sheets and fonts of `web/package-lock.json` with npm into cargo's `OUT_DIR`: the
//! checkout is not changed, and a plain `cargo build` is enough. The lock file holds the checksum of every
//! package, so that every build embeds the same bytes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

/// The files of KERN that the module serves, relative to `node_modules/@kern-ux/native/dist`.
const KERN_FILES: [&str; 4] = [
    "kern.min.css",
    "fonts/fira-sans/FiraSans-Regular.woff2",
    "fonts/fira-sans/FiraSans-Medium.woff2",
    "fonts/fira-sans/FiraSans-SemiBold.woff2",
];

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=web");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").context("cargo sets OUT_DIR")?);
    install_packages(&out)?;
    let kern = out.join("node_modules/@kern-ux/native/dist");
    let mut digest = Sha256::new();
    for file in KERN_FILES.map(|name| kern.join(name)).iter().chain([&PathBuf::from("web/site.css")]) {
        digest.update(fs::read(file).with_context(|| file.display().to_string())?);
    }
    let digest: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    println!("cargo::rustc-env=WEB_DIGEST={digest}");
    println!("cargo::rustc-env=KERN={}", kern.display());
    Ok(())
}

fn install_packages(folder: &Path) -> Result<()> {
    for name in [".npmrc", "package.json", "package-lock.json"] {
        fs::copy(Path::new("web").join(name), folder.join(name)).with_context(|| format!("web/{name}"))?;
    }
    let mut npm = Command::new("npm");
    npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(folder);
    let output = npm
        .output()
        .context("npm, which installs the style sheets, cannot be run: install it (Debian: npm)")?;
    if !output.status.success() {
        bail!("`npm ci` of components/kit/web failed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
