// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Which routes a Gateway takes, and why not the others. Pure.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use k8s_openapi::api::core::v1::{Namespace, Service};
use kube::{
    ResourceExt,
    core::{Selector, SelectorExt},
};

use super::api::{BackendRef, Gateway, HTTPRoute, Listener, Match, ParentRef, Rule};

/// What the cluster holds beside Gateways and routes.
pub struct World {
    /// For listeners that choose namespaces by label.
    pub namespaces: Vec<Arc<Namespace>>,
    /// That routes send requests to.
    pub services: Vec<Arc<Service>>,
}

/// The verdict on one route at one Gateway.
#[derive(Debug, PartialEq)]
pub struct Attachment {
    /// As the route names it.
    pub parent: ParentRef,
    /// `Err` holds the reason and the message of `Accepted=False`.
    pub accepted: Result<Served, Refusal>,
    /// The same for `ResolvedRefs`.
    pub resolved: Result<(), Refusal>,
}

/// A reason of the Gateway API and a sentence.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Constant of the Gateway API.
    pub reason: &'static str,
    /// What to do.
    pub message: String,
}

/// A route as it is served.
#[derive(Debug, Clone, PartialEq)]
pub struct Served {
    /// Listeners that serve it.
    pub listeners: Vec<String>,
    /// Names, or `*.` and a suffix.
    pub hosts: Vec<String>,
    /// First match wins.
    pub paths: Vec<Path>,
}

/// Requests of one path.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    /// Without a slash at its end, so `/` is empty.
    pub prefix: String,
    /// The path itself only.
    pub exact: bool,
    /// `address:port` of each backend; none answers with an error.
    pub upstreams: Vec<String>,
}

/// One verdict for each parent of `route` that is `gateway`.
pub fn attach(gateway: &Gateway, route: &HTTPRoute, world: &World) -> Vec<Attachment> {
    let parents = route.spec.parent_refs.iter().filter(|parent| names(parent, gateway, route));
    parents
        .map(|parent| {
            let (paths, resolved) = paths(route, world);
            let accepted = listeners(gateway, route, parent, world).and_then(|(listeners, hosts)| {
                served_features(&route.spec.rules)?;
                Ok(Served { listeners, hosts, paths })
            });
            Attachment { parent: parent.clone(), accepted, resolved }
        })
        .collect()
}

fn names(parent: &ParentRef, gateway: &Gateway, route: &HTTPRoute) -> bool {
    let namespace = parent.namespace.clone().or_else(|| route.namespace());
    parent.group.as_deref().unwrap_or("gateway.networking.k8s.io") == "gateway.networking.k8s.io"
        && parent.kind.as_deref().unwrap_or("Gateway") == "Gateway"
        && parent.name == gateway.name_any()
        && namespace == gateway.namespace()
}

fn refusal<T>(reason: &'static str, message: String) -> Result<T, Refusal> {
    Err(Refusal { reason, message })
}

/// The listeners that take a route, and for which hosts.
fn listeners(
    gateway: &Gateway,
    route: &HTTPRoute,
    parent: &ParentRef,
    world: &World,
) -> Result<(Vec<String>, Vec<String>), Refusal> {
    let meant: Vec<&Listener> = gateway
        .spec
        .listeners
        .iter()
        .filter(|listener| parent.section_name.as_ref().is_none_or(|name| *name == listener.name))
        .filter(|listener| parent.port.is_none_or(|port| port == listener.port))
        .collect();
    if meant.is_empty() {
        return refusal("NoMatchingParent", "name a listener that the Gateway has".to_owned());
    }
    let open: Vec<&Listener> =
        meant.into_iter().filter(|listener| takes(listener, gateway, route, world)).collect();
    if open.is_empty() {
        let namespace = route.namespace().unwrap_or_default();
        let message = format!("no listener takes routes from namespace {namespace}: see its allowedRoutes");
        return refusal("NotAllowedByListeners", message);
    }
    let mut hosts = Vec::new();
    let mut serving = Vec::new();
    for listener in open {
        let common = common_hosts(listener.hostname.as_deref(), &route.spec.hostnames);
        if !common.is_empty() {
            serving.push(listener.name.clone());
            hosts.extend(common);
        }
    }
    if hosts.is_empty() {
        let message = format!("no listener serves {}", route.spec.hostnames.join(", "));
        return refusal("NoMatchingListenerHostname", message);
    }
    hosts.sort();
    hosts.dedup();
    Ok((serving, hosts))
}

