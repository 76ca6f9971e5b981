// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The published schema of `module.json` is up to date, and the published example matches the types.
//! `UPDATE_GENERATED=1 cargo test -p rathaus-contract` regenerates the schema.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

use std::fs;
use std::path::Path;

use rathaus_contract::ModuleConfig;

fn docs_path(file: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(file)
}

#[test]
fn the_published_schema_is_up_to_date() {
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(ModuleConfig)).unwrap() + "\n";
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(docs_path("module.schema.json"), &schema).unwrap();
    }
    let committed = fs::read_to_string(docs_path("module.schema.json")).unwrap_or_default();
    assert!(committed == schema, "stale: run UPDATE_GENERATED=1 cargo test -p rathaus-contract");
}

#[test]
fn the_published_example_is_a_complete_module_config() {
    let text = fs::read_to_string(docs_path("module-contract.md")).unwrap();
    let example = text.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let config: ModuleConfig = serde_json::from_str(example).unwrap();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(example).unwrap(),
        serde_json::to_value(config).unwrap()
    );
}
