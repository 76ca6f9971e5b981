// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::ServiceAccount;

use crate::tenant::Module;

/// Builds the ServiceAccount of the module. It has no rights, and no token for the API server is
/// mounted, since a module does not talk to Kubernetes. Tokens for siblings are mounted one by one.
pub fn build(module: &Module) -> ServiceAccount {
    ServiceAccount {
        metadata: super::meta(module),
        automount_service_account_token: Some(false),
        ..Default::default()
    }
}
