// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use rathaus_contract::ModuleConfig;

/// The content of the files that the operator mounts into every module.
#[derive(Clone, Debug)]
pub struct ModuleFiles {
    /// The parsed `module.json`.
    pub config: ModuleConfig,
    /// The content of `database/url`: a libpq URL, which contains the password.
    pub database_url: String,
}

/// Reads `module.json` and `database/url` from the module's configuration folder.
///
/// # Errors
/// Fails if a file cannot be read, if `module.json` does not follow the module contract or if
/// `database/url` is empty. The error names the file and, for `module.json`, the field.
pub fn read_config(folder: &Path) -> anyhow::Result<ModuleFiles> {
    let module_file = folder.join("module.json");
    let text =
        fs::read_to_string(&module_file).with_context(|| format!("cannot read {}", module_file.display()))?;
    let config = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text))
        .with_context(|| format!("{} does not follow the module contract", module_file.display()))?;
    let url_file = folder.join("database/url");
    let database_url =
        fs::read_to_string(&url_file).with_context(|| format!("cannot read {}", url_file.display()))?;
    if database_url.trim().is_empty() {
        bail!("{} is empty; it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE", url_file.display());
    }
    Ok(ModuleFiles { config, database_url: database_url.trim().to_owned() })
}
