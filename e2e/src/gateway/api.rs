// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of the Gateway API (`gateway.networking.k8s.io/v1`) that the local controller serves.
//! Unknown fields are ignored. [`super::attach`] rejects routes with fields that would change their meaning.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Spec of a Gateway: listeners that routes attach to.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "Gateway",
    namespaced,
    schema = "disabled",
    status = "GatewayStatus"
)]
#[serde(rename_all = "camelCase")]
pub struct GatewaySpec {
    /// The class, which determines the controller that serves the Gateway.
    pub gateway_class_name: String,
    /// The listeners of the Gateway.
    pub listeners: Vec<Listener>,
}

/// A listener of a Gateway.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// The name, unique in its Gateway.
    pub name: String,
    /// A host name, or `*.` and a suffix; absent means any host.
    pub hostname: Option<String>,
    /// The TCP port.
    pub port: i32,
    /// The protocol; this controller serves only `HTTPS`.
    pub protocol: String,
    /// Which routes may attach.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// Which routes may attach to a listener.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AllowedRoutes {
    /// Restriction by namespace; absent means only the namespace of the Gateway.
    pub namespaces: Option<RouteNamespaces>,
}

/// The namespaces whose routes may attach.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RouteNamespaces {
    /// `Same`, `All` or `Selector`.
    pub from: Option<String>,
    /// The label selector of the namespaces if `from` is `Selector`.
    pub selector: Option<LabelSelector>,
}

/// Status of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// The addresses at which the Gateway is reached.
    #[serde(default)]
    pub addresses: Vec<Value>,
    /// The conditions `Accepted` and `Programmed`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// The status of each listener.
    #[serde(default)]
    pub listeners: Vec<ListenerStatus>,
}

/// Status of a listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The name of the listener.
    pub name: String,
    /// The number of routes that it serves.
    pub attached_routes: i32,
    /// The kinds of routes that may attach.
    #[serde(default)]
    pub supported_kinds: Vec<Value>,
    /// The conditions `Accepted`, `Programmed` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Spec of an HTTPRoute: the Services that answer the requests for some hosts.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "HTTPRoute",
    namespaced,
    schema = "disabled",
    status = "HttpRouteStatus"
)]
#[serde(rename_all = "camelCase")]
pub struct HttpRouteSpec {
    /// The Gateways or listeners to attach to.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// The hosts; empty means every host of the listener.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// The rules, in order of precedence.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Reference to a Gateway, or to one of its listeners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// API group; absent means `gateway.networking.k8s.io`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Kind; absent means `Gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace; absent means that of the route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name of the Gateway.
    pub name: String,
    /// The name of a listener; absent means every listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// The port of a listener; absent means every port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// Sends the requests that match to backends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// A request must match one of these; empty means every request.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// Filters of requests and responses. Routes with filters are rejected.
    #[serde(default)]
    pub filters: Vec<Value>,
    /// The Services that answer.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// Conditions on a request; all of them must hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// Condition on the path.
    pub path: Option<PathMatch>,
    /// Conditions on headers. Routes with these are rejected.
    #[serde(default)]
    pub headers: Vec<Value>,
    /// Conditions on query parameters. Routes with these are rejected.
    #[serde(default)]
    pub query_params: Vec<Value>,
    /// Condition on the method. Routes with it are rejected.
    pub method: Option<String>,
}

/// Condition on the path of a request.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PathMatch {
    /// `PathPrefix` (also if absent) or `Exact`. Routes with other types are rejected.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The path; absent means `/`.
    pub value: Option<String>,
}

/// Reference to a Service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackendRef {
    /// API group; absent means the core group.
    pub group: Option<String>,
    /// Kind; absent means `Service`.
    pub kind: Option<String>,
    /// Namespace; absent means that of the route.
    pub namespace: Option<String>,
    /// The name of the Service.
    pub name: String,
    /// The port of the Service.
    pub port: Option<i32>,
}

/// Status of an HTTPRoute, shared by all controllers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRouteStatus {
    /// The status of the route at each parent.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// Status of an HTTPRoute at one parent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// The parent, as in the spec of the route.
    pub parent_ref: ParentRef,
    /// The controller that has written this entry.
    pub controller_name: String,
    /// The conditions `Accepted` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Spec of a GatewayClass: the controller that serves the Gateways of the class.
#[derive(CustomResource, Debug, Clone, Serialize, Deserialize)]
#[kube(
    group = "gateway.networking.k8s.io",
    version = "v1",
    kind = "GatewayClass",
    schema = "disabled",
    status = "GatewayClassStatus"
)]
#[serde(rename_all = "camelCase")]
pub struct GatewayClassSpec {
    /// The name of the controller, a domain-prefixed path.
    pub controller_name: String,
}

/// Status of a GatewayClass.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayClassStatus {
    /// The condition `Accepted`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
