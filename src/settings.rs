// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What state IT configures once for the platform: `settings.yaml`, the chart's value `settings`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use url::Url;

/// Where the platform's shared parts are. All names, no secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Settings {
    /// The operator itself.
    pub operator: Operator,
    /// The shared Gateway.
    pub gateway: Gateway,
    /// The shared PostgreSQL server.
    pub database: Database,
    /// The cluster's name service.
    pub dns: Dns,
    /// The OpenID Connect issuer (Discovery 1.0) for clerks and citizens; https only.
    #[serde(default, deserialize_with = "https_url")]
    pub issuer: Option<Url>,
    /// Where modules that call a payment provider or the issuer may connect to.
    #[serde(default)]
    pub outbound: Outbound,
    /// Authorities (PEM) that modules trust beside the public ones.
    #[serde(default, deserialize_with = "certificates")]
    pub authorities: Option<String>,
    /// How often everything is looked at again without an event, in seconds.
    #[serde(default = "default_resync_seconds")]
    pub resync_seconds: u32,
}

/// The operator's own ServiceAccount, which gets its rights in each municipality's namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operator {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service_account: String,
}

/// The shared Gateway (Gateway API v1).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gateway {
    /// Its namespace; modules accept requests only from pods of this namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Domains that it serves; each municipality's host name lies below one of them.
    pub domains: Vec<String>,
}

/// The shared PostgreSQL server. Its administrator's URL is not here but in a Secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// Where modules may connect to.
    pub egress: Vec<Egress>,
    /// TCP port.
    pub port: u16,
}

/// A block of addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Egress {
    /// CIDR notation (RFC 4632), such as `10.0.0.5/32`.
    pub cidr: String,
}

/// The pods that answer DNS queries.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Dns {
    /// Their namespace.
    pub namespace: String,
    /// Their labels.
    pub pod_labels: BTreeMap<String, String>,
}

/// The world outside of the cluster, as far as modules may reach it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Blocks of addresses.
    pub egress: Vec<Block>,
    /// TCP ports.
    pub ports: Vec<u16>,
}

/// A block of addresses with holes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Block {
    /// CIDR notation (RFC 4632, RFC 4291).
    pub cidr: String,
    /// Parts of it that stay closed.
    #[serde(default)]
    pub except: Vec<String>,
}

/// What is no public address of IPv4 (RFC 6890, RFC 5771): this host, private networks, carriers'
/// networks, loopback, link-local with the clouds' metadata services, protocol assignments, benchmarks,
/// multicast and reserved.
const NOT_PUBLIC_IPV4: [&str; 11] = [
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
/// The public addresses of IPv6 (RFC 4291, section 2.5.4): unique local, link-local and all the rest lie beside it.
const GLOBAL_IPV6: &str = "2000::/3";
/// Parts of it that lead to addresses of IPv4, private ones included: Teredo (RFC 4380), 6to4 (RFC 3056).
const TUNNELS_IPV6: [&str; 2] = ["2001::/32", "2002::/16"];

impl Default for Outbound {
    /// HTTPS to the public internet.
    fn default() -> Self {
        let block = |cidr: &str, except: &[&str]| Block {
            cidr: cidr.to_owned(),
            except: except.iter().map(|part| (*part).to_owned()).collect(),
        };
        Self {
            egress: vec![block("0.0.0.0/0", &NOT_PUBLIC_IPV4), block(GLOBAL_IPV6, &TUNNELS_IPV6)],
            ports: vec![443],
        }
    }
}

fn https_url<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Url>, D::Error> {
    let url = Option::<Url>::deserialize(deserializer)?;
    match url {
        Some(url) if url.scheme() != "https" => {
            Err(serde::de::Error::custom(format!("issuer {url} must be an https URL")))
        }
        url => Ok(url),
    }
}

fn certificates<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
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

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("settings file {path}: {source}")]
    Read {
        /// Which file.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what it should be; the message names line and field.
    #[error("settings file {path}: {source}")]
    Parse {
        /// Which file.
        path: String,
        /// What the parser said.
        source: Box<serde_saphyr::Error>,
    },
}

impl Default for Settings {
    /// The chart's defaults; the database server's address is one for documentation (RFC 5737).
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
            resync_seconds: default_resync_seconds(),
        }
    }
}

impl Settings {
    /// Reads a settings file (YAML).
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| Error::Read { path: path.display().to_string(), source })?;
        serde_saphyr::from_str(&text)
            .map_err(|source| Error::Parse { path: path.display().to_string(), source: Box::new(source) })
    }

    /// How often everything is looked at again without an event.
    pub fn resync(&self) -> Duration {
        Duration::from_secs(self.resync_seconds.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: &str = "operator: {namespace: a, serviceAccount: b}\ngateway: {namespace: a, name: b, domains: [c]}\ndatabase: {egress: [{cidr: 192.0.2.1/32}], port: 5432}\ndns: {namespace: a, podLabels: {b: c}}\n";

    fn with(line: &str) -> Result<Settings, String> {
        serde_saphyr::from_str(&format!("{REST}{line}\n")).map_err(|error| error.to_string())
    }

    #[test]
    fn modules_reach_the_public_internet_unless_state_it_says_otherwise() {
        assert_eq!(with("").unwrap().outbound, Outbound::default());
        let own = with("outbound: {egress: [{cidr: 203.0.113.0/24}], ports: [443, 8443]}").unwrap().outbound;
        assert_eq!((own.egress[0].except.len(), own.ports), (0, vec![443, 8443]));
    }

    #[test]
    fn an_issuer_without_https_and_authorities_without_a_certificate_are_refused() {
        assert!(with("issuer: https://login.land.example/realms/bund").unwrap().issuer.is_some());
        assert!(with("issuer: http://login.land.example").unwrap_err().contains("https"));
        assert!(with("authorities: none").unwrap_err().contains("PEM"));
    }
}
