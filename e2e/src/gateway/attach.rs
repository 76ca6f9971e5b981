// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Decides which routes attach to a Gateway, and why others do not. Has no side effects.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};

use super::api::{BackendRef, Gateway, HTTPRoute, Listener, Match, ParentRef, PathMatch, Rule};

/// The objects of the cluster, besides Gateways and routes, that decide about routes.
pub struct ClusterObjects {
    /// Listeners may select namespaces by label.
    pub namespaces: Vec<Arc<Namespace>>,
    /// Routes send requests to Services.
    pub services: Vec<Arc<Service>>,
}

/// The decision about one route at one Gateway.
#[derive(Debug, PartialEq)]
pub struct Attachment {
    /// The parent, as in the spec of the route.
    pub parent: ParentRef,
    /// The condition `Accepted`: the route as it is served, or why it is rejected.
    pub accepted: Result<ServedRoute, Rejection>,
    /// The condition `ResolvedRefs`.
    pub resolved: Result<(), Rejection>,
}

/// Reason and message of a condition with the status `False`.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection {
    /// A reason that the Gateway API defines.
    pub reason: &'static str,
    /// A sentence that says what is wrong or what to do.
    pub message: String,
}

/// A route as the gateway serves it.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedRoute {
    /// The names of the listeners that serve it.
    pub listeners: Vec<String>,
    /// Host names; `*.` and a suffix is a wildcard, `*` alone means every host.
    pub hosts: Vec<String>,
    /// The paths in order of precedence: the first match wins.
    pub paths: Vec<ServedPath>,
}

/// A path and the backends that answer its requests.
#[derive(Debug, Clone, PartialEq)]
pub struct ServedPath {
    /// The path without a slash at its end; `/` is empty.
    pub prefix: String,
    /// Whether only this path matches, and no path below it.
    pub exact: bool,
    /// `address:port` of each backend. If there is none, requests are answered with status 500.
    pub upstreams: Vec<String>,
}

/// Returns a decision for each parent reference of `route` that refers to `gateway`.
pub fn attach(gateway: &Gateway, route: &HTTPRoute, objects: &ClusterObjects) -> Vec<Attachment> {
    let parents = route.spec.parent_refs.iter().filter(|parent| is_parent(parent, gateway, route));
    parents
        .map(|parent| {
            let (paths, resolved) = served_paths(route, objects);
            let accepted =
                attached_listeners(gateway, route, parent, objects).and_then(|(listeners, hosts)| {
                    check_features(&route.spec.rules)?;
                    Ok(ServedRoute { listeners, hosts, paths })
                });
            Attachment { parent: parent.clone(), accepted, resolved }
        })
        .collect()
}

fn is_parent(parent: &ParentRef, gateway: &Gateway, route: &HTTPRoute) -> bool {
    let namespace = parent.namespace.clone().or_else(|| route.namespace());
    parent.group.as_deref().unwrap_or("gateway.networking.k8s.io") == "gateway.networking.k8s.io"
        && parent.kind.as_deref().unwrap_or("Gateway") == "Gateway"
        && parent.name == gateway.name_any()
        && namespace == gateway.namespace()
}

fn reject<T>(reason: &'static str, message: String) -> Result<T, Rejection> {
    Err(Rejection { reason, message })
}

/// The names of the listeners that a route attaches to, and the hosts that they serve for it.
fn attached_listeners(
    gateway: &Gateway,
    route: &HTTPRoute,
    parent: &ParentRef,
    objects: &ClusterObjects,
) -> Result<(Vec<String>, Vec<String>), Rejection> {
    let referenced: Vec<&Listener> = gateway
        .spec
        .listeners
        .iter()
        .filter(|listener| parent.section_name.as_ref().is_none_or(|name| *name == listener.name))
        .filter(|listener| parent.port.is_none_or(|port| port == listener.port))
        .collect();
    if referenced.is_empty() {
        return reject("NoMatchingParent", "the Gateway has no such listener".to_owned());
    }
    let allowing: Vec<&Listener> =
        referenced.into_iter().filter(|listener| allows(listener, gateway, route, objects)).collect();
    if allowing.is_empty() {
        let namespace = route.namespace().unwrap_or_default();
        let message = format!(
            "no listener accepts routes from namespace {namespace}: see allowedRoutes of the Gateway"
        );
        return reject("NotAllowedByListeners", message);
    }
    let mut hosts = Vec::new();
    let mut serving = Vec::new();
    for listener in allowing {
        let common = common_hosts(listener.hostname.as_deref(), &route.spec.hostnames);
        if !common.is_empty() {
            serving.push(listener.name.clone());
            hosts.extend(common);
        }
    }
    if hosts.is_empty() {
        let message = format!("no listener serves {}", route.spec.hostnames.join(", "));
        return reject("NoMatchingListenerHostname", message);
    }
    hosts.sort();
    hosts.dedup();
    Ok((serving, hosts))
}

