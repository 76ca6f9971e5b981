// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use crate::api::{BackendRef, HTTPRoute, HTTPRouteSpec, ParentRef, RouteMatch, RouteRule};
use crate::settings::Gateway;
use crate::tenant::Module;

use super::service;

/// Builds the route from the gateway to the module. Each module has a separate host name, since modules can
/// come from different vendors and must not read each other's cookies (same-origin policy).
pub fn build(module: &Module, gateway: &Gateway) -> HTTPRoute {
    HTTPRoute {
        metadata: super::meta(module),
        spec: HTTPRouteSpec {
            parent_refs: vec![ParentRef {
                name: gateway.name.clone(),
                namespace: Some(gateway.namespace.clone()),
                ..ParentRef::default()
            }],
            hostnames: vec![module.town.hostname.module_host(&module.name)],
            rules: vec![RouteRule {
                matches: vec![RouteMatch::default()],
                backend_refs: vec![BackendRef::to_service(module.name.to_string(), service::PORT)],
            }],
        },
        status: None,
    }
}
