// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Served routes → Caddy's configuration. Pure.

use serde_json::{Value, json};

use super::attach::{Path, Served};
use crate::pki::Pair;

/// Where Caddy takes its configuration; only the node reaches it.
pub const ADMIN_PORT: u16 = 2019;
/// Where Caddy serves TLS, inside its pod.
const TLS_PORT: u16 = 8443;

/// The whole configuration.
pub fn config(routes: &[Served], certificates: &[Pair]) -> Value {
    let pairs: Vec<Value> =
        certificates.iter().map(|pair| json!({"certificate": pair.certificate, "key": pair.key})).collect();
    // An exact name beats a wildcard.
    let mut hosts: Vec<(&String, &Served)> =
        routes.iter().flat_map(|route| route.hosts.iter().map(move |host| (host, route))).collect();
    hosts.sort_by_key(|(host, _)| (host.starts_with('*'), std::cmp::Reverse(host.len()), *host));
    let routes: Vec<Value> = hosts.into_iter().map(|(host, route)| of_host(host, route)).collect();
    json!({
        "admin": {"listen": format!(":{ADMIN_PORT}")},
        "apps": {
            "http": {"servers": {"public": {
                "listen": [format!(":{TLS_PORT}")],
                "routes": routes,
                "tls_connection_policies": [{}],
                "automatic_https": {"disable": true},
            }}},
            "tls": {"certificates": {"load_pem": pairs}},
        },
    })
}

fn of_host(host: &str, route: &Served) -> Value {
    let paths: Vec<Value> = route.paths.iter().map(of_path).collect();
    let everything = host == "*";
    let matches = if everything { json!([]) } else { json!([{"host": [host]}]) };
    json!({
        "match": matches,
        "handle": [{"handler": "subroute", "routes": paths}],
        "terminal": true,
    })
}

fn of_path(path: &Path) -> Value {
    let prefix = &path.prefix;
    let matches = match (prefix.as_str(), path.exact) {
        ("", false) => json!([]),
        ("", true) => json!([{"path": ["/"]}]),
        (_, true) => json!([{"path": [prefix]}]),
        (_, false) => json!([{"path": [prefix, format!("{prefix}/*")]}]),
    };
    let handler = if path.upstreams.is_empty() {
        json!({"handler": "static_response", "status_code": 500})
    } else {
        let upstreams: Vec<Value> = path.upstreams.iter().map(|upstream| json!({"dial": upstream})).collect();
        json!({
            "handler": "reverse_proxy",
            "upstreams": upstreams,
            // A pod that ends may still be in a Service for a moment.
            "load_balancing": {"try_duration": "3s"},
        })
    };
    json!({"match": matches, "handle": [handler], "terminal": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(host: &str) -> Served {
        let path = |prefix: &str, exact, upstreams: &[&str]| Path {
            prefix: prefix.to_owned(),
            exact,
            upstreams: upstreams.iter().map(|&upstream| upstream.to_owned()).collect(),
        };
        Served {
            listeners: vec!["https".to_owned()],
            hosts: vec![host.to_owned()],
            paths: vec![
                path("/pay", true, &["10.96.0.7:80"]),
                path("/v1", false, &[]),
                path("", false, &["10.96.0.8:80"]),
            ],
        }
    }

    #[test]
    fn a_route_becomes_a_host_with_its_paths() {
        let config = config(&[served("a.example")], &[]);
        let route = &config["apps"]["http"]["servers"]["public"]["routes"][0];
        assert_eq!(route["match"], json!([{"host": ["a.example"]}]));
        let paths = &route["handle"][0]["routes"];
        assert_eq!(paths[0]["match"], json!([{"path": ["/pay"]}]));
        assert_eq!(paths[0]["handle"][0]["upstreams"], json!([{"dial": "10.96.0.7:80"}]));
        assert_eq!(paths[1]["match"], json!([{"path": ["/v1", "/v1/*"]}]));
        assert_eq!(paths[1]["handle"][0]["status_code"], 500);
        assert_eq!(paths[2]["match"], json!([]));
    }

    #[test]
    fn a_name_comes_before_a_wildcard() {
        let config = config(&[served("*.example"), served("a.example")], &[]);
        let routes = config["apps"]["http"]["servers"]["public"]["routes"].as_array().unwrap().clone();
        assert_eq!(routes[0]["match"], json!([{"host": ["a.example"]}]));
        assert_eq!(routes[1]["match"], json!([{"host": ["*.example"]}]));
    }
}
