// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The platform's settings, which state IT writes once: `settings.yaml`, the chart's value `settings`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// The platform's settings: where its shared parts are. They contain names and addresses, no secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The operator's ServiceAccount.
    pub operator: Operator,
    /// The Gateway that all modules share.
    pub gateway: Gateway,
    /// The PostgreSQL server that all modules share.
    pub database: Database,
    /// The pods of the cluster's DNS service.
    pub dns: Dns,
    /// OpenID Connect issuer (Discovery 1.0) for clerks and citizens, an https URL; `None` if the
    /// platform has none.
    #[serde(default, deserialize_with = "deserialize_https_url")]
    pub issuer: Option<Url>,
    /// Addresses outside of the cluster to which modules may connect that call a payment provider or
    /// the issuer.
    #[serde(default)]
    pub outbound: Outbound,
    /// Certificate authorities (PEM) that modules trust in addition to the public ones.
    #[serde(default, deserialize_with = "deserialize_certificates")]
    pub authorities: Option<String>,
    /// Fields of the operator's objects that the platform fills: JSON pointers (RFC 6901), by kind.
    #[serde(default)]
    pub tolerated: BTreeMap<String, Vec<String>>,
    /// Seconds after which every object is reconciled again, even without an event.
    #[serde(default = "default_resync_seconds")]
    pub resync_seconds: u32,
}

/// The operator's ServiceAccount, to which the operator grants its rights in each municipality's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operator {
    /// Namespace of the ServiceAccount.
    pub namespace: String,
    /// Name of the ServiceAccount.
    pub service_account: String,
}

/// The Gateway that all modules share (Gateway API v1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Namespace of the Gateway and of its pods. Modules accept requests from outside only from pods of
    /// this namespace.
    pub namespace: String,
    /// Name of the Gateway.
    pub name: String,
    /// Domains that the Gateway serves; each municipality's host name lies below one of them.
    pub domains: Vec<String>,
}

/// The PostgreSQL server that all modules share. The administrator's URL is in a Secret and not here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Addresses of the server, to which modules may connect.
    pub egress: Vec<Egress>,
    /// TCP port of the server.
    pub port: u16,
}

/// A block of IP addresses to which a module may connect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// CIDR notation (RFC 4632), such as `10.0.0.5/32`.
    pub cidr: String,
}

/// The pods of the cluster's DNS service.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// Namespace of the pods.
    pub namespace: String,
    /// Labels that select the pods.
    pub pod_labels: BTreeMap<String, String>,
}

/// The addresses outside of the cluster to which modules may connect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Blocks of IP addresses.
    pub egress: Vec<CidrBlock>,
    /// TCP ports on these addresses.
    pub ports: Vec<u16>,
}

/// A block of IP addresses with exceptions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CidrBlock {
    /// CIDR notation (RFC 4632, RFC 4291).
    pub cidr: String,
    /// Parts of the block to which modules may not connect, in CIDR notation.
    #[serde(default)]
    pub except: Vec<String>,
}

/// The IPv4 addresses that are not public (RFC 6890, RFC 5771): this host, private networks, carrier-grade
/// NAT, loopback, link-local including the metadata services of clouds, protocol assignments, benchmarking,
/// multicast and reserved.
const NON_PUBLIC_IPV4: [&str; 11] = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "224.0.0.0/4",
    "240.0.0.0/4",
];
/// The global unicast addresses of IPv6 (RFC 4291, section 2.5.4). Unique local, link-local and all other
/// addresses are outside of this block.
const GLOBAL_IPV6: &str = "2000::/3";
/// Parts of [`GLOBAL_IPV6`] that are tunnels to IPv4 addresses, which may be private: Teredo (RFC 4380) and
/// 6to4 (RFC 3056).
const TUNNELS_IPV6: [&str; 2] = ["2001::/32", "2002::/16"];

