// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
    NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use rathaus_contract::PUBLIC_PORT;

use crate::desired::labels;
use crate::settings::{CidrBlock, Database, Outbound, Settings};
use crate::tenant::{Module, ModuleName};

/// Allows exactly the traffic that the module needs: ingress from the gateway and its callers; egress
/// to its database, to the siblings that it uses, and, if it needs them, to its payment provider and
/// the issuer. DNS is allowed by a policy of the town.
pub fn build(module: &Module, settings: &Settings) -> NetworkPolicy {
    let gateway = NetworkPolicyPeer {
        namespace_selector: Some(labels::namespace_selector(&settings.gateway.namespace)),
        ..Default::default()
    };
    let ingress = NetworkPolicyIngressRule {
        from: Some(std::iter::once(gateway).chain(module.callers.iter().map(sibling_peer)).collect()),
        ports: Some(vec![tcp(PUBLIC_PORT)]),
    };
    let siblings = (!module.uses.is_empty()).then(|| NetworkPolicyEgressRule {
        to: Some(module.uses.keys().map(sibling_peer).collect()),
        ports: Some(vec![tcp(PUBLIC_PORT)]),
    });
    let outbound = module.configuration.needs_outbound().then(|| outbound_egress(&settings.outbound));
    NetworkPolicy {
        metadata: super::meta(module),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(labels::module_selector(module.name.as_str())),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            ingress: Some(vec![ingress]),
            egress: Some(
                std::iter::once(database_egress(&settings.database))
                    .chain(siblings)
                    .chain(outbound)
                    .collect(),
            ),
        }),
    }
}

fn database_egress(server: &Database) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule {
        to: Some(server.egress.iter().map(|egress| ip_block_peer(&egress.cidr, &[])).collect()),
        ports: Some(vec![tcp(server.port)]),
    }
}

fn outbound_egress(outbound: &Outbound) -> NetworkPolicyEgressRule {
    let peer = |CidrBlock { cidr, except }: &CidrBlock| ip_block_peer(cidr, except);
    NetworkPolicyEgressRule {
        to: Some(outbound.egress.iter().map(peer).collect()),
        ports: Some(outbound.ports.iter().map(|port| tcp(*port)).collect()),
    }
}

fn ip_block_peer(cidr: &str, except: &[String]) -> NetworkPolicyPeer {
    let except = (!except.is_empty()).then(|| except.to_vec());
    NetworkPolicyPeer { ip_block: Some(IPBlock { cidr: cidr.to_owned(), except }), ..Default::default() }
}

fn sibling_peer(name: &ModuleName) -> NetworkPolicyPeer {
    NetworkPolicyPeer { pod_selector: Some(labels::module_selector(name.as_str())), ..Default::default() }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        ..Default::default()
    }
}
