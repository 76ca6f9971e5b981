// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The configuration files of the node's programs.

use std::{fs, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    images::{self, Image},
    network::{BRIDGE, CNI_NETWORK, DNS, HOST, POD_NETWORK},
    paths::state,
    pki::{certificate_file, key_file},
    tools::Tools,
};

/// The node's name in the cluster.
pub const NODE_NAME: &str = "node";
/// The port of the API server.
pub const API_PORT: u16 = 6443;
/// The audit policy of the API server. This path and the following ones are relative to the state folder.
pub const AUDIT_POLICY: &str = "audit-policy.json";
/// The configuration of containerd.
pub const CONTAINERD_CONFIG: &str = "containerd/config.toml";
/// The socket of containerd.
pub const CONTAINERD_SOCKET: &str = "containerd/containerd.sock";
/// The configuration of the kubelet.
pub const KUBELET_CONFIG: &str = "kubelet.json";
/// The configuration of kube-proxy.
pub const KUBE_PROXY_CONFIG: &str = "kube-proxy.json";
/// The configuration of the pod network.
const CNI_CONFIG: &str = "cni/10-rathaus.conflist";

/// Returns the paths of the configuration files, relative to the state folder, and their content.
///
/// # Errors
/// Fails if `runc` was not built or if `images` lacks the pause image.
pub fn config_files(tools: &Tools, images: &[Image]) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        audit_policy_file(),
        (
            CONTAINERD_CONFIG,
            containerd_config(tools.path("runc")?, &images::find(images, "pause")?.reference()),
        ),
        (CNI_CONFIG, cni_config().to_string()),
        (KUBELET_CONFIG, kubelet_config().to_string()),
        (KUBE_PROXY_CONFIG, kube_proxy_config().to_string()),
    ])
}

/// Returns the path and the content of the only configuration file that the control plane needs.
pub fn audit_policy_file() -> (&'static str, String) {
    (AUDIT_POLICY, audit_policy().to_string())
}

/// Returns the YAML of what every local cluster runs: DNS and the gateway.
///
/// # Errors
/// Fails if `images` lacks the image of CoreDNS or of Caddy.
pub fn base_manifests(images: &[Image]) -> Result<String> {
    let text = [include_str!("../../manifests/dns.yaml"), include_str!("../../manifests/gateway.yaml")];
    Ok(text
        .join("\n---\n")
        .replace("COREDNS_IMAGE", &images::find(images, "coredns")?.reference())
        .replace("CADDY_IMAGE", &images::find(images, "caddy")?.reference())
        .replace("GATEWAY_ADDRESS", HOST)
        .replace("DNS_ADDRESS", DNS))
}

/// Writes a kubeconfig for the user of the certificate `name`.
///
/// # Errors
/// Fails if the state folder cannot be written.
pub fn write_kubeconfig(name: &str) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "rathaus",
        "contexts": [{"name": "rathaus", "context": {"cluster": "rathaus", "user": name}}],
        "clusters": [{"name": "rathaus", "cluster": {
            "server": format!("https://127.0.0.1:{API_PORT}"),
            "certificate-authority": certificate_file("ca"),
        }}],
        "users": [{"name": name, "user": {
            "client-certificate": certificate_file(name),
            "client-key": key_file(name),
        }}],
    });
    Ok(fs::write(state(&format!("{name}.kubeconfig")), format!("{config:#}\n"))?)
}

/// Logs the writes of all users, so that tests can count them, and all requests of the operator, so that a
/// test can compare its rights with what it does.
fn audit_policy() -> Value {
    json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived"],
        "rules": [
            {"level": "Metadata", "users": ["system:serviceaccount:rathaus-system:rathaus"]},
            {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
            {"level": "None"},
        ],
    })
}

fn containerd_config(runc: &Path, pause: &str) -> String {
    let root = state("containerd");
    let (root, cni) = (root.display(), state("cni"));
    format!(
        r#"version = 3
root = "{root}/root"
state = "{root}/state"
[grpc]
  address = "{socket}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "{pause}"
[plugins.'io.containerd.cri.v1.runtime']
  # Machines without CAP_SYS_RESOURCE cannot lower a score.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "{cni}"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "{runc}"
  Root = "{root}/runc"
  SystemdCgroup = false
"#,
        socket = state(CONTAINERD_SOCKET).display(),
        cni = cni.display(),
        runc = runc.display(),
    )
}

fn cni_config() -> Value {
    json!({
        "cniVersion": "1.0.0",
        "name": CNI_NETWORK,
        "plugins": [
            {
                "type": "bridge",
                "bridge": BRIDGE,
                "isGateway": true,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": state("cni-addresses"),
                    // Pods must not get the address of the node.
                    "ranges": [[{"subnet": POD_NETWORK, "gateway": HOST}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            disable_ipv6(),
        ],
    })
}

/// Pods have only IPv4 addresses. With the link-local IPv6 addresses that the kernel adds, they could bypass
/// every network policy. The folder is missing if the kernel has no IPv6 at all.
fn disable_ipv6() -> Value {
    let sysctl = if Path::new("/proc/sys/net/ipv6").exists() {
        json!({"net.ipv6.conf.eth0.disable_ipv6": "1"})
    } else {
        json!({})
    };
    json!({"type": "tuning", "sysctl": sysctl})
}

fn kubelet_config() -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": false,
        "cgroupDriver": "cgroupfs",
        "enforceNodeAllocatable": [],
        "failSwapOn": false,
        "containerRuntimeEndpoint": format!("unix://{}", state(CONTAINERD_SOCKET).display()),
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": certificate_file("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": certificate_file("kubelet"),
        "tlsPrivateKeyFile": key_file("kubelet"),
        "clusterDNS": [DNS],
        "clusterDomain": "cluster.local",
        "maxPods": 500,
        "podLogsDir": state("log/pods"),
        // The disk of a developer's machine may be rather full.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        // Imported images cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
        // The default of 5/s delays the start of a town's pods.
        "eventRecordQPS": 50,
        "serializeImagePulls": false,
    })
}

fn kube_proxy_config() -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": state("proxy.kubeconfig")},
        "clusterCIDR": POD_NETWORK,
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "healthzBindAddress": "127.0.0.1:10256",
        // In a container, kube-proxy may not be allowed to change the kernel's limit.
        "conntrack": {"maxPerCore": 0},
    })
}
