// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::{ResourceQuota, ResourceQuotaSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::desired::labels;
use crate::tenant::Town;

/// Objects of each kind that a town may have, whoever makes them; far above what the modules need,
/// and a bound on what can fill the cluster's store.
const OBJECT_COUNTS: [(&str, &str); 5] = [
    ("pods", "100"),
    ("services", "64"),
    ("count/configmaps", "100"),
    ("count/secrets", "100"),
    ("persistentvolumeclaims", "64"),
];

/// The two Service types that would open a way past the Gateway.
const NEVER: [&str; 2] = ["services.nodeports", "services.loadbalancers"];

/// What all modules of the town may use together. How many there may be is judged in
/// [`crate::tenant`].
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
        .chain(NEVER.map(|name| (name, "0")))
        .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
        .collect();
    ResourceQuota {
        metadata: labels::town_meta(town, "rathaus"),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..Default::default() }),
        status: None,
    }
}
