// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The npm packages of `tests/web`. They are installed again only if the lock file has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const FILES: [&str; 4] = [".npmrc", "package.json", "package-lock.json", "provider.mjs"];

/// Installs the packages if needed. Returns the folder with `node_modules` and the scripts.
pub fn install_packages() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/web");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("web");
        fs::create_dir_all(&folder).unwrap();
        for name in FILES {
            fs::copy(source.join(name), folder.join(name)).unwrap();
        }
        let (lock, installed) =
            (fs::read(source.join("package-lock.json")).unwrap(), folder.join("installed"));
        if fs::read(&installed).ok().as_ref() != Some(&lock) {
            let mut npm = Command::new("npm");
            npm.args(["ci", "--no-audit", "--no-fund", "--loglevel=error", "--prefix"]).arg(&folder);
            assert!(npm.status().expect("npm is installed").success(), "npm ci");
            fs::write(installed, lock).unwrap();
        }
        folder
    })
}
