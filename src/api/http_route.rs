// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of Gateway API's `HTTPRoute` (gateway.networking.k8s.io/v1) that the operator reads and writes.
//! No crate offers these types for this version of kube yet.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Spec of an HTTPRoute: the Services to which a Gateway sends requests for certain host names.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    plural = "httproutes",
    namespaced,
    schema = "disabled",
    derive = "PartialEq",
    derive = "Default",
    status = "HTTPRouteStatus"
)]
#[serde(rename_all = "camelCase")]
pub struct HTTPRouteSpec {
    /// Gateways to which the route attaches.
    pub parent_refs: Vec<ParentRef>,
    /// Host names that the route is for.
    pub hostnames: Vec<String>,
    /// Rules that decide where requests go.
    pub rules: Vec<RouteRule>,
}

/// A reference to a Gateway.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ParentRef {
    /// Name of the Gateway.
    pub name: String,
    /// Namespace of the Gateway; `None` means the namespace of the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

impl ParentRef {
    /// Returns namespace and name of the Gateway, given the namespace of the route.
    pub fn gateway<'a>(&'a self, route_namespace: Option<&'a str>) -> (Option<&'a str>, &'a str) {
        (self.namespace.as_deref().or(route_namespace), &self.name)
    }
}

/// A rule without matches, which applies to every path.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// Services that receive the requests.
    pub backend_refs: Vec<BackendRef>,
}

/// A reference to a Service in the namespace of the route.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct BackendRef {
    /// Name of the Service.
    pub name: String,
    /// Port of the Service.
    pub port: i32,
}

/// Status of an HTTPRoute, written by the controllers of the Gateways.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct HTTPRouteStatus {
    /// One entry for each Gateway.
    #[serde(default)]
    pub parents: Vec<ParentStatus>,
}

/// The state of the route at one Gateway.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// The Gateway that this entry is about.
    pub parent_ref: ParentRef,
    /// The conditions `Accepted` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
