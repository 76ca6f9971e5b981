// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the end-to-end tests hold in their hands: the local cluster with rathaus on it.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{DeleteParams, LogParams, PostParams},
};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{client, images, install::NAMESPACE, paths, target::Target};

/// How long a probe may take, its pod's start included.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// The local cluster. Database and audit log have rooms of their own, [`crate::database`] and
/// [`crate::audit`].
pub struct Cluster {
    /// As its administrator.
    pub client: Client,
    /// For programs that want a file.
    pub kubeconfig: PathBuf,
    /// A client for which every host is the gateway's, and which trusts its certificates. Follows no
    /// redirect.
    pub citizen: reqwest::Client,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whether it reached what it was sent for.
    pub reached: bool,
    /// What it printed.
    pub log: String,
}

/// Connects to the local cluster. Each test asks for its own: a client lives and dies with the runtime
/// of the test that made it.
///
/// # Errors
/// It does not run, or rathaus is not installed; the message says which command does that.
pub async fn cluster() -> Result<Cluster> {
    let kubeconfig = paths::admin_kubeconfig();
    let client = client::from_kubeconfig(&kubeconfig).await?;
    let deployments = Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(client.clone(), NAMESPACE);
    if deployments.get_opt("rathaus").await?.is_none() {
        bail!("the cluster runs without rathaus: `cargo xtask demo` installs it");
    }
    Ok(Cluster { client, kubeconfig, citizen: Target::Local.citizen()? })
}

impl Cluster {
    /// Sends the probe program out from a pod of `namespace` with `labels`, as in
    /// `["tcp", "10.88.0.1", "5432"]` or `["dns", "kubernetes.default.svc.cluster.local"]`. The pod
    /// satisfies the pod security profile `restricted` and is deleted afterwards.
    ///
    /// # Errors
    /// The pod is refused or does not come to an end within a minute.
    pub async fn probe(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        arguments: &[&str],
    ) -> Result<Probe> {
        let pods = Api::<Pod>::namespaced(self.client.clone(), namespace);
        let name = format!("probe-{}", Alphanumeric.sample_string(&mut rand::rng(), 8).to_lowercase());
        let pod = probe_pod(&name, labels, arguments)?;
        pods.create(&PostParams::default(), &pod).await.context("creating the probe's pod")?;
        let outcome = ended(&pods, &name).await;
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await?;
        outcome
    }
}

async fn ended(pods: &Api<Pod>, name: &str) -> Result<Probe> {
    let deadline = Instant::now() + PROBE_LIMIT;
    loop {
        let status = pods.get(name).await?.status.unwrap_or_default();
        let reached = match status.phase.as_deref() {
            Some("Succeeded") => true,
            Some("Failed") => false,
            _ if Instant::now() > deadline => {
                bail!("the probe's pod {name} came to no end: {}", serde_json::to_string(&status)?)
            }
            _ => {
                sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let log = pods.logs(name, &LogParams::default()).await?;
        return Ok(Probe { reached, log });
    }
}

fn probe_pod(name: &str, labels: &BTreeMap<String, String>, arguments: &[&str]) -> Result<Pod> {
    let pod: Pod = serde_json::from_value(json!({
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "terminationGracePeriodSeconds": 0,
            // A query that is dropped before the policies know the pod must not cost five seconds.
            "dnsConfig": {"options": [{"name": "timeout", "value": "1"}, {"name": "attempts", "value": "5"}]},
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "probe",
                "image": images::packed("probe")?.reference(),
                "args": arguments,
                "resources": {
                    "requests": {"cpu": "1m", "memory": "8Mi"},
                    "limits": {"cpu": "100m", "memory": "32Mi"},
                },
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "readOnlyRootFilesystem": true,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    }))?;
    Ok(pod)
}
