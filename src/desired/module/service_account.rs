// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::tenant::Module;

/// An identity without rights, and without a token for the API server: a module has no business with
/// Kubernetes. Tokens for its siblings are mounted one by one.
pub fn build(module: &Module) -> ServiceAccount {
    ServiceAccount {
        metadata: super::meta(module),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}
