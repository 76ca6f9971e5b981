// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::desired::labels;
use crate::tenant::Module;

/// Allows at most one pod to be evicted at a time when nodes are drained. `minAvailable` would not do:
/// with one replica it would block the drain of that node forever.
pub fn build(module: &Module) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: super::meta(module),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::module_selector(module.name.as_str())),
            ..Default::default()
        }),
        status: None,
    }
}
