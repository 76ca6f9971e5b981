// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Checks the architecture in CONTRIBUTING.md: each layer of `src/` uses only the layers it may depend on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a failed test may panic")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each layer, and the layers that it may use.
const LAYERS: [(&str, &[&str]); 9] = [
    ("api", &[]),
    ("settings", &[]),
    ("tenant", &["api", "settings"]),
    ("desired", &["api", "settings", "tenant"]),
    ("cluster", &["api", "tenant", "desired"]),
    ("status", &["api", "tenant", "desired", "cluster"]),
    ("serve", &["status"]),
    ("reconcile", &["api", "settings", "tenant", "desired", "cluster", "status", "serve"]),
    ("cli", &["api", "settings", "tenant", "desired", "cluster", "status", "serve", "reconcile"]),
];

/// Layers of pure functions: they use no client, no clock and no disk.
const PURE_LAYERS: [&str; 3] = ["tenant", "desired", "status"];

/// Lists the files at or below a path.
fn list_files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| list_files(&path)).collect()
}

/// The source files of a layer with their code, without comments and without `tests.rs`.
fn sources_of(layer: &str) -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root =
        [source.join(layer), source.join(format!("{layer}.rs"))].into_iter().find(|path| path.exists());
    // Comments may refer to any layer.
    let code = |text: &str| {
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let read = |path: PathBuf| (path.clone(), code(&fs::read_to_string(path).unwrap()));
    let files = list_files(&root.unwrap_or_else(|| panic!("layer {layer} does not exist")));
    let is_code = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs");
    files.into_iter().filter(is_code).map(read).collect()
}

fn used_layers(code: &str) -> BTreeSet<String> {
    let first_word =
        |part: &str| part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    let single = code.split("crate::").skip(1).map(first_word);
    let grouped = code.split("use crate::{").skip(1).flat_map(|part| {
        let group = part.split("};").next().unwrap_or("");
        group.split(',').map(|item| first_word(item.trim())).collect::<Vec<_>>()
    });
    single.chain(grouped).filter(|name| LAYERS.iter().any(|(layer, _)| layer == name)).collect()
}

#[test]
fn each_layer_uses_only_its_allowed_layers() {
    for (layer, allowed) in LAYERS {
        for (path, code) in sources_of(layer) {
            for used in used_layers(&code) {
                let is_allowed = used == layer || allowed.contains(&used.as_str());
                assert!(is_allowed, "{} uses {used}, on which {layer} may not depend", path.display());
            }
        }
    }
}

#[test]
fn pure_layers_have_no_client_no_clock_and_no_disk() {
    for layer in PURE_LAYERS {
        for (path, code) in sources_of(layer) {
            let code = code.split("#[cfg(test)]").next().unwrap_or_default();
            for word in ["async ", "Timestamp::now", "std::fs", "tokio"] {
                assert!(!code.contains(word), "{} is in a pure layer and has {word:?}", path.display());
            }
            // Other types named Client, such as the client of an e-payment module, are allowed.
            let has_client = code.lines().any(|line| line.contains("kube") && line.contains("Client"));
            assert!(!has_client, "{} is in a pure layer and has a client of the cluster", path.display());
        }
    }
}

#[test]
fn every_file_belongs_to_a_layer() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = ["lib", "main", "fixtures"].contains(&name.as_str())
            || LAYERS.iter().any(|(layer, _)| *layer == name);
        assert!(known, "{} belongs to no layer", path.display());
    }
}
