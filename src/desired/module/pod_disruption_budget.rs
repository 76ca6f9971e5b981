// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::desired::labels;
use crate::tenant::Module;

/// At most one pod is taken away at a time when nodes are serviced. Not `minAvailable`: with one
/// replica that would block the servicing of its node for ever.
pub fn build(module: &Module) -> PodDisruptionBudget {
    PodDisruptionBudget {
        metadata: super::meta(module),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(labels::selector(module.name.as_str())),
            ..Default::default()
        }),
        status: None,
    }
}
