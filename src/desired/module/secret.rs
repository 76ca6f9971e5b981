// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::DatabaseAccess;
use crate::tenant::Module;

/// Key of the database URL, and file name in the pod.
pub const URL: &str = "url";
/// Key of the server's authority, and file name in the pod.
pub const CA: &str = "ca.crt";

/// The module's database credentials.
pub fn build(module: &Module, access: &DatabaseAccess) -> Secret {
    let url = (URL.to_owned(), ByteString(access.url.clone().into_bytes()));
    let ca = access.ca.clone().map(|pem| (CA.to_owned(), ByteString(pem.into_bytes())));
    Secret {
        metadata: super::meta(module),
        data: Some([url].into_iter().chain(ca).collect()),
        type_: Some("Opaque".to_owned()),
        ..Default::default()
    }
}
