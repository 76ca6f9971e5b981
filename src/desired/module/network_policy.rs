// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rathaus_contract::PUBLIC_PORT;

use crate::desired::labels;
use crate::settings::{Block, Database, Outbound, Settings};
use crate::tenant::{Module, ModuleName};

/// Exactly the traffic that the module needs: in from the gateway and its callers, out to its
/// database, the siblings that it uses, and its payment provider or the issuer if it has one. The name
/// service is open to the whole town.
pub fn build(module: &Module, settings: &Settings) -> NetworkPolicy {
    let gateway = NetworkPolicyPeer {
        namespace_selector: Some(labels::namespace_selector(&settings.gateway.namespace)),
        ..Default::default()
    };
    let ingress = NetworkPolicyIngressRule {
        from: Some(std::iter::once(gateway).chain(module.callers.iter().map(sibling)).collect()),
        ports: Some(vec![tcp(PUBLIC_PORT)]),
    };
    let siblings = (!module.uses.is_empty()).then(|| NetworkPolicyEgressRule {
        to: Some(module.uses.keys().map(sibling).collect()),
        ports: Some(vec![tcp(PUBLIC_PORT)]),
    });
    let outbound = module.configuration.calls_out().then(|| outbound(&settings.outbound));
    NetworkPolicy {
        metadata: super::meta(module),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::selector(module.name.as_str())),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![ingress]),
            egress: Some(
                std::iter::once(database(&settings.database)).chain(siblings).chain(outbound).collect(),
            ),
        }),
    }
}

fn database(server: &Database) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(server.egress.iter().map(|egress| block(&egress.cidr, &[])).collect()),
        ports: Some(vec![tcp(server.port)]),
    }
}

fn outbound(outside: &Outbound) -> NetworkPolicyEgressRule {
    let peer = |Block { cidr, except }: &Block| block(cidr, except);
    NetworkPolicyEgressRule {
        to: Some(outside.egress.iter().map(peer).collect()),
        ports: Some(outside.ports.iter().map(|port| tcp(*port)).collect()),
    }
}

fn block(cidr: &str, except: &[String]) -> NetworkPolicyPeer {
    let except = (!except.is_empty()).then(|| except.to_vec());
    NetworkPolicyPeer { ip_block: Some(IPBlock { cidr: cidr.to_owned(), except }), ..Default::default() }
}

fn sibling(name: &ModuleName) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(labels::selector(name.as_str())), ..Default::default() }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}
