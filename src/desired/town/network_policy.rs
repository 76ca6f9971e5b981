// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::desired::labels;
use crate::settings::Dns;
use crate::tenant::Town;

const DNS_PORT: i32 = 53;

/// Denies all traffic from and to the town's pods that no other policy allows.
pub fn default_deny(town: &Town) -> NetworkPolicy {
    NetworkPolicy {
        metadata: labels::town_meta(town, "rathaus-default-deny"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            // No rule allows anything. The API server omits empty lists.
            ingress: None,
            egress: None,
        }),
    }
}

/// Allows DNS queries from all pods of the town to the cluster's DNS service.
pub fn dns(town: &Town, dns: &Dns) -> NetworkPolicy {
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(DNS_PORT)),
        protocol: Some(protocol.to_owned()),
        ..Default::default()
    };
    let servers = NetworkPolicyPeer {
        namespace_selector: Some(labels::namespace_selector(&dns.namespace)),
        pod_selector: Some(LabelSelector {
            match_labels: Some(dns.pod_labels.clone()),
            ..Default::default()
        }),
        ..Default::default()
    };
    NetworkPolicy {
        metadata: labels::town_meta(town, "rathaus-dns"),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Egress".to_owned()]),
            egress: Some(vec![NetworkPolicyEgressRule {
                ports: Some(vec![port("UDP"), port("TCP")]),
                to: Some(vec![servers]),
            }]),
            ..Default::default()
        }),
    }
}
