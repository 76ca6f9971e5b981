// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Renders the state of the cluster as the text of one nftables rule set, without side effects.
//!
//! The rules see addresses after their translation by kube-proxy, since the hooks `forward` and `input` come
//! later; NetworkPolicy demands that. Packets that the node itself sends pass the hook `output` and are never
//! filtered, so that the kubelet's probes always reach a pod.

use std::{collections::BTreeSet, fmt::Write, net::Ipv4Addr, sync::Arc};

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;

use super::peer::{BridgePod, Peers, resolve_peer};

/// The network of the pods.
pub struct Network<'a> {
    /// The bridge interface that all pods are connected to.
    pub bridge: &'a str,
    /// The range of their addresses.
    pub pod_range: &'a str,
    /// The address of the node in that range.
    pub host: &'a str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ingress,
    Egress,
}

impl Direction {
    fn policy_type(self) -> &'static str {
        match self {
            Self::Ingress => "Ingress",
            Self::Egress => "Egress",
        }
    }

    /// The packet's field with the address of the pod that a policy isolates.
    fn pod_field(self) -> &'static str {
        match self {
            Self::Ingress => "daddr",
            Self::Egress => "saddr",
        }
    }

    /// The packet's field with the address of the other side.
    fn peer_field(self) -> &'static str {
        match self {
            Self::Ingress => "saddr",
            Self::Egress => "daddr",
        }
    }

    /// The name of the chain with the rules for one pod.
    fn chain_name(self, address: Ipv4Addr) -> String {
        let prefix = match self {
            Self::Ingress => "to",
            Self::Egress => "from",
        };
        format!("{prefix}_{}", address.to_string().replace('.', "_"))
    }
}

/// Returns the complete rule set. Loading it replaces an earlier one atomically.
///
/// A pod that is not among `pods` yet can neither send nor receive. Otherwise it would be open from its start
/// until it is among them.
pub fn render(network: &Network<'_>, pods: &[BridgePod], policies: &[Arc<NetworkPolicy>]) -> String {
    let Network { bridge, pod_range, host } = network;
    let chains = [Direction::Egress, Direction::Ingress]
        .map(|direction| render_chains(direction, host, pods, policies))
        .concat();
    format!(
        "add table ip rathaus
delete table ip rathaus
table ip rathaus {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ip saddr {pod_range} jump egress
    ip daddr {pod_range} jump ingress
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname != \"{bridge}\" accept
    ct state established,related accept
    ip saddr {pod_range} jump egress
  }}
{chains}}}
"
    )
}

fn render_chains(
    direction: Direction,
    host: &str,
    pods: &[BridgePod],
    policies: &[Arc<NetworkPolicy>],
) -> String {
    let mut chains = String::new();
    let mut verdicts = Vec::new();
    for pod in pods {
        let address = pod.address;
        let isolating = isolating_policies(direction, pod, policies);
        if isolating.is_empty() {
            verdicts.push(format!("{address} : return"));
            continue;
        }
        let chain = direction.chain_name(address);
        verdicts.push(format!("{address} : goto {chain}"));
        // A pod always reaches itself, also through a Service.
        let itself = format!("ip {} {address} return", direction.peer_field());
        let allowed = isolating.iter().flat_map(|policy| policy_rules(direction, pod, policy, pods));
        let rules: Vec<String> = std::iter::once(itself).chain(unique(allowed)).collect();
        let _ = write!(chains, "  chain {chain} {{\n    {}\n    counter drop\n  }}\n", rules.join("\n    "));
    }
    let map = match verdicts.as_slice() {
        [] => String::new(),
        known => format!("    ip {} vmap {{ {} }}\n", direction.pod_field(), known.join(", ")),
    };
    format!(
        "{chains}  chain {} {{\n    ip {} {host} return\n{map}    counter drop\n  }}\n",
        direction.policy_type().to_lowercase(),
        direction.pod_field(),
    )
}

fn unique(rules: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    rules.filter(|rule| seen.insert(rule.clone())).collect()
}

/// The policies that isolate a pod in this direction, sorted by name.
fn isolating_policies<'a>(
    direction: Direction,
    pod: &BridgePod,
    policies: &'a [Arc<NetworkPolicy>],
) -> Vec<&'a NetworkPolicy> {
    let mut isolating: Vec<&NetworkPolicy> = policies
        .iter()
        .map(AsRef::as_ref)
        .filter(|policy| policy.namespace().as_deref() == Some(&pod.namespace))
        .filter(|policy| {
            policy.spec.as_ref().is_some_and(|spec| {
                applies_to(spec, direction) && pod.is_selected_by(spec.pod_selector.as_ref())
            })
        })
        .collect();
    isolating.sort_by_key(|policy| policy.name_any());
    isolating
}

