// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Access to the local cluster with rathaus for the end-to-end tests.

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

/// How long a probe may take, including the start of its pod.
const PROBE_LIMIT: Duration = Duration::from_secs(60);

/// The local cluster. Its database server is in [`crate::database`], its audit log in [`crate::audit`].
pub struct Cluster {
    /// A client with the rights of the cluster's administrator.
    pub client: Client,
    /// Path of the kubeconfig that `client` was made from.
    pub kubeconfig: PathBuf,
    /// An HTTP client that resolves every host to the gateway and trusts its certificates. It follows no
    /// redirect.
    pub citizen: reqwest::Client,
}

/// The result of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// Whether the probe reached its destination.
    pub reached: bool,
    /// What the probe printed.
    pub log: String,
}

/// Connects to the local cluster. Each test must connect anew, since a client works only on the runtime of
/// the test that has created it.
///
/// # Errors
/// Fails if the cluster is not running or if rathaus is not installed; the message names the command to run.
pub async fn connect() -> Result<Cluster> {
    let kubeconfig = paths::admin_kubeconfig();
    let client = client::from_kubeconfig(&kubeconfig).await?;
    let deployments = Api::<k8s_openapi::api::apps::v1::Deployment>::namespaced(client.clone(), NAMESPACE);
    if deployments.get_opt("rathaus").await?.is_none() {
        bail!("rathaus is not installed in the cluster: `cargo xtask demo` installs it");
    }
    Ok(Cluster { client, kubeconfig, citizen: Target::Local.citizen_client()? })
}

impl Cluster {
    /// Runs the probe program in a pod of `namespace` with these labels. Its arguments are, for example,
    /// `["tcp", "10.88.0.1", "5432"]` or `["dns", "kubernetes.default.svc.cluster.local"]`. The pod satisfies
    /// the pod security profile `restricted` and is deleted afterwards.
    ///
    /// # Errors
    /// Fails if the pod is rejected or does not finish within a minute.
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
        let outcome = wait_for_end(&pods, &name).await;
        pods.delete(&name, &DeleteParams::default().grace_period(0)).await?;
        outcome
    }
}

async fn wait_for_end(pods: &Api<Pod>, name: &str) -> Result<Probe> {
    let deadline = Instant::now() + PROBE_LIMIT;
    loop {
        let status = pods.get(name).await?.status.unwrap_or_default();
        let reached = match status.phase.as_deref() {
            Some("Succeeded") => true,
            Some("Failed") => false,
            _ if Instant::now() > deadline => {
                bail!("the probe's pod {name} did not finish: {}", serde_json::to_string(&status)?)
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
            // A query that is dropped because the policies do not know the pod yet must not cost five
            // seconds.
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
