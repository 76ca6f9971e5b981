// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The control plane of a measurement: real, with nodes that KWOK simulates.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result, bail};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client, ResourceExt,
    api::{ListParams, PostParams},
};
use serde_json::json;

use super::{
    objects::WRITERS,
    towns::{PODS_OF_MODULE, Size},
    wait::Patience,
};
use crate::{apply, node, paths, process::Daemon, tools};

/// Pods of a node, as the kubelet has it by default.
const PODS_OF_NODE: usize = 110;
/// How long nodes may take to become ready.
const NODES_LIMIT: Duration = Duration::from_secs(60);

/// A control plane with simulated nodes.
pub struct Cluster {
    /// A client with the rights of the cluster's administrator.
    pub client: Client,
    /// The program that simulates.
    pub kwok: Daemon,
    /// Since when each node is ready.
    ready_since: BTreeMap<String, String>,
}

impl Cluster {
    /// Replaces the local node by an empty control plane with enough simulated nodes.
    ///
    /// # Errors
    /// Fails if a program does not start, or if a node does not become ready.
    pub async fn start(tools: &tools::Tools, size: Size) -> Result<Self> {
        let client = node::start_api_server(tools).await?;
        apply::apply_folder(&client, &tools::gateway_crds().await?).await?;
        apply::apply_folder(&client, &paths::repository().join("crds")).await?;
        // The controllers know these kinds from the start: later they would look for new ones every 30 s only.
        node::start_controllers(tools, &client).await?;
        let kwok = daemon(tools)?;
        fs::write(paths::state(CONFIG), include_str!("../../../manifests/kwok.yaml"))?;
        let patience = Patience { limit: NODES_LIMIT, daemons: Vec::new() };
        // KWOK reads it once, at its start, and exits if the routes are missing.
        let published = async || is_route_published(&client).await;
        patience.wait_until("the API server describes HTTPRoutes", published).await?;
        kwok.start()?;
        let count = nodes_for(size);
        let created = stream::iter(0..count).map(|number| create_node(&client, number));
        created.buffer_unordered(WRITERS).try_collect::<()>().await?;
        let patience = Patience { daemons: vec![kwok.clone()], ..patience };
        let all_ready = async || Ok(ready_since(&client).await?.len() == count);
        patience.wait_until("all simulated nodes are ready", all_ready).await?;
        let ready_since = ready_since(&client).await?;
        Ok(Self { client, kwok, ready_since })
    }

    /// Checks that no node has been NotReady since the start. Its pods would have become unready with it, and
    /// the measurement would be worthless.
    ///
    /// # Errors
    /// Fails if one was or is not ready; the message names it.
    pub async fn ensure_no_node_was_lost(&self) -> Result<()> {
        let now = ready_since(&self.client).await?;
        match self.ready_since.iter().find(|(node, since)| now.get(*node) != Some(since)) {
            None => Ok(()),
            Some((node, _)) => bail!(
                "node {node} was NotReady during the measurement, so that it is worthless: see {}",
                crate::process::log_file("kwok").display()
            ),
        }
    }
}

/// The configuration of KWOK, relative to the state folder.
const CONFIG: &str = "kwok.yaml";

fn daemon(tools: &tools::Tools) -> Result<Daemon> {
    let program = tools.path("kwok")?.to_string_lossy().into_owned();
    let options = [
        format!("--kubeconfig={}", paths::admin_kubeconfig().display()),
        format!("--config={}", paths::state(CONFIG).display()),
    ];
    Ok(Daemon::new("kwok", std::iter::once(program).chain(options).collect()))
}

/// Enough nodes for all pods, also while a new version replaces the old one.
fn nodes_for(size: Size) -> usize {
    (size.all_modules() * PODS_OF_MODULE).div_ceil(PODS_OF_NODE) + 1
}

async fn is_route_published(client: &Client) -> Result<bool> {
    let request = http::Request::get("/openapi/v3/apis/gateway.networking.k8s.io/v1").body(Vec::new())?;
    // Until then the answer is 404.
    Ok(client.request_text(request).await.is_ok_and(|text| text.contains("/httproutes/{name}")))
}

async fn create_node(client: &Client, number: usize) -> Result<()> {
    let name = format!("node-{number:03}");
    let room = json!({"cpu": "16", "memory": "64Gi", "pods": PODS_OF_NODE.to_string()});
    let node: Node = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": {
            "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        }},
        "status": {"allocatable": room, "capacity": room},
    }))?;
    Api::all(client.clone()).create(&PostParams::default(), &node).await.context(name)?;
    Ok(())
}

/// Since when each node is ready that is so now.
async fn ready_since(client: &Client) -> Result<BTreeMap<String, String>> {
    let nodes = Api::<Node>::all(client.clone()).list(&ListParams::default()).await?;
    let since = |node: &Node| {
        let conditions = node.status.as_ref()?.conditions.as_ref()?;
        let ready =
            conditions.iter().find(|condition| condition.type_ == "Ready" && condition.status == "True")?;
        Some((node.name_any(), ready.last_transition_time.as_ref()?.0.to_string()))
    };
    Ok(nodes.iter().filter_map(since).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_node_for_every_110_pods_and_one_more() {
        assert_eq!(nodes_for(Size { towns: 100, modules: 4 }), 12);
        assert_eq!(nodes_for(Size { towns: 1, modules: 1 }), 2);
    }
}
