// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Cluster state → the text of one nftables rule set. Pure.
//!
//! The rules see addresses after kube-proxy's translation, since the hooks `forward` and `input` come
//! behind it; that is what NetworkPolicy asks for. What the node itself sends passes the hook `output`
//! and is never filtered, so that probes always reach a pod.

use std::{collections::BTreeSet, fmt::Write, net::Ipv4Addr, sync::Arc};

use k8s_openapi::{
    api::networking::v1::{NetworkPolicy, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec},
    apimachinery::pkg::util::intstr::IntOrString,
};
use kube::ResourceExt;

use super::peer::{Member, Peers, peers};

/// Where pods live.
pub struct Network<'a> {
    /// The interface that all of them are on.
    pub bridge: &'a str,
    /// Their addresses.
    pub pods: &'a str,
    /// The node's own address among those.
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

    /// The address of the pod that a policy holds for.
    fn own(self) -> &'static str {
        match self {
            Self::Ingress => "daddr",
            Self::Egress => "saddr",
        }
    }

    /// The address of the other side.
    fn other(self) -> &'static str {
        match self {
            Self::Ingress => "saddr",
            Self::Egress => "daddr",
        }
    }

    fn chain(self, address: Ipv4Addr) -> String {
        let prefix = match self {
            Self::Ingress => "to",
            Self::Egress => "from",
        };
        format!("{prefix}_{}", address.to_string().replace('.', "_"))
    }
}

/// The whole rule set. Loading it replaces an earlier one in one step.
///
/// A pod that is not known yet can neither send nor receive: it would otherwise be open for the
/// moment between its start and its appearance here.
pub fn render(network: &Network<'_>, world: &[Member], policies: &[Arc<NetworkPolicy>]) -> String {
    let Network { bridge, pods, host } = network;
    let chains = [Direction::Egress, Direction::Ingress]
        .map(|direction| direction_chains(direction, host, world, policies))
        .concat();
    format!(
        "add table ip rathaus
delete table ip rathaus
table ip rathaus {{
  chain forward {{
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    ip saddr {pods} jump egress
    ip daddr {pods} jump ingress
  }}
  chain input {{
    type filter hook input priority filter; policy accept;
    iifname != \"{bridge}\" accept
    ct state established,related accept
    ip saddr {pods} jump egress
  }}
{chains}}}
"
    )
}

fn direction_chains(
    direction: Direction,
    host: &str,
    world: &[Member],
    policies: &[Arc<NetworkPolicy>],
) -> String {
    let mut chains = String::new();
    let mut verdicts = Vec::new();
    for member in world {
        let address = member.address;
        let holding = holding(direction, member, policies);
        if holding.is_empty() {
            verdicts.push(format!("{address} : return"));
            continue;
        }
        let chain = direction.chain(address);
        verdicts.push(format!("{address} : goto {chain}"));
        // A pod always reaches itself, also by way of a Service.
        let itself = format!("ip {} {address} return", direction.other());
        let allowed = holding.iter().flat_map(|policy| allowed(direction, member, policy, world));
        let rules: Vec<String> = std::iter::once(itself).chain(unique(allowed)).collect();
        let _ = write!(chains, "  chain {chain} {{\n    {}\n    counter drop\n  }}\n", rules.join("\n    "));
    }
    let map = match verdicts.as_slice() {
        [] => String::new(),
        known => format!("    ip {} vmap {{ {} }}\n", direction.own(), known.join(", ")),
    };
    format!(
        "{chains}  chain {} {{\n    ip {} {host} return\n{map}    counter drop\n  }}\n",
        direction.policy_type().to_lowercase(),
        direction.own(),
    )
}

fn unique(rules: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    rules.filter(|rule| seen.insert(rule.clone())).collect()
}

/// The policies that isolate a pod in this direction.
fn holding<'a>(
    direction: Direction,
    member: &Member,
    policies: &'a [Arc<NetworkPolicy>],
) -> Vec<&'a NetworkPolicy> {
    let mut holding: Vec<&NetworkPolicy> = policies
        .iter()
        .map(AsRef::as_ref)
        .filter(|policy| policy.namespace().as_deref() == Some(&member.namespace))
        .filter(|policy| {
            policy
                .spec
                .as_ref()
                .is_some_and(|spec| speaks_of(spec, direction) && member.has(spec.pod_selector.as_ref()))
        })
        .collect();
    holding.sort_by_key(|policy| policy.name_any());
    holding
}

