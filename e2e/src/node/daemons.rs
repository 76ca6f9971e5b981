// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The node's programs and what each is told.

use anyhow::Result;

use super::config;
use crate::{
    network::{HOST, SERVICE_NETWORK},
    paths::{audit_log, state},
    pki::{certificate_file, key_file},
    process::Daemon,
    tools::Tools,
};

// Away from the usual ports, which an etcd of the machine's owner may have.
const ETCD: &str = "http://127.0.0.1:12379";
const ETCD_PEERS: &str = "http://127.0.0.1:12380";

/// In the order in which they start.
pub fn all(tools: &Tools) -> Result<Vec<Daemon>> {
    Ok(vec![
        etcd(tools)?,
        apiserver(tools)?,
        containerd(tools)?,
        controller_manager(tools)?,
        scheduler(tools)?,
        kube_proxy(tools)?,
        kubelet(tools)?,
    ])
}

fn daemon(tools: &Tools, name: &'static str, options: &[(&str, String)]) -> Result<Daemon> {
    let program = tools.path(name)?.to_string_lossy().into_owned();
    let options = options.iter().map(|(name, value)| format!("--{name}={value}"));
    Ok(Daemon::new(name, std::iter::once(program).chain(options).collect()))
}

fn in_state(below: &str) -> String {
    state(below).to_string_lossy().into_owned()
}

fn certificate(name: &str) -> String {
    certificate_file(name).to_string_lossy().into_owned()
}

fn key(name: &str) -> String {
    key_file(name).to_string_lossy().into_owned()
}

fn yes() -> String {
    "true".to_owned()
}

fn no() -> String {
    "false".to_owned()
}

fn etcd(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "etcd",
        &[
            ("data-dir", in_state("etcd")),
            ("listen-client-urls", ETCD.to_owned()),
            ("advertise-client-urls", ETCD.to_owned()),
            ("listen-peer-urls", ETCD_PEERS.to_owned()),
            ("initial-advertise-peer-urls", ETCD_PEERS.to_owned()),
            ("initial-cluster", format!("default={ETCD_PEERS}")),
            // The node's data does not outlive a crash of the machine anyway.
            ("unsafe-no-fsync", yes()),
        ],
    )
}

fn apiserver(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kube-apiserver",
        &[
            ("etcd-servers", ETCD.to_owned()),
            ("advertise-address", HOST.to_owned()),
            ("secure-port", config::API_PORT.to_string()),
            ("tls-cert-file", certificate("apiserver")),
            ("tls-private-key-file", key("apiserver")),
            ("client-ca-file", certificate("ca")),
            ("kubelet-certificate-authority", certificate("ca")),
            ("kubelet-client-certificate", certificate("kubelet-client")),
            ("kubelet-client-key", key("kubelet-client")),
            ("kubelet-preferred-address-types", "InternalIP".to_owned()),
            ("service-account-key-file", certificate("service-account")),
            ("service-account-signing-key-file", key("service-account")),
            ("service-account-issuer", "https://kubernetes.default.svc.cluster.local".to_owned()),
            ("service-cluster-ip-range", SERVICE_NETWORK.to_owned()),
            ("authorization-mode", "Node,RBAC".to_owned()),
            ("enable-admission-plugins", "NodeRestriction".to_owned()),
            ("allow-privileged", yes()),
            ("audit-policy-file", in_state(config::AUDIT_POLICY)),
            ("audit-log-path", audit_log().to_string_lossy().into_owned()),
            // A write is in the log before its answer is out: tests may count right away.
            ("audit-log-mode", "blocking".to_owned()),
        ],
    )
}

fn controller_manager(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kube-controller-manager",
        &[
            ("kubeconfig", in_state("controller-manager.kubeconfig")),
            ("bind-address", "127.0.0.1".to_owned()),
            ("use-service-account-credentials", yes()),
            ("service-account-private-key-file", key("service-account")),
            ("root-ca-file", certificate("ca")),
            // A quota that limits a kind which was not there when it was made is looked at again only
            // then; the default is five minutes.
            ("resource-quota-sync-period", "5s".to_owned()),
            ("leader-elect", no()),
        ],
    )
}

fn scheduler(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kube-scheduler",
        &[
            ("kubeconfig", in_state("scheduler.kubeconfig")),
            ("bind-address", "127.0.0.1".to_owned()),
            ("leader-elect", no()),
        ],
    )
}

fn containerd(tools: &Tools) -> Result<Daemon> {
    daemon(tools, "containerd", &[("config", in_state(config::CONTAINERD))])
}

fn kubelet(tools: &Tools) -> Result<Daemon> {
    daemon(
        tools,
        "kubelet",
        &[
            ("config", in_state(config::KUBELET)),
            ("kubeconfig", in_state("kubelet.kubeconfig")),
            ("root-dir", in_state("kubelet")),
            ("hostname-override", config::NODE_NAME.to_owned()),
            ("node-ip", HOST.to_owned()),
        ],
    )
}

fn kube_proxy(tools: &Tools) -> Result<Daemon> {
    daemon(tools, "kube-proxy", &[("config", in_state(config::PROXY))])
}
