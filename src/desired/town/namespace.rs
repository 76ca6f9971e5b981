// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::Namespace;
use kube::api::ObjectMeta;

use crate::desired::labels;
use crate::tenant::{HOSTNAME, Town};

/// Enforced version of the Pod Security Standards of Kubernetes. It is pinned, so that an upgrade of the
/// cluster does not change which pods are admitted.
const POD_SECURITY_VERSION: &str = "v1.35";

/// The town's namespace, which also says which host name the town holds. It has no owner reference, since an accidental deletion of the Municipality
/// CRD must not delete the objects of all towns.
pub fn build(town: &Town) -> Namespace {
    let mut labels = labels::for_town(town);
    // The API server adds this label by itself.
    labels.insert(labels::NAMESPACE_NAME.to_owned(), town.name.namespace());
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(format!("pod-security.kubernetes.io/{mode}"), "restricted".to_owned());
        labels.insert(format!("pod-security.kubernetes.io/{mode}-version"), POD_SECURITY_VERSION.to_owned());
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(town.name.namespace()),
            labels: Some(labels),
            annotations: Some([(HOSTNAME.to_owned(), town.hostname.to_string())].into()),
            ..Default::default()
        },
        ..Default::default()
    }
}
