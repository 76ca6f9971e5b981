// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a town gets: its namespace, who may do what in it, how much, and walls.

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

/// Everything that should exist for a town.
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

/// Plans a town.
pub fn plan(town: &Town, settings: &Settings) -> Plan {
    Plan {
        namespace: namespace::build(town),
        operator: role_binding::operator(town, &settings.operator),
        administrators: role_binding::administrators(town),
        default_deny: network_policy::default_deny(town),
        dns: network_policy::dns(town, &settings.dns),
        quota: resource_quota::build(town),
        limits: limit_range::build(town),
    }
}

/// The objects of a plan in the order in which they are written, by the condition that they make true.
#[derive(Clone, Debug, PartialEq)]
pub struct Waves {
    /// `NamespaceReady`: everything else lies in it.
    pub namespace: Object,
    /// `AccessReady`, first: without it the operator may not even look into the namespace.
    pub operator: Object,
    /// `AccessReady`.
    pub administrators: Object,
    /// `Isolated`: walls before anybody can run anything, the quota last so that it counts all.
    pub isolation: Vec<Object>,
}

impl Plan {
    /// The order of writes. Taken apart without `..`: what is planned and not written does not compile.
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
