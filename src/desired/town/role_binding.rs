// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};

use crate::desired::labels;
use crate::settings;
use crate::tenant::{Administrator, Town};

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// Grants the operator its rights in this namespace only.
pub fn for_operator(town: &Town, operator: &settings::Operator) -> RoleBinding {
    let subject = service_account(&operator.namespace, &operator.service_account);
    binding(town, "rathaus-operator", "rathaus-tenant-operator", vec![subject])
}

/// Grants the town's administrators to write ServiceModules and to read the other objects.
pub fn for_administrators(town: &Town) -> RoleBinding {
    let subjects = town.administrators.iter().map(to_subject).collect();
    binding(town, "rathaus-administrators", "rathaus-municipal-admin", subjects)
}

fn to_subject(administrator: &Administrator) -> Subject {
    let named = |kind: &str, name: &str| Subject {
        api_group: Some(RBAC_GROUP.to_owned()),
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: None,
    };
    match administrator {
        Administrator::User(name) => named("User", name),
        Administrator::Group(name) => named("Group", name),
        Administrator::ServiceAccount { namespace, name } => service_account(namespace, name),
    }
}

fn service_account(namespace: &str, name: &str) -> Subject {
    Subject {
        api_group: None,
        kind: "ServiceAccount".to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
    }
}

fn binding(town: &Town, name: &str, cluster_role: &str, subjects: Vec<Subject>) -> RoleBinding {
    RoleBinding {
        metadata: labels::town_meta(town, name),
        role_ref: RoleRef {
            api_group: RBAC_GROUP.to_owned(),
            kind: "ClusterRole".to_owned(),
            name: cluster_role.to_owned(),
        },
        // The API server omits empty lists.
        subjects: (!subjects.is_empty()).then_some(subjects),
    }
}
