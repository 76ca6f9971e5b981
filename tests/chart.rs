// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! `helm uninstall` takes no data along: the definitions, and with them all objects of municipalities, are
//! kept, and nothing else that the chart installs holds data.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::fs;
use std::path::Path;

use rathaus::api;
use serde_json::Value;

/// The chart's output with its default values.
fn installed() -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/install.yaml");
    serde_saphyr::from_multiple(&fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn uninstalling_the_chart_keeps_the_definitions_and_all_objects_of_municipalities() {
    let mut definitions = Vec::new();
    for object in installed() {
        let (kind, name) = (object["kind"].as_str().unwrap(), object["metadata"]["name"].as_str().unwrap());
        match kind {
            "CustomResourceDefinition" => {
                assert_eq!(object["metadata"]["annotations"]["helm.sh/resource-policy"], "keep", "{name}");
                definitions.push(name.to_owned());
            }
            // Written by hand in manifests/namespace.yaml and `kubectl create namespace`, not by the chart.
            "Namespace" => assert_eq!(name, "rathaus-system"),
            other => assert!(
                !["Secret", "PersistentVolumeClaim", "Municipality", "ServiceModule"].contains(&other),
                "{other} {name} would go with the chart"
            ),
        }
    }
    definitions.sort();
    let mut expected: Vec<_> = api::crds().into_iter().filter_map(|crd| crd.metadata.name).collect();
    expected.sort();
    assert_eq!(definitions, expected);
    // Helm deletes on uninstall what its templates contain: no namespace, neither its own nor a town's.
    let chart = Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/rathaus/templates");
    for file in fs::read_dir(chart).unwrap() {
        let path = file.unwrap().path();
        assert!(!fs::read_to_string(&path).unwrap().contains("kind: Namespace\n"), "{}", path.display());
    }
}
