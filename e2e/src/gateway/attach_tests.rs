// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use serde_json::{Value, json};

use super::*;

fn gateway() -> Gateway {
    serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway",
        "metadata": {"name": "public", "namespace": "rathaus-gateway"},
        "spec": {"gatewayClassName": "rathaus-local", "listeners": [{
            "name": "https", "port": 443, "protocol": "HTTPS", "hostname": "*.rathaus.example",
            "allowedRoutes": {"namespaces": {"from": "Selector", "selector":
                {"matchExpressions": [{"key": "rathaus.dev/municipality", "operator": "Exists"}]}}},
        }]},
    }))
    .unwrap()
}

fn objects() -> ClusterObjects {
    let namespace = |name: &str, labels: Value| -> Arc<Namespace> {
        Arc::new(serde_json::from_value(json!({"metadata": {"name": name, "labels": labels}})).unwrap())
    };
    let service = json!({
        "metadata": {"name": "e-payment", "namespace": "mun-ahaus"},
        "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 80}]},
    });
    ClusterObjects {
        namespaces: vec![
            namespace("mun-ahaus", json!({"rathaus.dev/municipality": "ahaus"})),
            namespace("default", json!({})),
        ],
        services: vec![Arc::new(serde_json::from_value(service).unwrap())],
    }
}

/// The decisions about a valid route with some of its fields replaced.
fn attachments(namespace: &str, changed: Value) -> Vec<Attachment> {
    let mut spec = json!({
        "parentRefs": [{"name": "public", "namespace": "rathaus-gateway"}],
        "hostnames": ["e-payment.ahaus.rathaus.example"],
        "rules": [{"backendRefs": [{"name": "e-payment", "port": 80}]}],
    });
    for (key, value) in changed.as_object().unwrap() {
        spec[key] = value.clone();
    }
    let route = serde_json::from_value(json!({
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute",
        "metadata": {"name": "r", "namespace": namespace}, "spec": spec,
    }))
    .unwrap();
    attach(&gateway(), &route, &objects())
}

fn attachment(changed: Value) -> Attachment {
    attachments("mun-ahaus", changed).remove(0)
}

fn rejection_reason(changed: Value) -> &'static str {
    attachment(changed).accepted.unwrap_err().reason
}

fn unresolved_reason(backend: Value) -> &'static str {
    attachment(json!({"rules": [{"backendRefs": [backend]}]})).resolved.unwrap_err().reason
}

#[test]
fn a_valid_route_is_served_at_the_services_address() {
    let attachment = attachment(json!({}));
    let served = attachment.accepted.unwrap();
    assert_eq!(served.hosts, ["e-payment.ahaus.rathaus.example"]);
    assert_eq!(served.listeners, ["https"]);
    assert_eq!(served.paths[0].upstreams, ["10.96.0.7:80"]);
    assert_eq!(attachment.resolved, Ok(()));
}

#[test]
fn the_parent_must_be_this_gateway() {
    assert!(attachments("mun-ahaus", json!({"parentRefs": [{"name": "public"}]})).is_empty());
    let service = json!([{"name": "public", "namespace": "rathaus-gateway", "kind": "Service", "group": ""}]);
    assert!(attachments("mun-ahaus", json!({"parentRefs": service})).is_empty());
}

#[test]
fn a_reference_to_a_missing_listener_is_rejected() {
    let parent = |extra: Value| {
        let mut parent = json!({"name": "public", "namespace": "rathaus-gateway"});
        parent.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        rejection_reason(json!({"parentRefs": [parent]}))
    };
    assert_eq!(parent(json!({"sectionName": "http"})), "NoMatchingParent");
    assert_eq!(parent(json!({"port": 80})), "NoMatchingParent");
}

#[test]
fn a_namespace_that_the_listener_does_not_select_is_rejected() {
    let attachment = attachments("default", json!({})).remove(0);
    assert_eq!(attachment.accepted.unwrap_err().reason, "NotAllowedByListeners");
}

#[test]
fn hosts_outside_the_listeners_domain_are_rejected() {
    for host in ["rathaus.example", "ahaus.example", "evilrathaus.example"] {
        assert_eq!(rejection_reason(json!({"hostnames": [host]})), "NoMatchingListenerHostname", "{host}");
    }
}

#[test]
fn common_hosts_are_the_narrower_ones() {
    let common = |route: &[&str]| {
        let route: Vec<String> = route.iter().map(|&host| host.to_owned()).collect();
        common_hosts(Some("*.rathaus.example"), &route)
    };
    assert_eq!(common(&[]), ["*.rathaus.example"]);
    assert_eq!(common(&["*.ahaus.rathaus.example", "x.other.example"]), ["*.ahaus.rathaus.example"]);
    assert_eq!(common(&["*.example"]), ["*.rathaus.example"]);
    assert_eq!(common_hosts(None, &[]), ["*"]);
}

#[test]
fn unsupported_features_are_rejected_and_not_ignored() {
    for rule in [
        json!({"filters": [{"type": "RequestMirror"}]}),
        json!({"matches": [{"headers": [{"name": "a", "value": "b"}]}]}),
        json!({"matches": [{"method": "GET"}]}),
        json!({"matches": [{"path": {"type": "RegularExpression", "value": ".*"}}]}),
    ] {
        assert_eq!(rejection_reason(json!({"rules": [rule]})), "UnsupportedValue");
    }
}

#[test]
fn each_invalid_backend_has_its_reason() {
    assert_eq!(unresolved_reason(json!({"name": "other", "port": 80})), "BackendNotFound");
    assert_eq!(unresolved_reason(json!({"name": "e-payment", "port": 81})), "BackendNotFound");
    assert_eq!(unresolved_reason(json!({"name": "e-payment", "port": 80, "kind": "Pod"})), "InvalidKind");
    let foreign = json!({"name": "e-payment", "port": 80, "namespace": "mun-borken"});
    assert_eq!(unresolved_reason(foreign), "RefNotPermitted");
}

#[test]
fn paths_are_ranked_exact_first_then_by_length() {
    let matches = json!([
        {"path": {"value": "/"}},
        {"path": {"value": "/v1/"}},
        {"path": {"type": "Exact", "value": "/pay"}},
    ]);
    let served = attachment(json!({"rules": [{"matches": matches, "backendRefs": []}]})).accepted.unwrap();
    let ranked: Vec<_> = served.paths.iter().map(|path| (path.prefix.as_str(), path.exact)).collect();
    assert_eq!(ranked, [("/pay", true), ("/v1", false), ("", false)]);
}
