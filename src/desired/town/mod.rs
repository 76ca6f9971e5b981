// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The objects of a town: its namespace, RoleBindings, network policies, quota and default limits.

mod limit_range;
mod namespace;
mod network_policy;
mod resource_quota;
mod role_binding;

use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;

use super::object::Object;
use crate::settings::Settings;
use crate::tenant::Town;

/// Inputs of a plan that come from the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Environment {
    /// Whether the quota names ServiceModules. While Kubernetes' quota controller does not know them yet, no
    /// ServiceModule could be created then.
    pub counts_modules: bool,
}

/// All objects that should exist for a town.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    namespace: Namespace,
    operator: RoleBinding,
    administrators: RoleBinding,
    default_deny: NetworkPolicy,
    dns: NetworkPolicy,
    quota: ResourceQuota,
    limits: LimitRange,
}

/// Builds the objects of a town.
pub fn plan(town: &Town, environment: &Environment, settings: &Settings) -> Plan {
    Plan {
        namespace: namespace::build(town),
        operator: role_binding::for_operator(town, &settings.operator),
        administrators: role_binding::for_administrators(town),
        default_deny: network_policy::default_deny(town),
        dns: network_policy::dns(town, &settings.dns),
        quota: resource_quota::build(town, environment.counts_modules),
        limits: limit_range::build(town),
    }
}

/// The objects of a plan in the order in which they are written, grouped by the condition that they
/// make true.
#[derive(Clone, Debug, PartialEq)]
pub struct Waves {
    /// For `NamespaceReady`: the Namespace, which contains everything else.
    pub namespace: Object,
    /// For `AccessReady`: the RoleBinding of the operator. It comes first, since the operator cannot
    /// read the namespace without it.
    pub operator: Object,
    /// For `AccessReady`: the RoleBinding of the administrators.
    pub administrators: Object,
    /// For `Isolated`: network policies, default limits and quota. They exist before the first pod can
    /// run; the quota is last.
    pub isolation: Vec<Object>,
}

impl Plan {
    /// Returns the objects in the order in which they are written. The destructuring has no `..`, so
    /// that an object that is planned but not written is a compile error.
    pub fn into_waves(self) -> Waves {
        let Self { namespace, operator, administrators, default_deny, dns, quota, limits } = self;
        Waves {
            namespace: namespace.into(),
            operator: operator.into(),
            administrators: administrators.into(),
            isolation: vec![default_deny.into(), dns.into(), limits.into(), quota.into()],
        }
    }
}
