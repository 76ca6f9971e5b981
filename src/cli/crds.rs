// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use crate::api;

/// Prints the definitions; `crds/` and the chart's copies are made from this.
pub fn execute() -> anyhow::Result<()> {
    for crd in api::crds() {
        print!("---\n{}", serde_saphyr::to_string(&crd)?);
    }
    Ok(())
}
