// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Renders routes as the JSON configuration of Caddy. Has no side effects.

use serde_json::{Value, json};

use super::attach::{ServedPath, ServedRoute};
use crate::pki::PemPair;

/// The port of Caddy's admin API, which loads the configuration. Only the node reaches it.
pub const ADMIN_PORT: u16 = 2019;
/// The port on which Caddy serves TLS in its pod.
const TLS_PORT: u16 = 8443;

/// Returns the complete configuration.
pub fn render_config(routes: &[ServedRoute], certificates: &[PemPair]) -> Value {
    let pairs: Vec<Value> =
        certificates.iter().map(|pair| json!({"certificate": pair.certificate, "key": pair.key})).collect();
    // Caddy takes the first match, so that exact names must come before wildcards.
    let mut hosts: Vec<(&String, &ServedRoute)> =
        routes.iter().flat_map(|route| route.hosts.iter().map(move |host| (host, route))).collect();
    hosts.sort_by_key(|(host, _)| (host.starts_with('*'), std::cmp::Reverse(host.len()), *host));
    let routes: Vec<Value> = hosts.into_iter().map(|(host, route)| host_route(host, route)).collect();
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

fn host_route(host: &str, route: &ServedRoute) -> Value {
    let paths: Vec<Value> = route.paths.iter().map(path_route).collect();
    let everything = host == "*";
    let matches = if everything { json!([]) } else { json!([{"host": [host]}]) };
    json!({
        "match": matches,
        "handle": [{"handler": "subroute", "routes": paths}],
        "terminal": true,
    })
}

fn path_route(path: &ServedPath) -> Value {
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
            // A terminating pod may be in a Service for a moment longer.
            "load_balancing": {"try_duration": "3s"},
        })
    };
    json!({"match": matches, "handle": [handler], "terminal": true})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn served(host: &str) -> ServedRoute {
        let path = |prefix: &str, exact, upstreams: &[&str]| ServedPath {
            prefix: prefix.to_owned(),
            exact,
            upstreams: upstreams.iter().map(|&upstream| upstream.to_owned()).collect(),
        };
        ServedRoute {
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
        let config = render_config(&[served("a.example")], &[]);
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
    fn an_exact_name_comes_before_a_wildcard() {
        let config = render_config(&[served("*.example"), served("a.example")], &[]);
        let routes = config["apps"]["http"]["servers"]["public"]["routes"].as_array().unwrap().clone();
        assert_eq!(routes[0]["match"], json!([{"host": ["a.example"]}]));
        assert_eq!(routes[1]["match"], json!([{"host": ["*.example"]}]));
    }
}
