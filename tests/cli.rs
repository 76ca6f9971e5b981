// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Runs the program with the commands that people and package builds use.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::process::{Command, Output};

/// Runs the program without access to a cluster.
fn run_rathaus(args: &[&str]) -> Output {
    let missing_kubeconfig = std::env::temp_dir().join("rathaus-no-such-kubeconfig");
    Command::new(env!("CARGO_BIN_EXE_rathaus"))
        .args(args)
        .env("KUBECONFIG", missing_kubeconfig)
        .output()
        .unwrap()
}

/// Runs a command that must succeed, and returns its standard output.
fn stdout_of(args: &[&str]) -> String {
    let output = run_rathaus(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_and_manual_pages_cover_every_command() {
    let folder = std::env::temp_dir().join(format!("rathaus-man-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    stdout_of(&["man", folder.to_str().unwrap()]);
    for command in ["run", "crds", "render", "status", "upgrade", "reference", "completions", "man"] {
        assert!(folder.join(format!("rathaus-{command}.1")).exists(), "manual page of {command}");
        for shell in ["bash", "zsh", "fish"] {
            assert!(stdout_of(&["completions", shell]).contains(command), "{command} in {shell}");
        }
    }
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn crds_are_printed_as_one_yaml_stream() {
    let text = stdout_of(&["crds"]);
    assert_eq!(text.matches("\nkind: CustomResourceDefinition\n").count(), 3);
}

#[test]
fn render_prints_what_would_be_applied_and_exits_with_1_if_an_object_would_be_refused() {
    let manifests = concat!(env!("CARGO_MANIFEST_DIR"), "/manifests");
    let all = ["render", "-f", &format!("{manifests}/catalogue"), "-f", &format!("{manifests}/kreis-borken")];
    assert!(stdout_of(&all).contains("kind: HTTPRoute"));
    // Without the catalogue, the class of the modules does not exist.
    let output = run_rathaus(&all[3..].iter().fold(vec!["render"], |args, arg| [args, vec![*arg]].concat()));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr.contains("ServiceModule mun-ahaus/e-payment: ClassAccepted (ClassNotFound)"), "{stderr}");
}

#[test]
fn status_without_a_cluster_asks_for_a_kubeconfig() {
    let output = run_rathaus(&["status"]);
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && stderr.contains("set KUBECONFIG"), "{stderr}");
}