fn allows(listener: &Listener, gateway: &Gateway, route: &HTTPRoute, objects: &ClusterObjects) -> bool {
    let allowed = listener.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    match allowed.and_then(|namespaces| namespaces.from.as_deref()).unwrap_or("Same") {
        "All" => true,
        "Selector" => {
            let selector = allowed.and_then(|namespaces| namespaces.selector.clone());
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            let name = route.namespace();
            let namespace = objects.namespaces.iter().find(|namespace| Some(namespace.name_any()) == name);
            selector.zip(namespace).is_some_and(|(selector, namespace)| selector.matches(namespace.labels()))
        }
        _ => route.namespace() == gateway.namespace(),
    }
}

/// The hosts that a listener and a route have in common: of two that overlap, the narrower one.
fn common_hosts(listener: Option<&str>, route: &[String]) -> Vec<String> {
    match (listener, route) {
        (None, []) => vec!["*".to_owned()],
        (Some(listener), []) => vec![listener.to_owned()],
        (None, hosts) => hosts.to_vec(),
        (Some(listener), hosts) => hosts
            .iter()
            .filter_map(|host| {
                if covers(listener, host) {
                    Some(host.clone())
                } else {
                    covers(host, listener).then(|| listener.to_owned())
                }
            })
            .collect(),
    }
}

/// Whether a pattern covers a host. A wildcard stands for one or more labels; it does not cover the suffix
/// itself.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|labels| !labels.is_empty()),
        None => pattern == host,
    }
}

fn check_features(rules: &[Rule]) -> Result<(), Rejection> {
    let unsupported =
        |what: &str| reject("UnsupportedValue", format!("the local gateway does not support {what}"));
    for rule in rules {
        if !rule.filters.is_empty() {
            return unsupported("filters");
        }
        for Match { path, headers, query_params, method } in &rule.matches {
            if !headers.is_empty() || !query_params.is_empty() || method.is_some() {
                return unsupported("matches by anything but the path");
            }
            let kind = path.as_ref().and_then(|path| path.type_.as_deref());
            if !matches!(kind, None | Some("PathPrefix" | "Exact")) {
                return unsupported("path matches other than PathPrefix and Exact");
            }
        }
    }
    Ok(())
}

/// Every path of the route, the most specific first as the Gateway API demands, and the condition
/// `ResolvedRefs`.
fn served_paths(route: &HTTPRoute, objects: &ClusterObjects) -> (Vec<ServedPath>, Result<(), Rejection>) {
    let mut resolved = Ok(());
    let mut paths = Vec::new();
    let services: BTreeMap<_, _> = objects
        .services
        .iter()
        .map(|service| ((service.namespace(), service.name_any()), service.as_ref()))
        .collect();
    for rule in &route.spec.rules {
        let mut upstreams = Vec::new();
        for backend in &rule.backend_refs {
            match resolve_backend(backend, route, &services) {
                Ok(upstream) => upstreams.push(upstream),
                Err(rejection) => resolved = Err(rejection),
            }
        }
        let path = |matched: Option<&PathMatch>| ServedPath {
            prefix: matched
                .and_then(|path| path.value.as_deref())
                .unwrap_or("/")
                .trim_end_matches('/')
                .to_owned(),
            exact: matched.is_some_and(|path| path.type_.as_deref() == Some("Exact")),
            upstreams: upstreams.clone(),
        };
        if rule.matches.is_empty() {
            paths.push(path(None));
        }
        paths.extend(rule.matches.iter().map(|condition| path(condition.path.as_ref())));
    }
    paths.sort_by_key(|path| (std::cmp::Reverse(path.exact), std::cmp::Reverse(path.prefix.len())));
    (paths, resolved)
}

fn resolve_backend(
    backend: &BackendRef,
    route: &HTTPRoute,
    services: &BTreeMap<(Option<String>, String), &Service>,
) -> Result<String, Rejection> {
    let kind = backend.kind.as_deref().unwrap_or("Service");
    if kind != "Service" || !backend.group.as_deref().unwrap_or_default().is_empty() {
        return reject("InvalidKind", format!("a backend must be a Service, not a {kind}"));
    }
    if backend.namespace.is_some() && backend.namespace != route.namespace() {
        let message = "the local gateway supports no backend in another namespace".to_owned();
        return reject("RefNotPermitted", message);
    }
    let name = &backend.name;
    let Some(service) = services.get(&(route.namespace(), name.clone())) else {
        return reject("BackendNotFound", format!("there is no Service {name}"));
    };
    let spec = service.spec.as_ref();
    let address = spec.and_then(|spec| spec.cluster_ip.as_ref());
    let Some(address) = address.and_then(|address| address.parse::<IpAddr>().ok()) else {
        return reject("UnsupportedValue", format!("the Service {name} has no cluster IP"));
    };
    let ports = spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    match ports.map(|port| port.port).find(|&port| Some(port) == backend.port) {
        Some(port) => Ok(format!("{address}:{port}")),
        None => reject("BackendNotFound", format!("the Service {name} has no such port")),
    }
}

#[cfg(test)]
#[path = "attach_tests.rs"]
mod tests;
