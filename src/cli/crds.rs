// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use crate::api;

/// Prints the CustomResourceDefinitions as YAML. `crds/` and the copies in the chart are generated from them.
pub fn execute() -> anyhow::Result<()> {
    for crd in api::crds() {
        print!("---\n{}", serde_saphyr::to_string(&crd)?);
    }
    Ok(())
}
