// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The house stands as CONTRIBUTING.md draws it: each room of `src/` uses only the rooms it may know.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end so")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and the rooms that it may use.
const ROOMS: [(&str, &[&str]); 9] = [
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

/// Rooms that take values and return values: they have no client, no clock and no disk.
const PURE: [&str; 3] = ["tenant", "desired", "status"];

fn files(place: &Path) -> Vec<PathBuf> {
    if place.is_file() {
        return vec![place.to_owned()];
    }
    let entries = fs::read_dir(place).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| files(&path)).collect()
}

fn room(name: &str) -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let place = [source.join(name), source.join(format!("{name}.rs"))].into_iter().find(|path| path.exists());
    // Comments may point anywhere.
    let code = |text: &str| {
        text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    };
    let read = |path: PathBuf| (path.clone(), code(&fs::read_to_string(path).unwrap()));
    let files = files(&place.unwrap_or_else(|| panic!("room {name} is gone")));
    let is_code = |path: &PathBuf| path.extension().is_some_and(|e| e == "rs") && !path.ends_with("tests.rs");
    files.into_iter().filter(is_code).map(read).collect()
}

fn used_rooms(text: &str) -> BTreeSet<String> {
    let after =
        |part: &str| part.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("").to_owned();
    let single = text.split("crate::").skip(1).map(after);
    let grouped = text.split("use crate::{").skip(1).flat_map(|part| {
        let group = part.split("};").next().unwrap_or("");
        group.split(',').map(|item| after(item.trim())).collect::<Vec<_>>()
    });
    single.chain(grouped).filter(|name| ROOMS.iter().any(|(room, _)| room == name)).collect()
}

#[test]
fn each_room_uses_only_the_rooms_that_it_may_know() {
    for (name, allowed) in ROOMS {
        for (path, text) in room(name) {
            for used in used_rooms(&text) {
                let fine = used == name || allowed.contains(&used.as_str());
                assert!(fine, "{} uses {used}, which {name} may not know", path.display());
            }
        }
    }
}

#[test]
fn pure_rooms_have_no_client_no_clock_and_no_disk() {
    for name in PURE {
        for (path, text) in room(name) {
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for word in ["async ", "Timestamp::now", "std::fs", "tokio"] {
                assert!(!code.contains(word), "{} is in a pure room and has {word:?}", path.display());
            }
            // A town's clients are no clients of the cluster.
            let reaches_out = code.lines().any(|line| line.contains("kube") && line.contains("Client"));
            assert!(!reaches_out, "{} is in a pure room and has a client of the cluster", path.display());
        }
    }
}

#[test]
fn there_is_no_room_without_a_name() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for entry in fs::read_dir(source).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let known = ["lib", "main", "fixtures"].contains(&name.as_str())
            || ROOMS.iter().any(|(room, _)| *room == name);
        assert!(known, "{} has no place in the house", path.display());
    }
}
