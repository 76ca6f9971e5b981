// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The part of Gateway API's `HTTPRoute` (gateway.networking.k8s.io/v1) that the operator writes and
//! reads; no crate has the types for this version of the client yet.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use serde::{Deserialize, Serialize};

/// Which hosts the gateway sends where.
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
    /// Gateways that the route attaches to.
    pub parent_refs: Vec<ParentRef>,
    /// Host names that it serves.
    pub hostnames: Vec<String>,
    /// Where requests go.
    pub rules: Vec<RouteRule>,
}

/// A Gateway to attach to.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct ParentRef {
    /// Its name.
    pub name: String,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// A rule without matches: every path.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RouteRule {
    /// Services that get the requests.
    pub backend_refs: Vec<BackendRef>,
}

/// A Service of the route's own namespace.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct BackendRef {
    /// Its name.
    pub name: String,
    /// Its port.
    pub port: i32,
}

/// What the gateways' controllers said of the route.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct HTTPRouteStatus {
    /// One for each Gateway.
    #[serde(default)]
    pub parents: Vec<ParentStatus>,
}

/// What one Gateway's controller said.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ParentStatus {
    /// Which Gateway.
    pub parent_ref: ParentRef,
    /// `Accepted` and `ResolvedRefs`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}
