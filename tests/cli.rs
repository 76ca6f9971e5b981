// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The command line, as people and package builders call it.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

use std::fs;
use std::process::{Command, Output};

fn rathaus(words: &[&str]) -> Output {
    let nowhere = std::env::temp_dir().join("rathaus-no-such-kubeconfig");
    Command::new(env!("CARGO_BIN_EXE_rathaus")).args(words).env("KUBECONFIG", nowhere).output().unwrap()
}

fn printed(words: &[&str]) -> String {
    let output = rathaus(words);
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    let folder = std::env::temp_dir().join(format!("rathaus-man-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    printed(&["man", folder.to_str().unwrap()]);
    for command in ["run", "crds", "render", "status", "reference", "completions", "man"] {
        assert!(folder.join(format!("rathaus-{command}.1")).exists(), "manual page of {command}");
        for shell in ["bash", "zsh", "fish"] {
            assert!(printed(&["completions", shell]).contains(command), "{command} in {shell}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn crds_are_printed_as_one_yaml_stream() {
    let text = printed(&["crds"]);
    assert_eq!(text.matches("\nkind: CustomResourceDefinition\n").count(), 3);
}

#[test]
fn render_shows_what_would_be_applied_and_ends_with_1_where_something_would_be_refused() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");
    let all = ["render", "-f", &format!("{manifests}/catalogue"), "-f", &format!("{manifests}/kreis-borken")];
    assert!(printed(&all).contains("kind: HTTPRoute"));
    // Without the catalogue, there is no class to make modules from.
    let output = rathaus(&all[3..].iter().fold(vec!["render"], |words, word| [words, vec![*word]].concat()));
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(told.contains("ServiceModule mun-ahaus/e-payment: ClassAccepted (ClassNotFound)"), "{told}");
}

#[test]
fn without_a_cluster_status_says_what_is_missing() {
    let output = rathaus(&["status"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("set KUBECONFIG"), "{told}");
}
