// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The files that the node's programs read.

use std::{fs, path::Path};

use anyhow::Result;
use serde_json::{Value, json};

use crate::{
    images::{Image, named},
    network::{BRIDGE, CNI_NETWORK, DNS, HOST, POD_NETWORK},
    paths::state,
    pki::{certificate_file, key_file},
    tools::Tools,
};

/// The node's name in the cluster.
pub const NODE_NAME: &str = "node";
/// Where the API server listens.
pub const API_PORT: u16 = 6443;
/// Below the state folder, as the following.
pub const AUDIT_POLICY: &str = "audit-policy.json";
/// containerd's own configuration.
pub const CONTAINERD: &str = "containerd/config.toml";
/// Where containerd answers.
pub const CONTAINERD_SOCKET: &str = "containerd/containerd.sock";
/// The kubelet's configuration.
pub const KUBELET: &str = "kubelet.json";
/// kube-proxy's configuration.
pub const PROXY: &str = "kube-proxy.json";
const CNI: &str = "cni/10-rathaus.conflist";

/// Each file below the state folder and its text.
pub fn files(tools: &Tools, images: &[Image]) -> Result<Vec<(&'static str, String)>> {
    Ok(vec![
        (AUDIT_POLICY, audit_policy().to_string()),
        (CONTAINERD, containerd(tools.path("runc")?, &named(images, "pause")?.reference())),
        (CNI, cni().to_string()),
        (KUBELET, kubelet().to_string()),
        (PROXY, kube_proxy().to_string()),
    ])
}

/// What runs in every cluster of the harness: DNS and the gateway.
pub fn base_manifests(images: &[Image]) -> Result<String> {
    let text = [include_str!("../../manifests/dns.yaml"), include_str!("../../manifests/gateway.yaml")];
    Ok(text
        .join("\n---\n")
        .replace("COREDNS_IMAGE", &named(images, "coredns")?.reference())
        .replace("CADDY_IMAGE", &named(images, "caddy")?.reference())
        .replace("GATEWAY_ADDRESS", HOST)
        .replace("DNS_ADDRESS", DNS))
}

/// Writes the kubeconfig of the user whose certificate has that name.
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

/// Writes of anyone, so that tests can count them; everything of the operator, so that a test can
/// compare its rights with what it does.
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

fn containerd(runc: &Path, pause: &str) -> String {
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

fn cni() -> Value {
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
                    // The node's own address is not for pods.
                    "ranges": [[{"subnet": POD_NETWORK, "gateway": HOST}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            no_ipv6(),
        ],
    })
}

/// Pods have IPv4 addresses. Through the link-local ones that the kernel adds, they would reach each
/// other past every policy. The folder is missing where the kernel has no IPv6 at all.
fn no_ipv6() -> Value {
    let off = if Path::new("/proc/sys/net/ipv6").exists() {
        json!({"net.ipv6.conf.eth0.disable_ipv6": "1"})
    } else {
        json!({})
    };
    json!({"type": "tuning", "sysctl": off})
}

fn kubelet() -> Value {
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
        // A machine of a developer may be rather full.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        // Imported images cannot be pulled again.
        "imageGCHighThresholdPercent": 100,
        "makeIPTablesUtilChains": false,
        // The default of 5/s makes a town's start wait for its events.
        "eventRecordQPS": 50,
        "serializeImagePulls": false,
    })
}

fn kube_proxy() -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": state("proxy.kubeconfig")},
        "clusterCIDR": POD_NETWORK,
        "mode": "nftables",
        "hostnameOverride": NODE_NAME,
        "healthzBindAddress": "127.0.0.1:10256",
        // The machine may not let it change the kernel's table.
        "conntrack": {"maxPerCore": 0},
    })
}
