// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
use rathaus_contract::ModuleConfig;

/// What a module knows of its place.
#[derive(Clone, Debug)]
pub struct Place {
    /// `module.json`.
    pub config: ModuleConfig,
    /// `database/url`, a libpq URL.
    pub database_url: String,
}

/// Reads a module's place from its configuration folder.
///
/// # Errors
/// Names the file, and the field in it.
pub fn read(folder: &Path) -> anyhow::Result<Place> {
    let module = folder.join("module.json");
    let text = fs::read_to_string(&module).with_context(|| format!("cannot read {}", module.display()))?;
    let config = serde_path_to_error::deserialize(&mut serde_json::Deserializer::from_str(&text))
        .with_context(|| format!("{} is not as the module contract says", module.display()))?;
    let url = folder.join("database/url");
    let database_url = fs::read_to_string(&url).with_context(|| format!("cannot read {}", url.display()))?;
    if database_url.trim().is_empty() {
        bail!("{} is empty; it must be postgres://USER:PASSWORD@HOST:PORT/DATABASE", url.display());
    }
    Ok(Place { config, database_url: database_url.trim().to_owned() })
}
