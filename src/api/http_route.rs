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
///
/// Group and kind have defaults in the API, which are written out here: what the operator compares must have
/// every field that the API server adds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct ParentRef {
    /// API group of the Gateway.
    #[serde(default = "gateway_group")]
    pub group: String,
    /// Kind of the parent.
    #[serde(default = "gateway_kind")]
    pub kind: String,
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

impl Default for ParentRef {
    fn default() -> Self {
        Self { group: gateway_group(), kind: gateway_kind(), name: String::new(), namespace: None }
    }
}

fn gateway_group() -> String {
    "gateway.networking.k8s.io".to_owned()
}

fn gateway_kind() -> String {
    "Gateway".to_owned()
}

/// A rule: which requests it is for, and where they go.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// The requests that the rule is for: those that satisfy one of the matches.
    #[serde(default)]
    pub matches: Vec<RouteMatch>,
    /// Services that receive the requests.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// What a request must have. The default, which the API server writes as well, is any path.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct RouteMatch {
    /// Its path.
    #[serde(default)]
    pub path: PathMatch,
}

/// What the path of a request must be.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct PathMatch {
    /// How paths are compared.
    #[serde(rename = "type")]
    pub type_: String,
    /// The path, or a part of it.
    pub value: String,
}

impl Default for PathMatch {
    fn default() -> Self {
        Self { type_: "PathPrefix".to_owned(), value: "/".to_owned() }
    }
}

/// A reference to a Service in the namespace of the route.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct BackendRef {
    /// API group; the core group is empty.
    #[serde(default)]
    pub group: String,
    /// Kind of the backend.
    #[serde(default = "service_kind")]
    pub kind: String,
    /// Name of the Service.
    pub name: String,
    /// Port of the Service.
    pub port: i32,
    /// Share of the requests, in relation to the sum of all weights.
    #[serde(default = "equal_weight")]
    pub weight: i32,
}

impl BackendRef {
    /// A reference to a Service that receives all requests.
    pub fn to_service(name: String, port: i32) -> Self {
        Self { group: String::new(), kind: service_kind(), name, port, weight: equal_weight() }
    }
}

fn service_kind() -> String {
    "Service".to_owned()
}

fn equal_weight() -> i32 {
    1
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
