// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::desired::labels;
use crate::tenant::Town;

/// Upper limit for the number of objects in a town's namespace, regardless of who creates them. The
/// limits are far above what the modules need, and keep a town from filling the cluster's etcd.
const OBJECT_COUNTS: [(&str, &str); 5] = [
    ("pods", "100"),
    ("services", "64"),
    ("count/configmaps", "100"),
    ("count/secrets", "100"),
    ("persistentvolumeclaims", "64"),
];

/// The Service types that would be reachable from outside without the Gateway.
const FORBIDDEN_SERVICE_TYPES: [&str; 2] = ["services.nodeports", "services.loadbalancers"];

/// How many ServiceModules more than `spec.quota.modules` the API server takes. Those over the limit get a
/// condition that says what to do, which is clearer than the API server's "exceeded quota"; and a module can
/// be made before the one that it replaces is deleted. The quota only keeps a town from filling the cluster
/// and the operator with refused modules.
const MODULE_HEADROOM: i32 = 8;

/// Upper bounds for the town, for all its pods together and for the number of objects of a kind. The limit
/// of modules itself is in [`crate::tenant`].
pub fn build(town: &Town, counts_modules: bool) -> ResourceQuota {
    let quota = &town.quota;
    let amounts = [
        ("requests.cpu", quota.cpu.as_str()),
        ("requests.memory", &quota.memory),
        ("limits.memory", &quota.memory),
        ("requests.storage", &quota.storage),
    ];
    let modules = counts_modules.then(|| quota.modules.saturating_add(MODULE_HEADROOM).to_string());
    let hard = amounts
        .into_iter()
        .chain(OBJECT_COUNTS)
        .chain(modules.as_ref().map(|count| ("count/servicemodules.rathaus.dev", count.as_str())))
        .chain(FORBIDDEN_SERVICE_TYPES.map(|name| (name, "0")))
        .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
        .collect();
    ResourceQuota {
        metadata: labels::town_meta(town, "rathaus"),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..Default::default() }),
        status: None,
    }
}
