// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// The Secrets that the town named, mounted as files `secrets/<Secret>/<key>`. The files may change while
/// the module runs, so nothing is cached: callers read a value each time they need it.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// The Secrets in the folder `secrets` of the module's configuration folder.
    pub fn in_config_dir(config_dir: &Path) -> Self {
        Self { folder: config_dir.join("secrets") }
    }

    /// Returns the text under `key` of the Secret `name`, without trailing line breaks, which many
    /// editors append.
    ///
    /// # Errors
    /// Fails if the key is missing, empty or not UTF-8. The error names the Secret and the key but never
    /// the content.
    pub fn read(&self, name: &str, key: &str) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.folder.join(name).join(key))
            .with_context(|| format!("Secret {name} has no readable key {key}"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        ensure!(!text.is_empty(), "key {key} of Secret {name} is empty");
        Ok(text.to_owned())
    }
}
