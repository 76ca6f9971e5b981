// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::{Namespace, Pod};
use serde_json::{Value, json};

use super::*;
use crate::netpol::peer::bridge_pods;

const NETWORK: Network<'_> = Network { bridge: "b0", pod_range: "10.88.0.0/16", host: "10.88.0.1" };

/// A pod whose address is also its UID.
fn pod(name: &str, namespace: &str, address: &str) -> Arc<Pod> {
    let pod = json!({
        "metadata": {"name": name, "namespace": namespace, "uid": address, "labels": {"app": name}},
        "spec": {"containers": [{"name": "c", "ports": [
            {"name": "http", "containerPort": 8080},
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        ]}]},
    });
    Arc::new(serde_json::from_value(pod).unwrap())
}

fn on_bridge(pods: &[Arc<Pod>]) -> Vec<BridgePod> {
    let namespace = |name: &str| -> Arc<Namespace> {
        let json = json!({"metadata": {"name": name, "labels": {"town": name}}});
        Arc::new(serde_json::from_value(json).unwrap())
    };
    let uids = pods.iter().map(|pod| pod.metadata.uid.clone().unwrap());
    let addresses = uids.map(|uid| (uid.clone(), uid.parse().unwrap())).collect();
    bridge_pods(pods, &[namespace("ahaus"), namespace("borken")], &addresses)
}

fn policy(namespace: &str, spec: Value) -> Arc<NetworkPolicy> {
    let json = json!({"metadata": {"name": "p", "namespace": namespace}, "spec": spec});
    Arc::new(serde_json::from_value(json).unwrap())
}

/// The rules of one chain, without the first and the last one, which every chain has.
fn chain(rules: &str, name: &str) -> Option<Vec<String>> {
    let (_, rest) = rules.split_once(&format!("chain {name} {{\n"))?;
    let (body, _) = rest.split_once("  }\n")?;
    let lines: Vec<String> = body.lines().map(|line| line.trim().to_owned()).collect();
    assert_eq!(lines.last().unwrap(), "counter drop", "the chain of a policy must drop the rest");
    Some(lines[1..lines.len() - 1].to_vec())
}

fn rendered(spec: Value) -> String {
    let pods = on_bridge(&[
        pod("web", "ahaus", "10.88.0.2"),
        pod("db", "ahaus", "10.88.0.3"),
        pod("web", "borken", "10.88.0.4"),
    ]);
    render(&NETWORK, &pods, &[policy("ahaus", spec)])
}

#[test]
fn without_policies_known_pods_are_open_and_unknown_ones_closed() {
    let rules = render(&NETWORK, &on_bridge(&[pod("web", "ahaus", "10.88.0.2")]), &[]);
    assert_eq!(chain(&rules, "ingress").unwrap(), ["ip daddr vmap { 10.88.0.2 : return }"]);
    assert_eq!(chain(&rules, "egress").unwrap(), ["ip saddr vmap { 10.88.0.2 : return }"]);
}

#[test]
fn an_empty_cluster_gives_a_loadable_rule_set() {
    assert!(!render(&NETWORK, &[], &[]).contains("vmap"));
}

#[test]
fn default_deny_closes_its_namespace_in_both_directions_and_no_other() {
    let rules = rendered(json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}));
    for closed in ["to_10_88_0_2", "from_10_88_0_2", "to_10_88_0_3", "from_10_88_0_3"] {
        assert_eq!(chain(&rules, closed), Some(vec![]), "{closed}");
    }
    assert_eq!(chain(&rules, "to_10_88_0_4"), None);
    assert!(rules.contains("10.88.0.4 : return"));
}

#[test]
fn types_default_to_ingress_and_to_egress_where_it_has_rules() {
    assert_eq!(chain(&rendered(json!({"podSelector": {}})), "from_10_88_0_2"), None);
    let both = rendered(json!({"podSelector": {}, "egress": [{}]}));
    assert_eq!(chain(&both, "from_10_88_0_2").unwrap(), ["return"]);
    assert_eq!(chain(&both, "to_10_88_0_2"), Some(vec![]));
}