/// Whether a policy applies to a direction. Without `policyTypes` it applies to ingress, and to egress only
/// if it has egress rules.
fn applies_to(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    match spec.policy_types.as_deref() {
        Some(types) if !types.is_empty() => types.iter().any(|own| own == direction.policy_type()),
        _ => direction == Direction::Ingress || spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
    }
}

/// The nftables rules of one policy for a pod.
fn policy_rules(
    direction: Direction,
    pod: &BridgePod,
    policy: &NetworkPolicy,
    pods: &[BridgePod],
) -> Vec<String> {
    let Some(spec) = &policy.spec else { return Vec::new() };
    type Rule<'a> = (&'a Option<Vec<NetworkPolicyPeer>>, &'a Option<Vec<NetworkPolicyPort>>);
    let rules: Vec<Rule<'_>> = match direction {
        Direction::Ingress => spec.ingress.iter().flatten().map(|rule| (&rule.from, &rule.ports)).collect(),
        Direction::Egress => spec.egress.iter().flatten().map(|rule| (&rule.to, &rule.ports)).collect(),
    };
    rules
        .into_iter()
        .flat_map(|(peers, ports)| {
            let peers = match peers.as_deref() {
                None | Some([]) => vec![Peers::Anyone],
                Some(some) => {
                    some.iter().filter_map(|peer| resolve_peer(peer, &pod.namespace, pods)).collect()
                }
            };
            peers.into_iter().flat_map(move |peers| match ports.as_deref() {
                None | Some([]) => vec![allow_rule(direction, &peers, "")],
                Some(some) => {
                    some.iter().flat_map(|port| port_rules(direction, pod, &peers, port, pods)).collect()
                }
            })
        })
        .filter(|rule| !rule.is_empty())
        .collect()
}

/// The rules for one port of a policy. That is one rule, except for a named port in egress: the name may
/// stand for different numbers in different peers.
fn port_rules(
    direction: Direction,
    pod: &BridgePod,
    peers: &Peers,
    port: &NetworkPolicyPort,
    pods: &[BridgePod],
) -> Vec<String> {
    let name = port.protocol.as_deref().unwrap_or("TCP");
    let protocol = name.to_lowercase();
    match (&port.port, port.end_port) {
        (None, _) => vec![allow_rule(direction, peers, &format!("meta l4proto {protocol} "))],
        (Some(IntOrString::Int(first)), Some(last)) => {
            vec![allow_rule(direction, peers, &format!("{protocol} dport {first}-{last} "))]
        }
        (Some(IntOrString::Int(number)), None) => {
            vec![allow_rule(direction, peers, &format!("{protocol} dport {number} "))]
        }
        (Some(IntOrString::String(wanted)), _) if direction == Direction::Ingress => pod
            .port_number(wanted, name)
            .map(|number| allow_rule(direction, peers, &format!("{protocol} dport {number} ")))
            .into_iter()
            .collect(),
        (Some(IntOrString::String(wanted)), _) => {
            let servers = pods.iter().filter(|server| includes(peers, server.address));
            servers
                .filter_map(|server| {
                    let number = server.port_number(wanted, name)?;
                    let only = Peers::Pods(BTreeSet::from([server.address]));
                    Some(allow_rule(direction, &only, &format!("{protocol} dport {number} ")))
                })
                .collect()
        }
    }
}

fn includes(peers: &Peers, address: Ipv4Addr) -> bool {
    match peers {
        Peers::Anyone => true,
        Peers::Pods(pods) => pods.contains(&address),
        Peers::Block(block, except) => {
            block.contains(&address) && !except.iter().any(|part| part.contains(&address))
        }
    }
}

/// The rule that allows these peers. `port` is a match of the port with a blank at its end, or empty. Returns
/// an empty text if there are no peers.
fn allow_rule(direction: Direction, peers: &Peers, port: &str) -> String {
    let field = direction.peer_field();
    let peer_match = match peers {
        Peers::Anyone => String::new(),
        Peers::Pods(pods) if pods.is_empty() => return String::new(),
        Peers::Pods(pods) => {
            let pods: Vec<String> = pods.iter().map(ToString::to_string).collect();
            format!("ip {field} {{ {} }} ", pods.join(", "))
        }
        Peers::Block(block, except) => {
            let without: String = except.iter().map(|part| format!("ip {field} != {part} ")).collect();
            format!("ip {field} {block} {without}")
        }
    };
    format!("{peer_match}{port}return")
}

#[cfg(test)]
#[path = "ruleset_tests.rs"]
mod tests;
