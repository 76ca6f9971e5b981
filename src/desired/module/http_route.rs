// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use crate::api::{BackendRef, HTTPRoute, HTTPRouteSpec, ParentRef, RouteRule};
use crate::settings::Gateway;
use crate::tenant::Module;

use super::service;

/// The way for citizens: a host of its own for each module, since modules may come from different
/// vendors and one origin must not read another's cookies.
pub fn build(module: &Module, gateway: &Gateway) -> HTTPRoute {
    HTTPRoute {
        metadata: super::meta(module),
        spec: HTTPRouteSpec {
            parent_refs: vec![ParentRef {
                name: gateway.name.clone(),
                namespace: Some(gateway.namespace.clone()),
            }],
            hostnames: vec![module.town.hostname.of_module(&module.name)],
            rules: vec![RouteRule {
                backend_refs: vec![BackendRef { name: module.name.to_string(), port: service::PORT }],
            }],
        },
        status: None,
    }
}
