// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Pods and peers as network policies see them.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::Arc,
};

use ipnet::Ipv4Net;
use k8s_openapi::{
    api::{
        core::v1::{Namespace, Pod},
        networking::v1::NetworkPolicyPeer,
    },
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};

type Labels = BTreeMap<String, String>;

/// A pod that has an address on the bridge.
#[derive(Debug, Clone)]
pub struct BridgePod {
    /// Its IPv4 address.
    pub address: Ipv4Addr,
    /// Its namespace.
    pub namespace: String,
    labels: Labels,
    namespace_labels: Labels,
    /// Named container ports: name, protocol and number.
    ports: Vec<(String, String, u16)>,
}

/// The other side of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// Every address inside and outside the cluster.
    Anyone,
    /// The pods with these addresses.
    Pods(BTreeSet<Ipv4Addr>),
    /// A range of addresses except some parts of it.
    Block(Ipv4Net, Vec<Ipv4Net>),
}

impl BridgePod {
    /// Returns whether a selector selects the pod by its labels.
    pub fn is_selected_by(&self, selector: Option<&LabelSelector>) -> bool {
        selector_matches(selector, &self.labels)
    }

    /// Returns the number of its container port with that name and protocol.
    pub fn port_number(&self, name: &str, protocol: &str) -> Option<u16> {
        let found = self.ports.iter().find(|(port, own, _)| port == name && own == protocol);
        found.map(|&(_, _, number)| number)
    }
}

/// Returns the pods that have an address on the bridge, sorted by address. Pods in the host's network have
/// none.
pub fn bridge_pods(
    pods: &[Arc<Pod>],
    namespaces: &[Arc<Namespace>],
    addresses: &BTreeMap<String, Ipv4Addr>,
) -> Vec<BridgePod> {
    let labels: BTreeMap<String, &Labels> =
        namespaces.iter().map(|namespace| (namespace.name_any(), namespace.labels())).collect();
    let mut found: Vec<BridgePod> =
        pods.iter().filter_map(|pod| bridge_pod(pod, &labels, addresses)).collect();
    // An address belongs to one pod, and the order must be the same in every run.
    found.sort_by_key(|pod| pod.address);
    found.dedup_by_key(|pod| pod.address);
    found
}

fn bridge_pod(
    pod: &Pod,
    namespaces: &BTreeMap<String, &Labels>,
    addresses: &BTreeMap<String, Ipv4Addr>,
) -> Option<BridgePod> {
    let spec = pod.spec.as_ref()?;
    let namespace = pod.namespace()?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    Some(BridgePod {
        address: *addresses.get(pod.metadata.uid.as_ref()?)?,
        labels: pod.labels().clone(),
        namespace_labels: namespaces.get(&namespace).map(|&labels| labels.clone()).unwrap_or_default(),
        namespace,
        ports: ports
            .filter_map(|port| {
                let protocol = port.protocol.clone().unwrap_or_else(|| "TCP".to_owned());
                Some((port.name.clone()?, protocol, port.container_port.try_into().ok()?))
            })
            .collect(),
    })
}

/// Resolves one entry of `from` or `to` in a policy of `namespace`. `None` for an IPv6 block, since pods have
/// no such address.
pub fn resolve_peer(peer: &NetworkPolicyPeer, namespace: &str, pods: &[BridgePod]) -> Option<Peers> {
    if let Some(block) = &peer.ip_block {
        let parts = block.except.iter().flatten().filter_map(|part| part.parse().ok());
        return Some(Peers::Block(block.cidr.parse().ok()?, parts.collect()));
    }
    let in_namespace = |pod: &&BridgePod| match &peer.namespace_selector {
        Some(selector) => selector_matches(Some(selector), &pod.namespace_labels),
        None => pod.namespace == namespace,
    };
    let chosen =
        pods.iter().filter(in_namespace).filter(|pod| pod.is_selected_by(peer.pod_selector.as_ref()));
    Some(Peers::Pods(chosen.map(|pod| pod.address).collect()))
}

/// An absent selector selects everything, as an empty one does. An invalid one selects nothing; the API
/// server accepts none.
fn selector_matches(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    selector.is_none_or(|selector| {
        Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
    })
}
