// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The operator and the harness are divided into rooms: the files of a room use only their own room and the
//! rooms that it may use. CONTRIBUTING.md describes the rooms of the operator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may end so")]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use support::{code, imports, rust_files};

/// Each room of `src/`, a folder or a file of that name, and the rooms that it may use.
const OPERATOR: [(&str, &[&str]); 9] = [
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

/// Rooms of `src/` that take values and return values: they have no client, no clock and no disk.
const PURE: [&str; 3] = ["tenant", "desired", "status"];

/// Each room of `e2e/src/`, the folders and files in it, and the rooms that it may use.
const HARNESS: [(&str, &[&str], &[&str]); 8] = [
    // The computer that the harness runs on.
    ("machine", &["command", "lock", "paths", "prerequisites", "process", "progress"], &[]),
    // Programs and images, from source.
    ("build", &["images", "tools"], &["machine"]),
    // What can be done with any cluster.
    ("api", &["apply", "client", "token", "watch"], &[]),
    // Addresses and certificates of the local node.
    ("identity", &["network", "pki"], &["machine"]),
    // What lives on beside Kubernetes while the local node runs.
    ("agent", &["agent", "gateway", "netpol"], &["machine", "api", "identity"]),
    // The local node itself.
    ("node", &["audit", "database", "node"], &["machine", "build", "api", "identity", "agent"]),
    // A cluster with rathaus on it, local or not.
    (
        "cluster",
        &["cluster", "install", "payment", "target"],
        &["machine", "build", "api", "identity", "agent", "node"],
    ),
    // The commands of `cargo xtask`, and the programs themselves.
    (
        "commands",
        &["bench", "bin", "checks", "demo"],
        &["machine", "build", "api", "identity", "agent", "node", "cluster"],
    ),
];

/// Files of a source folder that belong to no room: the crate's roots, and what only tests use.
const OUTSIDE: [&str; 3] = ["lib", "main", "fixtures"];

struct Room {
    name: &'static str,
    files: Vec<&'static str>,
    may_use: &'static [&'static str],
}

/// Each source folder with its rooms.
fn houses() -> [(PathBuf, Vec<Room>); 2] {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let operator = OPERATOR.map(|(name, may_use)| Room { name, files: vec![name], may_use });
    let harness = HARNESS.map(|(name, files, may_use)| Room { name, files: files.to_vec(), may_use });
    [(repository.join("src"), operator.into()), (repository.join("e2e/src"), harness.into())]
}

/// The folder or file directly below the source folder that a file belongs to: `node` for `node/config.rs`.
fn top(file: &str) -> &str {
    file.split('/').next().unwrap_or(file).trim_end_matches(".rs")
}

fn room_of<'a>(rooms: &'a [Room], file: &str) -> Option<&'a Room> {
    rooms.iter().find(|room| room.files.contains(&top(file)))
}

#[test]
fn each_room_uses_only_the_rooms_that_it_may_use() {
    for (source, rooms) in houses() {
        for (file, imported) in imports(&source) {
            let Some(room) = room_of(&rooms, &file) else { continue };
            for used in imported.iter().filter_map(|file| room_of(&rooms, file)) {
                let allowed = used.name == room.name || room.may_use.contains(&used.name);
                let (name, used) = (room.name, used.name);
                assert!(allowed, "{}: room {name} may not use room {used}", source.join(file).display());
            }
        }
    }
}

#[test]
fn rooms_use_only_rooms_above_them_in_the_table() {
    for (_, rooms) in houses() {
        let mut above = BTreeSet::new();
        for room in rooms {
            for used in room.may_use {
                assert!(above.contains(used), "{} may use {used}, which does not stand above it", room.name);
            }
            above.insert(room.name);
        }
    }
}

#[test]
fn pure_rooms_have_no_client_no_clock_and_no_disk() {
    let [(source, _), _] = houses();
    let is_pure = |path: &PathBuf| PURE.contains(&top(path.strip_prefix(&source).unwrap().to_str().unwrap()));
    for path in rust_files(&source).into_iter().filter(is_pure) {
        let text = code(&path);
        let code = text.split("mod tests {").next().unwrap_or_default();
        for word in ["async ", "Timestamp::now", "std::fs", "tokio"] {
            assert!(!code.contains(word), "{} is in a pure room and has {word:?}", path.display());
        }
        // A town's clients are no clients of the cluster.
        let reaches_out = code.lines().any(|line| line.contains("kube") && line.contains("Client"));
        assert!(!reaches_out, "{} is in a pure room and has a client of the cluster", path.display());
    }
}

#[test]
fn every_file_has_a_room_and_every_room_has_its_files() {
    for (source, rooms) in houses() {
        let files = rust_files(&source);
        let names: BTreeSet<&str> =
            files.iter().map(|file| top(file.strip_prefix(&source).unwrap().to_str().unwrap())).collect();
        for name in names.iter().filter(|name| !OUTSIDE.contains(name)) {
            assert!(room_of(&rooms, name).is_some(), "{name} in {} has no room", source.display());
        }
        for (room, file) in rooms.iter().flat_map(|room| room.files.iter().map(move |file| (room, file))) {
            assert!(names.contains(file), "{file} of room {} is not in {}", room.name, source.display());
        }
    }
}
