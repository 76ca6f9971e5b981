// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One real Kubernetes node: etcd, control plane, containerd, kubelet and kube-proxy.

pub mod clean;
mod config;
mod daemons;

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Node;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use tokio::time::{sleep, timeout};

use self::config::NODE_NAME;
use crate::{
    agent, apply, client, database,
    images::Image,
    network::{self, HOST},
    paths::{admin_kubeconfig, state},
    pki,
    process::Daemon,
    progress::Progress,
    tools::{self, Tools},
};

/// Changes whenever the running node would be started differently.
const FINGERPRINT: &str = "fingerprint";

const START_LIMIT: Duration = Duration::from_secs(120);

/// Starts the node, or goes on with the one that runs if it is healthy and would be started the same
/// way; anything else is cleared away first.
///
/// # Errors
/// A program does not start; the message holds the end of its log.
pub async fn up(progress: &mut Progress, tools: &Tools, images: &[Image]) -> Result<Client> {
    let daemons = daemons::all(tools)?;
    let fingerprint = format!("{}\n{daemons:?}\n{:?}", tools.fingerprint(), config::files(tools, images)?);
    if !healthy(&daemons, &fingerprint).await {
        progress.step("clearing away what is left of an earlier node", clean::all()).await?;
        progress.step("starting the control plane", control_plane(tools, &daemons, images)).await?;
        progress.step("importing images", import(tools, &daemons, images)).await?;
        progress.step("starting the node", join(&daemons)).await?;
    } else {
        progress.step("importing images into the running node", async { load(tools, images).await }).await?;
    }
    let client = client::from_kubeconfig(&admin_kubeconfig()).await?;
    progress.step("starting DNS, gateway and network policy", base(&client, &daemons, images)).await?;
    // Only now: a start that failed half-way must not look like a node to go on with.
    fs::write(state(FINGERPRINT), fingerprint)?;
    Ok(client)
}

/// Stops everything and leaves nothing behind.
///
/// # Errors
/// Something does not end or cannot be removed.
pub async fn down() -> Result<()> {
    clean::all().await
}

async fn healthy(daemons: &[Daemon], fingerprint: &str) -> bool {
    let same = fs::read_to_string(state(FINGERPRINT)).is_ok_and(|kept| kept == fingerprint);
    if !same || !daemons.iter().all(Daemon::runs) || !database::server().runs() {
        return false;
    }
    let Ok(client) = client::from_kubeconfig(&admin_kubeconfig()).await else { return false };
    matches!(timeout(Duration::from_secs(10), node_ready(&client)).await, Ok(Ok(true)))
}

async fn control_plane(tools: &Tools, daemons: &[Daemon], images: &[Image]) -> Result<()> {
    network::create_bridge().await?;
    credentials()?;
    for (file, text) in config::files(tools, images)? {
        let file = state(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
    }
    start(daemons, &["etcd", "kube-apiserver", "containerd"])?;
    // Meanwhile the API server starts.
    database::create().await?;
    wait(daemons, "the API server does not become ready", || async {
        let client = client::from_kubeconfig(&admin_kubeconfig()).await?;
        let ready = http::Request::get("/readyz").body(Vec::new())?;
        Ok(client.request_text(ready).await? == "ok")
    })
    .await
}

async fn import(tools: &Tools, daemons: &[Daemon], images: &[Image]) -> Result<()> {
    wait(daemons, "containerd does not answer", || async { Ok(state(config::CONTAINERD_SOCKET).exists()) })
        .await?;
    load(tools, images).await
}

async fn load(tools: &Tools, images: &[Image]) -> Result<()> {
    let ctr = tools.path("ctr")?;
    for image in images {
        image.import(ctr, &state(config::CONTAINERD_SOCKET)).await?;
    }
    Ok(())
}

async fn join(daemons: &[Daemon]) -> Result<()> {
    start(daemons, &["kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"])?;
    wait(daemons, "the node does not become ready", || async {
        node_ready(&client::from_kubeconfig(&admin_kubeconfig()).await?).await
    })
    .await
}

/// The agent comes last: what it enforces holds back pods that it does not know yet, and these need
/// not wait for that.
async fn base(client: &Client, daemons: &[Daemon], images: &[Image]) -> Result<()> {
    apply::folder(client, &tools::gateway_crds().await?).await?;
    apply::text(client, &config::base_manifests(images)?).await?;
    apply::rolled_out(client, "kube-system", "coredns", START_LIMIT).await?;
    apply::rolled_out(client, "rathaus-gateway", "caddy", START_LIMIT).await?;
    agent::restart().await?;
    let gateway = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let gateways = Api::<DynamicObject>::namespaced_with(client.clone(), "rathaus-gateway", &gateway);
    wait(daemons, "the gateway takes no routes", || async {
        Ok(apply::is_true(&gateways.get("public").await?, "Programmed"))
    })
    .await
}

fn start(daemons: &[Daemon], names: &[&str]) -> Result<()> {
    let wanted = daemons.iter().filter(|daemon| names.contains(&daemon.name));
    wanted.into_iter().try_for_each(Daemon::start)
}

/// Asks until the answer is yes; ends at once when a daemon that was started has ended.
async fn wait<F: Future<Output = Result<bool>>>(
    daemons: &[Daemon],
    otherwise: &str,
    mut ask: impl FnMut() -> F,
) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let answer = timeout(Duration::from_secs(10), ask()).await.unwrap_or(Ok(false));
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        for daemon in daemons.iter().filter(|daemon| daemon.was_started()) {
            daemon.check()?;
        }
        if Instant::now() > deadline {
            let said = answer.err().map(|error| format!(": {error:#}")).unwrap_or_default();
            bail!("{otherwise}{said}; see {}", state("log").display());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn node_ready(client: &Client) -> Result<bool> {
    let node = Api::<Node>::all(client.clone()).get_opt(NODE_NAME).await?;
    let conditions = node.and_then(|node| node.status).and_then(|status| status.conditions);
    Ok(conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

/// Every part of the control plane is a user of its own, with the rights that Kubernetes' built-in
/// roles give it.
fn credentials() -> Result<()> {
    let authority = pki::Authority::create()?;
    pki::create_service_account_key()?;
    let node_user = format!("system:node:{NODE_NAME}");
    let users = [
        ("admin", "rathaus-admin", Some("system:masters")),
        ("agent", "rathaus-agent", Some("system:masters")),
        ("kubelet-client", "kube-apiserver-kubelet-client", Some("system:masters")),
        ("controller-manager", "system:kube-controller-manager", None),
        ("scheduler", "system:kube-scheduler", None),
        ("proxy", "system:kube-proxy", None),
    ];
    for (file, name, group) in users {
        authority.issue(file, pki::Subject { name, group, hosts: &[] })?;
        config::write_kubeconfig(file)?;
    }
    let hosts = [
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "127.0.0.1",
        "10.96.0.1",
        HOST,
    ];
    authority.issue("apiserver", pki::Subject { name: "kube-apiserver", group: None, hosts: &hosts })?;
    let subject = pki::Subject { name: &node_user, group: Some("system:nodes"), hosts: &[NODE_NAME, HOST] };
    authority.issue("kubelet", subject)?;
    config::write_kubeconfig("kubelet")
}
