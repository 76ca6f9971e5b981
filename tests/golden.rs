// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Invariant 10: the objects that the operator applies for the real manifests are committed as
//! snapshots, so that each change of them is visible in a diff. `cargo insta review` accepts a change.

#![allow(clippy::unwrap_used, reason = "a failed test may panic")]

use std::collections::BTreeMap;
use std::path::Path;

use rathaus::cli::render;
use rathaus::settings::Settings;

#[test]
fn invariant_10_objects_for_kreis_borken_match_the_snapshots() {
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests");
    let files = ["catalogue", "kreis-borken"].map(|folder| manifests.join(folder));
    let rendered = render(&files, &Settings::default()).unwrap();
    assert!(rendered.refused.is_empty(), "{:?}", rendered.refused);

    let mut by_namespace: BTreeMap<String, String> = BTreeMap::new();
    for object in &rendered.objects {
        let namespace = object.meta().namespace.as_deref().unwrap_or(object.name());
        let yaml = serde_saphyr::to_string(&object.to_json().unwrap()).unwrap();
        by_namespace.entry(namespace.to_owned()).or_default().push_str(&format!("---\n{yaml}"));
    }
    assert_eq!(by_namespace.len(), 17, "the municipalities of Kreis Borken");
    for (namespace, yaml) in by_namespace {
        insta::assert_snapshot!(namespace, yaml);
    }
}
