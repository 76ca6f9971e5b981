// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// Secrets that the town named, as files that may change while the module runs. Nothing is kept: who
/// needs one reads it.
#[derive(Clone, Debug)]
pub struct Secrets {
    folder: PathBuf,
}

impl Secrets {
    /// The secrets below a module's configuration folder.
    pub fn below(config_dir: &Path) -> Self {
        Self { folder: config_dir.join("secrets") }
    }

    /// The text under `key` of the Secret `name`, without the line's end that editors leave.
    ///
    /// # Errors
    /// Names the Secret and the key that is missing, empty or no text; never repeats what is in it.
    pub fn read(&self, name: &str, key: &str) -> anyhow::Result<String> {
        let text = fs::read_to_string(self.folder.join(name).join(key))
            .with_context(|| format!("Secret {name} has no readable key {key}"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        ensure!(!text.is_empty(), "key {key} of Secret {name} is empty");
        Ok(text.to_owned())
    }
}
