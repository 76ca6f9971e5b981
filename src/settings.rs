// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What state IT configures once for the platform: `settings.yaml`, the chart's value `settings`.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

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
