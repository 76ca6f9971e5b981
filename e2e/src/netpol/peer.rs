// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Pods as network policies see them.

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
pub struct Member {
    /// Its address.
    pub address: Ipv4Addr,
    /// Its namespace.
    pub namespace: String,
    labels: Labels,
    namespace_labels: Labels,
    /// Name, protocol, number.
    ports: Vec<(String, String, u16)>,
}

/// Whom a rule speaks of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// Everyone, inside and outside the cluster.
    Anyone,
    /// Pods.
    Pods(BTreeSet<Ipv4Addr>),
    /// A range of addresses without some of its parts.
    Block(Ipv4Net, Vec<Ipv4Net>),
}

impl Member {
    /// Whether a selector chooses it by its labels.
    pub fn has(&self, selector: Option<&LabelSelector>) -> bool {
        matches(selector, &self.labels)
    }

    /// The number of its container port of that name and protocol.
    pub fn port(&self, name: &str, protocol: &str) -> Option<u16> {
        let found = self.ports.iter().find(|(own, spoken, _)| own == name && spoken == protocol);
        found.map(|&(_, _, number)| number)
    }
}

/// The pods that have an address of their own.
pub fn members(
    pods: &[Arc<Pod>],
    namespaces: &[Arc<Namespace>],
    addresses: &BTreeMap<String, Ipv4Addr>,
) -> Vec<Member> {
    let labels: BTreeMap<String, &Labels> =
        namespaces.iter().map(|namespace| (namespace.name_any(), namespace.labels())).collect();
    let mut members: Vec<Member> = pods.iter().filter_map(|pod| member(pod, &labels, addresses)).collect();
    // An address belongs to one pod; the order must not depend on chance.
    members.sort_by_key(|member| member.address);
    members.dedup_by_key(|member| member.address);
    members
}

fn member(
    pod: &Pod,
    namespaces: &BTreeMap<String, &Labels>,
    addresses: &BTreeMap<String, Ipv4Addr>,
) -> Option<Member> {
    let spec = pod.spec.as_ref()?;
    let namespace = pod.namespace()?;
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten());
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    Some(Member {
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

/// What one entry of `from` or `to`, in a policy of `namespace`, stands for. Nothing for an IPv6
/// block: pods have no such address.
pub fn peers(peer: &NetworkPolicyPeer, namespace: &str, world: &[Member]) -> Option<Peers> {
    if let Some(block) = &peer.ip_block {
        let parts = block.except.iter().flatten().filter_map(|part| part.parse().ok());
        return Some(Peers::Block(block.cidr.parse().ok()?, parts.collect()));
    }
    let in_namespace = |member: &&Member| match &peer.namespace_selector {
        Some(selector) => matches(Some(selector), &member.namespace_labels),
        None => member.namespace == namespace,
    };
    let chosen = world.iter().filter(in_namespace).filter(|pod| pod.has(peer.pod_selector.as_ref()));
    Some(Peers::Pods(chosen.map(|pod| pod.address).collect()))
}

/// An absent selector chooses everything, as an empty one does. One that cannot be read chooses
/// nothing: the API server lets none through.
fn matches(selector: Option<&LabelSelector>, labels: &Labels) -> bool {
    selector.is_none_or(|selector| {
        Selector::try_from(selector.clone()).is_ok_and(|selector| selector.matches(labels))
    })
}
