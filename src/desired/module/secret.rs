// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;

use super::DatabaseAccess;
use crate::tenant::Module;

/// Key of the database URL, which is also its file name in the pod.
pub const URL_KEY: &str = "url";
/// Key of the server's certificate authority, which is also its file name in the pod.
pub const CA_KEY: &str = "ca.crt";

/// Builds the Secret with the module's database credentials.
pub fn build(module: &Module, access: &DatabaseAccess) -> Secret {
    let url = (URL_KEY.to_owned(), ByteString(access.url.clone().into_bytes()));
    let ca = access.ca.clone().map(|pem| (CA_KEY.to_owned(), ByteString(pem.into_bytes())));
    Secret {
        metadata: super::meta(module),
        data: Some([url].into_iter().chain(ca).collect()),
        type_: Some("Opaque".to_owned()),
        ..Default::default()
    }
}
