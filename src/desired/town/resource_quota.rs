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

/// Upper bounds for all pods of the town together. The number of modules is limited in [`crate::tenant`].
pub fn build(town: &Town) -> ResourceQuota {
    let quota = &town.quota;
    let amounts = [
        ("requests.cpu", quota.cpu.as_str()),
        ("requests.memory", &quota.memory),
        ("limits.memory", &quota.memory),
        ("requests.storage", &quota.storage),
    ];
    let hard = amounts
        .into_iter()
        .chain(OBJECT_COUNTS)
        .chain(FORBIDDEN_SERVICE_TYPES.map(|name| (name, "0")))
        .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
        .collect();
    ResourceQuota {
        metadata: labels::town_meta(town, "rathaus"),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..Default::default() }),
        status: None,
    }
}
