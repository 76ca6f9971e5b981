// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The daemons of the node and their command lines.

use anyhow::Result;

use super::config;
use crate::{
    network::{HOST, SERVICE_NETWORK},
    paths::{audit_log, state},
    pki::{certificate_file, key_file},
    process::Daemon,
    tools::Tools,
};

// Not the default ports, since another etcd may run on the machine.
const ETCD_URL: &str = "http://127.0.0.1:12379";
const ETCD_PEER_URL: &str = "http://127.0.0.1:12380";

/// Returns the daemons of a complete node.
///
/// # Errors
/// Fails if one of the programs was not built.
pub fn all(tools: &Tools) -> Result<Vec<Daemon>> {
    let mut daemons = control_plane(tools)?;
    daemons.extend([containerd(tools)?, kube_proxy(tools)?, kubelet(tools)?]);
    Ok(daemons)
}

/// Returns the daemons of the control plane.
///
/// # Errors
/// Fails if one of the programs was not built.
pub fn control_plane(tools: &Tools) -> Result<Vec<Daemon>> {
    Ok(vec![etcd(tools)?, apiserver(tools)?, controller_manager(tools)?, scheduler(tools)?])
}

fn daemon(tools: &Tools, name: &'static str, options: &[(&str, String)]) -> Result<Daemon> {
    let program = tools.path(name)?.to_string_lossy().into_owned();
    let options = options.iter().map(|(name, value)| format!("--{name}={value}"));
    Ok(Daemon::new(name, std::iter::once(program).chain(options).collect()))
}

fn state_path(below: &str) -> String {
    state(below).to_string_lossy().into_owned()
}

fn certificate_path(name: &str) -> String {
    certificate_file(name).to_string_lossy().into_owned()
}

fn key_path(name: &str) -> String {
    key_file(name).to_string_lossy().into_owned()
}

fn enabled() -> String {
    "true".to_owned()
}

fn disabled() -> String {
    "false".to_owned()
}

fn etcd(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "etcd",
        &[
            ("data-dir", state_path("etcd")),
            ("listen-client-urls", ETCD_URL.to_owned()),
            ("advertise-client-urls", ETCD_URL.to_owned()),
            ("listen-peer-urls", ETCD_PEER_URL.to_owned()),
            ("initial-advertise-peer-urls", ETCD_PEER_URL.to_owned()),
            ("initial-cluster", format!("default={ETCD_PEER_URL}")),
            // The data need not survive a crash of the machine.
            ("unsafe-no-fsync", enabled()),
        ],
    )
}

fn apiserver(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kube-apiserver",
        &[
            ("etcd-servers", ETCD_URL.to_owned()),
            ("advertise-address", HOST.to_owned()),
            ("secure-port", config::API_PORT.to_string()),
            ("tls-cert-file", certificate_path("apiserver")),
            ("tls-private-key-file", key_path("apiserver")),
            ("client-ca-file", certificate_path("ca")),
            ("kubelet-certificate-authority", certificate_path("ca")),
            ("kubelet-client-certificate", certificate_path("kubelet-client")),
            ("kubelet-client-key", key_path("kubelet-client")),
            ("kubelet-preferred-address-types", "InternalIP".to_owned()),
            ("service-account-key-file", certificate_path("service-account")),
            ("service-account-signing-key-file", key_path("service-account")),
            ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
            ("service-cluster-ip-range", SERVICE_NETWORK.to_owned()),
            ("authorization-mode", "Node,RBAC".to_owned()),
            ("enable-admission-plugins", "NodeRestriction".to_owned()),
            ("allow-privileged", enabled()),
            ("audit-policy-file", state_path(config::AUDIT_POLICY)),
            ("audit-log-path", audit_log().to_string_lossy().into_owned()),
            // A write is logged before it is answered, so that tests may count immediately.
            ("audit-log-mode", "blocking".to_owned()),
            // In megabytes. Positions in the log become invalid when it is rotated, by default after 100.
            ("audit-log-maxsize", "100000".to_owned()),
        ],
    )
}

fn controller_manager(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kube-controller-manager",
        &[
            ("kubeconfig", state_path("controller-manager.kubeconfig")),
            ("bind-address", "127.0.0.1".to_owned()),
            ("use-service-account-credentials", enabled()),
            ("service-account-private-key-file", key_path("service-account")),
            ("root-ca-file", certificate_path("ca")),
            // A quota for a kind that did not exist when the quota was created is evaluated only at the next
            // resync; the default is every five minutes.
            ("resource-quota-sync-period", "5s".to_owned()),
            // With the default of 20 requests per second, it is slower than all that it is used to measure.
            ("kube-api-qps", "200".to_owned()),
            ("kube-api-burst", "400".to_owned()),
            ("leader-elect", disabled()),
        ],
    )
}

fn scheduler(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kube-scheduler",
        &[
            ("kubeconfig", state_path("scheduler.kubeconfig")),
            ("bind-address", "127.0.0.1".to_owned()),
            ("leader-elect", disabled()),
        ],
    )
}

fn containerd(tools: &Tools) -> Result<Daemon> {
    daemon(tools, "containerd", &[("config", state_path(config::CONTAINERD_CONFIG))])
}

fn kubelet(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kubelet",
        &[
            ("config", state_path(config::KUBELET_CONFIG)),
            ("kubeconfig", state_path("kubelet.kubeconfig")),
            ("root-dir", state_path("kubelet")),
            ("hostname-override", config::NODE_NAME.to_owned()),
            ("node-ip", HOST.to_owned()),
        ],
    )
}

fn kube_proxy(tools: &Tools) -> Result<Daemon> {
    daemon(tools, "kube-proxy", &[("config", state_path(config::KUBE_PROXY_CONFIG))])
}
