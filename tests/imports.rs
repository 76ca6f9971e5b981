// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! In the harness and in the components, data flows one way between files: no file imports itself through
//! others.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

mod support;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};

use support::{Imports, imports};

/// Files of e-payment that still import themselves through others. The list can only shrink.
const STILL_IN_A_CYCLE: [(&str, &[&str]); 1] = [(
    "components/e-payment/src",
    &[
        "app.rs",
        "auth.rs",
        "clerk/days.rs",
        "clerk/files.rs",
        "clerk/login.rs",
        "clerk/mod.rs",
        "confirmation.rs",
        "confirmation/file.rs",
        "problem.rs",
        "provider/giro.rs",
        "provider/giro_message.rs",
        "provider/resilient.rs",
        "provider/http.rs",
        "provider/mod.rs",
        "provider/platform_client.rs",
        "provider/sandbox.rs",
        "provider/upstream.rs",
        "provider/upstream_response.rs",
        "request.rs",
        "settlement.rs",
        "settlement/file.rs",
        "store.rs",
        "transaction.rs",
    ],
)];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The source folders of the harness and of every component, relative to the repository.
fn source_folders() -> Vec<PathBuf> {
    let components = fs::read_dir(repository().join("components")).unwrap();
    let components = components.map(|entry| Path::new("components").join(entry.unwrap().file_name()));
    let packages = components.chain([PathBuf::from("e2e")]);
    packages.map(|package| package.join("src")).filter(|source| repository().join(source).is_dir()).collect()
}

/// The shortest way from a file over its imports back to itself.
fn cycle(imports: &Imports, file: &str) -> Option<Vec<String>> {
    let mut importer: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([file]);
    while let Some(current) = queue.pop_front() {
        for imported in &imports[current] {
            if imported == file {
                let back = std::iter::successors(Some(current), |file| importer.get(file).copied());
                let mut way: Vec<String> = back.map(str::to_owned).collect();
                way.reverse();
                way.push(file.to_owned());
                return Some(way);
            }
            if !importer.contains_key(imported.as_str()) {
                importer.insert(imported, current);
                queue.push_back(imported);
            }
        }
    }
    None
}

#[test]
fn no_file_imports_itself_through_others() {
    let mut faults = Vec::new();
    for source in source_folders() {
        let listed = STILL_IN_A_CYCLE.iter().find(|(folder, _)| source == Path::new(folder));
        let listed: BTreeSet<&str> = listed.into_iter().flat_map(|(_, files)| *files).copied().collect();
        let imports = imports(&repository().join(&source));
        let source = source.display();
        for file in imports.keys() {
            match (cycle(&imports, file), listed.contains(file.as_str())) {
                (Some(way), false) => faults.push(format!("{source}: {}", way.join(" → "))),
                (None, true) => {
                    faults.push(format!("{source}: {file} is in no cycle: take it from the list"))
                }
                _ => {}
            }
        }
        let gone = listed.iter().filter(|file| !imports.contains_key(**file));
        faults.extend(gone.map(|file| format!("{source}: {file} does not exist: take it from the list")));
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn imports_are_found_in_every_form() {
    let folders = source_folders();
    let harness = imports(&repository().join("e2e/src"));
    assert!(folders.len() > 1 && harness.len() > 1, "{folders:?}");
    for (file, imported) in [
        ("node/mod.rs", "network.rs"),
        ("node/mod.rs", "node/config.rs"),
        ("node/daemons.rs", "node/config.rs"),
        ("netpol/ruleset.rs", "netpol/peer.rs"),
        ("bin/xtask.rs", "target.rs"),
    ] {
        assert!(harness[file].contains(imported), "{file} imports {imported}");
    }
    let conformance = imports(&repository().join("components/conformance/src"));
    assert!(conformance["e_payment/sums.rs"].contains("report.rs"), "through the re-export of lib.rs");
}