fn takes(listener: &Listener, gateway: &Gateway, route: &HTTPRoute, world: &World) -> bool {
    let allowed = listener.allowed_routes.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    match allowed.and_then(|namespaces| namespaces.from.as_deref()).unwrap_or("Same") {
        "All" => true,
        "Selector" => {
            let selector = allowed.and_then(|namespaces| namespaces.selector.clone());
            let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
            let own = route.namespace();
            let own = world.namespaces.iter().find(|namespace| Some(namespace.name_any()) == own);
            selector.zip(own).is_some_and(|(selector, own)| selector.matches(own.labels()))
        }
        _ => route.namespace() == gateway.namespace(),
    }
}

/// What a listener and a route both speak of: the narrower of the two.
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

/// A wildcard stands for one or more labels; it does not cover the suffix itself.
fn covers(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix('*') {
        Some(suffix) => host.strip_suffix(suffix).is_some_and(|labels| !labels.is_empty()),
        None => pattern == host,
    }
}

fn served_features(rules: &[Rule]) -> Result<(), Refusal> {
    let unserved =
        |what: &str| refusal("UnsupportedValue", format!("the local gateway does not serve {what}"));
    for rule in rules {
        if !rule.filters.is_empty() {
            return unserved("filters");
        }
        for Match { path, headers, query_params, method } in &rule.matches {
            if !headers.is_empty() || !query_params.is_empty() || method.is_some() {
                return unserved("matches by anything but the path");
            }
            let kind = path.as_ref().and_then(|path| path.type_.as_deref());
            if !matches!(kind, None | Some("PathPrefix" | "Exact")) {
                return unserved("path matches other than PathPrefix and Exact");
            }
        }
    }
    Ok(())
}

/// Every path of the route, the most specific first, as the Gateway API ranks them.
fn paths(route: &HTTPRoute, world: &World) -> (Vec<Path>, Result<(), Refusal>) {
    let mut resolved = Ok(());
    let mut paths = Vec::new();
    let services: BTreeMap<_, _> = world
        .services
        .iter()
        .map(|service| ((service.namespace(), service.name_any()), service.as_ref()))
        .collect();
    for rule in &route.spec.rules {
        let mut upstreams = Vec::new();
        for backend in &rule.backend_refs {
            match upstream(backend, route, &services) {
                Ok(upstream) => upstreams.push(upstream),
                Err(refusal) => resolved = Err(refusal),
            }
        }
        let path = |found: Option<&super::api::PathMatch>| Path {
            prefix: found
                .and_then(|path| path.value.as_deref())
                .unwrap_or("/")
                .trim_end_matches('/')
                .to_owned(),
            exact: found.is_some_and(|path| path.type_.as_deref() == Some("Exact")),
            upstreams: upstreams.clone(),
        };
        if rule.matches.is_empty() {
            paths.push(path(None));
        }
        paths.extend(rule.matches.iter().map(|found| path(found.path.as_ref())));
    }
    paths.sort_by_key(|path| (std::cmp::Reverse(path.exact), std::cmp::Reverse(path.prefix.len())));
    (paths, resolved)
}

fn upstream(
    backend: &BackendRef,
    route: &HTTPRoute,
    services: &BTreeMap<(Option<String>, String), &Service>,
) -> Result<String, Refusal> {
    let kind = backend.kind.as_deref().unwrap_or("Service");
    if kind != "Service" || !backend.group.as_deref().unwrap_or_default().is_empty() {
        return refusal("InvalidKind", format!("a backend is a Service, not a {kind}"));
    }
    if backend.namespace.is_some() && backend.namespace != route.namespace() {
        let message = "the local gateway serves no backend of another namespace".to_owned();
        return refusal("RefNotPermitted", message);
    }
    let name = &backend.name;
    let Some(service) = services.get(&(route.namespace(), name.clone())) else {
        return refusal("BackendNotFound", format!("there is no Service {name}"));
    };
    let spec = service.spec.as_ref();
    let address = spec.and_then(|spec| spec.cluster_ip.as_ref());
    let Some(address) = address.and_then(|address| address.parse::<IpAddr>().ok()) else {
        return refusal("UnsupportedValue", format!("the Service {name} has no address"));
    };
    let ports = spec.iter().flat_map(|spec| spec.ports.iter().flatten());
    match ports.map(|port| port.port).find(|&port| Some(port) == backend.port) {
        Some(port) => Ok(format!("{address}:{port}")),
        None => refusal("BackendNotFound", format!("the Service {name} has no such port")),
    }
}

#[cfg(test)]
#[path = "attach_tests.rs"]
mod tests;