#[test]
fn a_pod_selector_means_pods_of_the_same_namespace() {
    let rules = rendered(json!({
        "podSelector": {"matchLabels": {"app": "db"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}],
    }));
    assert_eq!(chain(&rules, "to_10_88_0_3").unwrap(), ["ip saddr { 10.88.0.2 } tcp dport 5432 return"]);
    assert_eq!(chain(&rules, "to_10_88_0_2"), None);
}

#[test]
fn namespace_and_pod_selector_together_narrow() {
    let from = |peer: Value| {
        let spec = json!({"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [{"from": [peer]}]});
        chain(&rendered(spec), "to_10_88_0_3").unwrap()
    };
    let borken = json!({"matchExpressions": [{"key": "town", "operator": "In", "values": ["borken"]}]});
    let both = json!({"namespaceSelector": borken, "podSelector": {"matchLabels": {"app": "web"}}});
    assert_eq!(from(both), ["ip saddr { 10.88.0.4 } return"]);
    assert_eq!(
        from(json!({"namespaceSelector": {}})),
        ["ip saddr { 10.88.0.2, 10.88.0.3, 10.88.0.4 } return"]
    );
    let no_peers = json!({"namespaceSelector": borken, "podSelector": {"matchLabels": {"app": "db"}}});
    assert!(from(no_peers).is_empty(), "no peers must not become every peer");
}

#[test]
fn blocks_keep_their_exceptions() {
    let rules = rendered(json!({
        "podSelector": {}, "policyTypes": ["Egress"],
        "egress": [{"to": [
            {"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.88.0.0/16", "10.1.0.0/16"]}},
            {"ipBlock": {"cidr": "10.88.0.1/32"}},
            {"ipBlock": {"cidr": "fd00::/8"}},
        ], "ports": [{"port": 5432}]}],
    }));
    assert_eq!(
        chain(&rules, "from_10_88_0_2").unwrap(),
        [
            "ip daddr 10.0.0.0/8 ip daddr != 10.88.0.0/16 ip daddr != 10.1.0.0/16 tcp dport 5432 return",
            "ip daddr 10.88.0.1/32 tcp dport 5432 return",
        ]
    );
}

#[test]
fn ports_may_be_numbers_ranges_names_or_a_protocol_alone() {
    let ports = json!([
        {"port": 80}, {"port": 9000, "endPort": 9010, "protocol": "UDP"}, {"port": "http"},
        {"port": "dns", "protocol": "UDP"}, {"port": "dns"}, {"protocol": "SCTP"},
    ]);
    let ingress = rendered(json!({"podSelector": {}, "ingress": [{"ports": ports}]}));
    assert_eq!(
        chain(&ingress, "to_10_88_0_2").unwrap(),
        [
            "tcp dport 80 return",
            "udp dport 9000-9010 return",
            "tcp dport 8080 return",
            "udp dport 53 return",
            "meta l4proto sctp return",
        ]
    );
}

#[test]
fn a_port_name_in_egress_is_the_destinations_own() {
    let rules = rendered(json!({
        "podSelector": {}, "policyTypes": ["Egress"],
        "egress": [{"to": [{"podSelector": {"matchLabels": {"app": "db"}}}], "ports": [{"port": "http"}]}],
    }));
    assert_eq!(chain(&rules, "from_10_88_0_2").unwrap(), ["ip daddr { 10.88.0.3 } tcp dport 8080 return"]);
}

#[test]
fn a_pod_without_an_address_is_not_on_the_bridge() {
    assert!(bridge_pods(&[pod("h", "ahaus", "10.88.0.9")], &[], &BTreeMap::new()).is_empty());
}

#[test]
fn the_order_of_input_does_not_matter() {
    let pods = [pod("a", "ahaus", "10.88.0.2"), pod("b", "ahaus", "10.88.0.3")];
    let mut reversed = pods.clone();
    reversed.reverse();
    assert_eq!(render(&NETWORK, &on_bridge(&pods), &[]), render(&NETWORK, &on_bridge(&reversed), &[]));
}