impl Default for Outbound {
    /// HTTPS to every public address of the internet.
    fn default() -> Self {
        let block = |cidr: &str, except: &[&str]| CidrBlock {
            cidr: cidr.to_owned(),
            except: except.iter().map(|part| (*part).to_owned()).collect(),
        };
        Self {
            egress: vec![block("0.0.0.0/0", &NON_PUBLIC_IPV4), block(GLOBAL_IPV6, &TUNNELS_IPV6)],
            ports: vec![443],
        }
    }
}

fn deserialize_https_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let url = Option::<Url>::deserialize(deserializer)?;
    match url {
        Some(url) if url.scheme() != "https" => {
            Err(serde::de::Error::custom(format!("issuer {url} must be an https URL")))
        }
        url => Ok(url),
    }
}

fn deserialize_certificates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let pem = Option::<String>::deserialize(deserializer)?;
    match pem {
        Some(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => {
            Err(serde::de::Error::custom("authorities must be certificates in PEM"))
        }
        pem => Ok(pem),
    }
}

fn default_resync_seconds() -> u32 {
    300
}

/// Why the settings file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or read.
    #[error("settings file {path}: {source}")]
    Read {
        /// Path of the file.
        path: String,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The file is not valid YAML or does not have the form of [`Settings`]. The message names line and
    /// field.
    #[error("settings file {path}: {source}")]
    Parse {
        /// Path of the file.
        path: String,
        /// The error of the parser.
        source: Box<serde_saphyr::Error>,
    },
}

impl Default for Settings {
    /// The defaults of the Helm chart. The database server's address is one reserved for documentation
    /// (RFC 5737).
    fn default() -> Self {
        Self {
            operator: Operator { namespace: "rathaus-system".into(), service_account: "rathaus".into() },
            gateway: Gateway {
                namespace: "rathaus-gateway".into(),
                name: "public".into(),
                domains: vec!["rathaus.example".into()],
            },
            database: Database { egress: vec![Egress { cidr: "192.0.2.10/32".into() }], port: 5432 },
            dns: Dns {
                namespace: "kube-system".into(),
                pod_labels: [("k8s-app".to_owned(), "kube-dns".to_owned())].into(),
            },
            issuer: None,
            outbound: Outbound::default(),
            authorities: None,
            tolerated: BTreeMap::new(),
            resync_seconds: default_resync_seconds(),
        }
    }
}

impl Settings {
    /// Reads a settings file (YAML).
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not valid YAML, or has an unknown, missing or invalid field.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.display().to_string(), source })?;
        serde_saphyr::from_str(&text)
            .map_err(|source| Error::Parse { path: path.display().to_string(), source: Box::new(source) })
    }

    /// Returns the time after which every object is reconciled again, even without an event.
    pub fn resync_period(&self) -> Duration {
        Duration::from_secs(self.resync_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REQUIRED: &str = "operator: {namespace: a, serviceAccount: b}\ngateway: {namespace: a, name: b, domains: [c]}\ndatabase: {egress: [{cidr: 192.0.2.1/32}], port: 5432}\ndns: {namespace: a, podLabels: {b: c}}\n";

    /// Parses settings with the required fields and one more line.
    fn parse_with(extra_line: &str) -> Result<Settings, String> {
        serde_saphyr::from_str(&format!("{REQUIRED}{extra_line}\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn modules_reach_the_public_internet_unless_the_settings_limit_it() {
        assert_eq!(parse_with("").unwrap().outbound, Outbound::default());
        let outbound =
            parse_with("outbound: {egress: [{cidr: 203.0.113.0/24}], ports: [443, 8443]}").unwrap().outbound;
        assert_eq!((outbound.egress[0].except.len(), outbound.ports), (0, vec![443, 8443]));
    }

    #[test]
    fn an_issuer_without_https_and_authorities_without_a_certificate_are_rejected() {
        assert!(parse_with("issuer: https://login.land.example/realms/bund").unwrap().issuer.is_some());
        assert!(parse_with("issuer: http://login.land.example").unwrap_err().contains("https"));
        assert!(parse_with("authorities: none").unwrap_err().contains("PEM"));
    }
}