/// Without types, a policy is for ingress, and for egress if it has such rules.
fn speaks_of(spec: &NetworkPolicySpec, direction: Direction) -> bool {
    match spec.policy_types.as_deref() {
        Some(types) if !types.is_empty() => types.iter().any(|own| own == direction.policy_type()),
        _ => direction == Direction::Ingress || spec.egress.as_ref().is_some_and(|rules| !rules.is_empty()),
    }
}

fn allowed(direction: Direction, member: &Member, policy: &NetworkPolicy, world: &[Member]) -> Vec<String> {
    let Some(spec) = &policy.spec else { return Vec::new() };
    type Rule<'a> = (&'a Option<Vec<NetworkPolicyPeer>>, &'a Option<Vec<NetworkPolicyPort>>);
    let rules: Vec<Rule<'_>> = match direction {
        Direction::Ingress => spec.ingress.iter().flatten().map(|rule| (&rule.from, &rule.ports)).collect(),
        Direction::Egress => spec.egress.iter().flatten().map(|rule| (&rule.to, &rule.ports)).collect(),
    };
    rules
        .into_iter()
        .flat_map(|(others, ports)| {
            let others = match others.as_deref() {
                None | Some([]) => vec![Peers::Anyone],
                Some(some) => some.iter().filter_map(|peer| peers(peer, &member.namespace, world)).collect(),
            };
            others.into_iter().flat_map(move |peers| match ports.as_deref() {
                None | Some([]) => vec![matching(direction, &peers, "")],
                Some(some) => {
                    some.iter().flat_map(|port| with_port(direction, member, &peers, port, world)).collect()
                }
            })
        })
        .filter(|rule| !rule.is_empty())
        .collect()
}

/// One rule; for a port's name in egress, one for each number that the name stands for among the
/// peers.
fn with_port(
    direction: Direction,
    member: &Member,
    peers: &Peers,
    port: &NetworkPolicyPort,
    world: &[Member],
) -> Vec<String> {
    let name = port.protocol.as_deref().unwrap_or("TCP");
    let protocol = name.to_lowercase();
    match (&port.port, port.end_port) {
        (None, _) => vec![matching(direction, peers, &format!("meta l4proto {protocol} "))],
        (Some(IntOrString::Int(first)), Some(last)) => {
            vec![matching(direction, peers, &format!("{protocol} dport {first}-{last} "))]
        }
        (Some(IntOrString::Int(number)), None) => {
            vec![matching(direction, peers, &format!("{protocol} dport {number} "))]
        }
        (Some(IntOrString::String(wanted)), _) if direction == Direction::Ingress => member
            .port(wanted, name)
            .map(|number| matching(direction, peers, &format!("{protocol} dport {number} ")))
            .into_iter()
            .collect(),
        (Some(IntOrString::String(wanted)), _) => {
            let servers = world.iter().filter(|server| among(server.address, peers));
            servers
                .filter_map(|server| {
                    let number = server.port(wanted, name)?;
                    let only = Peers::Pods(BTreeSet::from([server.address]));
                    Some(matching(direction, &only, &format!("{protocol} dport {number} ")))
                })
                .collect()
        }
    }
}

fn among(address: Ipv4Addr, peers: &Peers) -> bool {
    match peers {
        Peers::Anyone => true,
        Peers::Pods(pods) => pods.contains(&address),
        Peers::Block(block, except) => {
            block.contains(&address) && !except.iter().any(|part| part.contains(&address))
        }
    }
}

/// Empty if the peers are nobody.
fn matching(direction: Direction, peers: &Peers, port: &str) -> String {
    let side = direction.other();
    let whom = match peers {
        Peers::Anyone => String::new(),
        Peers::Pods(pods) if pods.is_empty() => return String::new(),
        Peers::Pods(pods) => {
            let pods: Vec<String> = pods.iter().map(ToString::to_string).collect();
            format!("ip {side} {{ {} }} ", pods.join(", "))
        }
        Peers::Block(block, except) => {
            let without: String = except.iter().map(|part| format!("ip {side} != {part} ")).collect();
            format!("ip {side} {block} {without}")
        }
    };
    format!("{whom}{port}return")
}

#[cfg(test)]
#[path = "ruleset_tests.rs"]
mod tests;
