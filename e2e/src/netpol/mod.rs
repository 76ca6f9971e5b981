// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Enforces NetworkPolicies on the bridge of the local node, since its CNI plugin does not. The tests of the
//! isolation between towns need it.

mod addresses;
mod peer;
mod ruleset;

use std::{cell::RefCell, fs, path::PathBuf, time::Duration};

use anyhow::Result;
use futures::{FutureExt, StreamExt, stream::select_all};
use k8s_openapi::api::{
    core::v1::{Namespace, Pod},
    networking::v1::NetworkPolicy,
};
use kube::{Api, Client, Resource, runtime::reflector::Store};
use tokio::process::Command;

use crate::{
    command,
    network::{BRIDGE, HOST, POD_NETWORK},
    paths::state,
    watch::{mirror, run_on_change},
};

/// The nftables table with the rules of this module.
pub const TABLE: &str = "ip rathaus";

/// Returns the path of a file that exists as soon as the kernel has the first rule set.
pub fn in_force_marker() -> PathBuf {
    state("network-policy-in-force")
}

/// Keeps the kernel's rule set in line with the policies of the cluster, until the future is dropped.
///
/// # Errors
/// Fails if the results of the CNI plugins cannot be watched.
pub async fn run(client: Client) -> Result<()> {
    let (pods, pod_changes) = mirror(Api::<Pod>::all(client.clone()));
    let (namespaces, namespace_changes) = mirror(Api::<Namespace>::all(client.clone()));
    let (policies, policy_changes) = mirror(Api::<NetworkPolicy>::all(client));
    let loaded = RefCell::new(String::new());
    let address_changes = addresses::changes()?.boxed();
    let changes = select_all([pod_changes, namespace_changes, policy_changes, address_changes]);
    run_on_change(changes, "network policy", || async {
        // An incomplete view of the cluster must not open or close anything.
        if !(is_complete(&pods) && is_complete(&namespaces) && is_complete(&policies)) {
            return Ok(());
        }
        let pods_on_bridge = peer::bridge_pods(&pods.state(), &namespaces.state(), &addresses::read_all());
        let rules = ruleset::render(
            &ruleset::Network { bridge: BRIDGE, pod_range: POD_NETWORK, host: HOST },
            &pods_on_bridge,
            &policies.state(),
        );
        if *loaded.borrow() != rules {
            let mut nft = Command::new("nft");
            command::output_with_input(nft.args(["--file", "-"]), &rules, Duration::from_secs(20)).await?;
            tracing::info!(pods = pods_on_bridge.len(), policies = policies.len(), "network policy in force");
            loaded.replace(rules);
            fs::write(in_force_marker(), "")?;
        }
        Ok(())
    })
    .await;
    Ok(())
}

/// Whether the store has the complete list of its kind.
fn is_complete<K>(store: &Store<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
}
