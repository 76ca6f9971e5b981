// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Invariant 10: what the operator makes of the real manifests is committed, so that a change of
//! what it makes is a visible difference. `cargo insta review` accepts one.

#![allow(clippy::unwrap_used, reason = "a test may end so")]

use std::collections::BTreeMap;
use std::path::Path;

use rathaus::cli::render;
use rathaus::settings::Settings;

#[test]
fn invariant_10_the_towns_of_kreis_borken_get_what_is_committed() {
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
