// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A real Kubernetes cluster of one node: etcd, control plane, containerd, kubelet and kube-proxy.

mod clean;
mod config;
mod daemons;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use k8s_openapi::api::core::v1::{Node, ServiceAccount};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use tokio::time::{sleep, timeout};

use self::config::NODE_NAME;
use crate::{
    agent, apply, client,
    database::{self, Durability},
    images::Image,
    network::{self, HOST},
    paths::{admin_kubeconfig, state},
    pki,
    process::Daemon,
    progress::Progress,
    tools::{self, Tools},
};

/// File with a text that changes whenever the node would be started differently.
const FINGERPRINT_FILE: &str = "fingerprint";

/// How long each part of the start may take.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Starts the node. A running node is used as it is if it is healthy and would be started the same way;
/// otherwise it is removed first.
///
/// # Errors
/// Fails if a program does not start; the message holds the end of its log.
pub async fn up(progress: &mut Progress, tools: &Tools, images: &[Image]) -> Result<Client> {
    let daemons = daemons::all(tools)?;
    let fingerprint =
        format!("{}\n{daemons:?}\n{:?}", tools.fingerprint(), config::config_files(tools, images)?);
    if !is_reusable(&daemons, &fingerprint).await {
        progress.step("removing what is left of an earlier node", clean::remove_everything()).await?;
        progress.step("starting the control plane", start_control_plane(tools, &daemons, images)).await?;
        progress.step("importing images", import_images_at_start(tools, &daemons, images)).await?;
        progress.step("starting the node", start_kubelet(&daemons)).await?;
    } else {
        progress.step("importing images into the running node", import_images(tools, images)).await?;
    }
    let client = client::from_kubeconfig(&admin_kubeconfig()).await?;
    progress
        .step("starting DNS, gateway and network policy", install_base(&client, &daemons, images))
        .await?;
    // Written last, so that a node whose start has failed half-way is never reused.
    fs::write(state(FINGERPRINT_FILE), fingerprint)?;
    Ok(client)
}

/// Stops the node and removes everything that it has created on the machine.
///
/// # Errors
/// Fails if a process does not exit or if something cannot be removed.
pub async fn down() -> Result<()> {
    clean::remove_everything().await
}

/// Starts etcd, the API server and a durable database server, without any node, after removing the node that is
/// there. Benchmarks simulate nodes. [`start_controllers`] starts the rest of the control plane.
///
/// # Errors
/// Fails if a program does not start; the message holds the end of its log.
pub async fn start_api_server(tools: &Tools) -> Result<Client> {
    let daemons = daemons::control_plane(tools)?;
    clean::remove_everything().await?;
    network::create_bridge().await?;
    create_credentials()?;
    write_files(vec![config::audit_policy_file()])?;
    start_daemons(&daemons, &["etcd", "kube-apiserver"])?;
    database::create(Durability::Durable).await?;
    wait_for_api_server(&daemons).await?;
    client::from_kubeconfig(&admin_kubeconfig()).await
}

/// Starts the controller manager and the scheduler beside [`start_api_server`]. Definitions that are applied
/// before are known to them from the start.
///
/// # Errors
/// Fails if a program does not start; the message holds the end of its log.
pub async fn start_controllers(tools: &Tools, client: &Client) -> Result<()> {
    let daemons = daemons::control_plane(tools)?;
    start_daemons(&daemons, &["kube-controller-manager", "kube-scheduler"])?;
    let accounts = Api::<ServiceAccount>::namespaced(client.clone(), "default");
    wait_until(&daemons, "the controller manager creates no ServiceAccount", || async {
        Ok(accounts.get_opt("default").await?.is_some())
    })
    .await
}

/// Creates a user of the API server with a certificate named `file`, and returns the path of its kubeconfig.
///
/// # Errors
/// Fails if no node was started.
pub fn create_user(file: &str, name: &str, group: Option<&str>) -> Result<PathBuf> {
    issue_user(&pki::Authority::open()?, file, name, group)
}

async fn is_reusable(daemons: &[Daemon], fingerprint: &str) -> bool {
    let unchanged = fs::read_to_string(state(FINGERPRINT_FILE)).is_ok_and(|stored| stored == fingerprint);
    if !unchanged || !daemons.iter().all(Daemon::is_running) || !database::daemon().is_running() {
        return false;
    }
    let Ok(client) = client::from_kubeconfig(&admin_kubeconfig()).await else { return false };
    matches!(timeout(Duration::from_secs(10), is_node_ready(&client)).await, Ok(Ok(true)))
}

