// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::PUBLIC_PORT_NAME;
use crate::desired::labels;
use crate::tenant::Module;

/// Port of the Service, on which the gateway and siblings reach a module.
pub const PORT: i32 = 80;

/// Builds the Service, the module's address in the cluster. It does not expose the admin port.
pub fn build(module: &Module) -> Service {
    Service {
        metadata: super::meta(module),
        spec: Some(ServiceSpec {
            type_: Some("ClusterIP".to_owned()),
            internal_traffic_policy: Some("Cluster".to_owned()),
            ip_family_policy: Some("SingleStack".to_owned()),
            session_affinity: Some("None".to_owned()),
            selector: labels::module_selector(module.name.as_str()).match_labels,
            ports: Some(vec![ServicePort {
                name: Some(PUBLIC_PORT_NAME.to_owned()),
                port: PORT,
                protocol: Some("TCP".to_owned()),
                target_port: Some(IntOrString::String(PUBLIC_PORT_NAME.to_owned())),
                ..Default::default()
            }]),
            ..Default::default()
        }),
        status: None,
    }
}
