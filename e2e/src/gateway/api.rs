// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of the Gateway API (`gateway.networking.k8s.io/v1`) that the local controller serves.
//! Unknown fields are left out in reading; what would change the meaning of a route is refused in
//! [`super::attach`].

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector};
use kube::CustomResource;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Listeners that routes attach to.
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
    /// Which controller serves it.
    pub gateway_class_name: String,
    /// What it listens to.
    pub listeners: Vec<Listener>,
}

/// One of a Gateway's listeners.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Unique in its Gateway.
    pub name: String,
    /// A name, or `*.` and a suffix; absent means any.
    pub hostname: Option<String>,
    /// The port it listens to.
    pub port: i32,
    /// `HTTPS` is served here.
    pub protocol: String,
    /// Which namespaces' routes it takes.
    pub allowed_routes: Option<AllowedRoutes>,
}

/// Which routes a listener takes.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AllowedRoutes {
    /// Absent means those of the Gateway's own namespace.
    pub namespaces: Option<RouteNamespaces>,
}

/// From which namespaces.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RouteNamespaces {
    /// `Same`, `All` or `Selector`.
    pub from: Option<String>,
    /// For `Selector`.
    pub selector: Option<LabelSelector>,
}

/// What the controller says of a Gateway.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayStatus {
    /// Where it answers.
    #[serde(default)]
    pub addresses: Vec<Value>,
    /// `Accepted` and `Programmed`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
    /// One for each listener.
    #[serde(default)]
    pub listeners: Vec<ListenerStatus>,
}

/// What the controller says of a listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerStatus {
    /// The listener's.
    pub name: String,
    /// Routes that it serves.
    pub attached_routes: i32,
    /// Kinds of routes that it takes.
    #[serde(default)]
    pub supported_kinds: Vec<Value>,
    /// `Accepted`, `Programmed` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Requests for some hosts, and the Services that answer them.
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
    /// What it attaches to.
    #[serde(default)]
    pub parent_refs: Vec<ParentRef>,
    /// Empty means every host of the listener.
    #[serde(default)]
    pub hostnames: Vec<String>,
    /// In order of their rank.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// Names a Gateway, or one of its listeners.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ParentRef {
    /// Absent means `gateway.networking.k8s.io`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Absent means `Gateway`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Absent means the route's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The Gateway's.
    pub name: String,
    /// A listener's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub section_name: Option<String>,
    /// A listener's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,
}

/// Which requests go where.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Any of these; empty means every request.
    #[serde(default)]
    pub matches: Vec<Match>,
    /// Not served here.
    #[serde(default)]
    pub filters: Vec<Value>,
    /// Who answers.
    #[serde(default)]
    pub backend_refs: Vec<BackendRef>,
}

/// What a request must be like.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Match {
    /// By its path.
    pub path: Option<PathMatch>,
    /// Not served here.
    #[serde(default)]
    pub headers: Vec<Value>,
    /// Not served here.
    #[serde(default)]
    pub query_params: Vec<Value>,
    /// Not served here.
    pub method: Option<String>,
}

/// How a path must be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PathMatch {
    /// `PathPrefix` (also if absent) or `Exact` are served.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// Absent means `/`.
    pub value: Option<String>,
}

/// Names a Service.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackendRef {
    /// Absent means the core group.
    pub group: Option<String>,
    /// Absent means `Service`.
    pub kind: Option<String>,
    /// Absent means the route's own.
    pub namespace: Option<String>,
    /// The Service's.
    pub name: String,
    /// Of the Service.
    pub port: Option<i32>,
}

/// What controllers say of a route.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpRouteStatus {
    /// One for each Gateway it names.
    #[serde(default)]
    pub parents: Vec<RouteParentStatus>,
}

/// What a controller says of a route at one Gateway.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteParentStatus {
    /// As the route names it.
    pub parent_ref: ParentRef,
    /// Who says it.
    pub controller_name: String,
    /// `Accepted` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

/// Which controller serves the Gateways of a class.
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
    /// Its name.
    pub controller_name: String,
}

/// What the controller says of a class.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GatewayClassStatus {
    /// `Accepted`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
