// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Enforces NetworkPolicies on the local node's bridge, whose CNI plugin does not. Test equipment:
//! without it, the isolation of towns could not be tested.

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
    watch::{mirror, on_change},
};

/// The nftables table that this room owns.
pub const TABLE: &str = "ip rathaus";

/// There once a first rule set is in the kernel.
pub fn in_force() -> PathBuf {
    state("network-policy-in-force")
}

/// Keeps the kernel's rule set as the cluster's policies demand, until the future is dropped.
///
/// # Errors
/// The cluster can never be read.
pub async fn run(client: Client) -> Result<()> {
    let (pods, pod_changes) = mirror(Api::<Pod>::all(client.clone()));
    let (namespaces, namespace_changes) = mirror(Api::<Namespace>::all(client.clone()));
    let (policies, policy_changes) = mirror(Api::<NetworkPolicy>::all(client));
    let loaded = RefCell::new(String::new());
    let given_out = addresses::changes()?.boxed();
    let changes = select_all([pod_changes, namespace_changes, policy_changes, given_out]);
    on_change(changes, "network policy", || async {
        // Half a picture must not open or close anything.
        if !(is_complete(&pods) && is_complete(&namespaces) && is_complete(&policies)) {
            return Ok(());
        }
        let world = peer::members(&pods.state(), &namespaces.state(), &addresses::read());
        let rules = ruleset::render(
            &ruleset::Network { bridge: BRIDGE, pods: POD_NETWORK, host: HOST },
            &world,
            &policies.state(),
        );
        if *loaded.borrow() != rules {
            let mut nft = Command::new("nft");
            command::fed(nft.args(["--file", "-"]), &rules, Duration::from_secs(20)).await?;
            tracing::info!(pods = world.len(), policies = policies.len(), "network policy in force");
            loaded.replace(rules);
            fs::write(in_force(), "")?;
        }
        Ok(())
    })
    .await;
    Ok(())
}

fn is_complete<K>(store: &Store<K>) -> bool
where
    K: Resource<DynamicType = ()> + Clone + 'static,
{
    store.wait_until_ready().now_or_never().is_some_and(|ready| ready.is_ok())
}