async fn start_control_plane(tools: &Tools, daemons: &[Daemon], images: &[Image]) -> Result<()> {
    network::create_bridge().await?;
    create_credentials()?;
    write_files(config::config_files(tools, images)?)?;
    start_daemons(daemons, &["etcd", "kube-apiserver", "containerd"])?;
    // The API server starts meanwhile.
    database::create(Durability::Volatile).await?;
    wait_for_api_server(daemons).await
}

fn write_files(files: Vec<(&'static str, String)>) -> Result<()> {
    for (file, text) in files {
        let file = state(file);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(file, text)?;
    }
    Ok(())
}

async fn wait_for_api_server(daemons: &[Daemon]) -> Result<()> {
    wait_until(daemons, "the API server does not become ready", || async {
        let client = client::from_kubeconfig(&admin_kubeconfig()).await?;
        let ready = http::Request::get("/readyz").body(Vec::new())?;
        Ok(client.request_text(ready).await? == "ok")
    })
    .await
}

async fn import_images_at_start(tools: &Tools, daemons: &[Daemon], images: &[Image]) -> Result<()> {
    wait_until(daemons, "containerd does not answer", || async {
        Ok(state(config::CONTAINERD_SOCKET).exists())
    })
    .await?;
    import_images(tools, images).await
}

async fn import_images(tools: &Tools, images: &[Image]) -> Result<()> {
    let ctr = tools.path("ctr")?;
    for image in images {
        image.import(ctr, &state(config::CONTAINERD_SOCKET)).await?;
    }
    Ok(())
}

/// Starts the kubelet and the rest of the control plane, which needs no images, and waits for the node.
async fn start_kubelet(daemons: &[Daemon]) -> Result<()> {
    start_daemons(daemons, &["kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet"])?;
    wait_until(daemons, "the node does not become ready", || async {
        is_node_ready(&client::from_kubeconfig(&admin_kubeconfig()).await?).await
    })
    .await
}

/// Installs DNS, the gateway and the agent. The agent comes last: it blocks pods that it does not know yet,
/// and DNS and gateway need not wait for that.
async fn install_base(client: &Client, daemons: &[Daemon], images: &[Image]) -> Result<()> {
    apply::apply_folder(client, &tools::gateway_crds().await?).await?;
    apply::apply_yaml(client, &config::base_manifests(images)?).await?;
    apply::wait_for_rollout(client, "kube-system", "coredns", START_LIMIT).await?;
    apply::wait_for_rollout(client, "rathaus-gateway", "caddy", START_LIMIT).await?;
    agent::restart().await?;
    let gateway = ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", "Gateway"));
    let gateways = Api::<DynamicObject>::namespaced_with(client.clone(), "rathaus-gateway", &gateway);
    wait_until(daemons, "the gateway accepts no routes", || async {
        Ok(apply::is_condition_true(&gateways.get("public").await?, "Programmed"))
    })
    .await
}

fn start_daemons(daemons: &[Daemon], names: &[&str]) -> Result<()> {
    let wanted = daemons.iter().filter(|daemon| names.contains(&daemon.name));
    wanted.into_iter().try_for_each(Daemon::start)
}

/// Repeats a check until it succeeds. Fails at once if a daemon that was started has exited.
async fn wait_until<F: Future<Output = Result<bool>>>(
    daemons: &[Daemon],
    failure: &str,
    mut check: impl FnMut() -> F,
) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let answer = timeout(Duration::from_secs(10), check()).await.unwrap_or(Ok(false));
        if matches!(answer, Ok(true)) {
            return Ok(());
        }
        for daemon in daemons.iter().filter(|daemon| daemon.was_started()) {
            daemon.ensure_running()?;
        }
        if Instant::now() > deadline {
            let reason = answer.err().map(|error| format!(": {error:#}")).unwrap_or_default();
            bail!("{failure}{reason}; see {}", state("log").display());
        }
        sleep(Duration::from_millis(200)).await;
    }
}

async fn is_node_ready(client: &Client) -> Result<bool> {
    let node = Api::<Node>::all(client.clone()).get_opt(NODE_NAME).await?;
    let conditions = node.and_then(|node| node.status).and_then(|status| status.conditions);
    Ok(conditions
        .unwrap_or_default()
        .iter()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True"))
}

/// Creates certificates and kubeconfigs. Each part of the control plane is a separate user with the rights of
/// the built-in role of Kubernetes for that part.
fn create_credentials() -> Result<()> {
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
        issue_user(&authority, file, name, group)?;
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

fn issue_user(authority: &pki::Authority, file: &str, name: &str, group: Option<&str>) -> Result<PathBuf> {
    authority.issue(file, pki::Subject { name, group, hosts: &[] })?;
    config::write_kubeconfig(file)?;
    Ok(state(&format!("{file}.kubeconfig")))
}
