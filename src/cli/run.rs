// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, bail};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::runtime::wait::{Condition, conditions};
use kube::{Api, Client, Config, CustomResourceExt};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::cluster::{self, database::Server};
use crate::desired::Tolerated;
use crate::reconcile::{self, Clients, Elector};
use crate::serve::{self, Freshness, Health, LogFormat};
use crate::settings::Settings;

/// How long the operator waits for each CustomResourceDefinition. After that it ends with an error that names
/// the missing one, and Kubernetes restarts the pod.
const CRD_TIMEOUT: Duration = Duration::from_secs(60);

/// How long running reconciles may take after a signal. Less than the pod's terminationGracePeriodSeconds of
/// 30 s.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(20);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Settings file of the platform (YAML).
    #[arg(long, default_value = "/etc/rathaus/settings.yaml")]
    settings: PathBuf,
    /// Folder with the database administrator's `url` and, optionally, `ca.crt`: a mounted Secret.
    #[arg(long, default_value = "/etc/rathaus/database")]
    database_dir: PathBuf,
    /// Address on which probes and metrics are served.
    #[arg(long, default_value = "0.0.0.0:9090")]
    listen: SocketAddr,
    /// Format of the log lines.
    #[arg(long, value_enum, default_value_t)]
    log_format: LogFormat,
    /// Name of the pod; identifies the replica in the lease.
    #[arg(long, env = "POD_NAME", default_value = "rathaus")]
    pod_name: String,
    /// Namespace of the pod; contains the lease.
    #[arg(long, env = "POD_NAMESPACE", default_value = "rathaus-system")]
    pod_namespace: String,
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn execute(args: Args) -> anyhow::Result<()> {
    serve::init_logs(args.log_format);
    let settings = Settings::read(&args.settings)?;
    let tolerated = Tolerated::new(&settings.tolerated)?;
    let stop = stop_on_signal()?;
    let freshness = Arc::new(Freshness::new(reconcile::watched_kinds()));
    let health = Arc::new(Health { freshness: freshness.clone(), ..Health::default() });
    let probes = tokio::spawn(serve::serve_probes(args.listen, health.clone(), stop.clone()));

    let config = Config::infer().await.context("no cluster is configured")?;
    let term = cluster::Term::default();
    let client = cluster::leader_client(config.clone(), term.clone())?;
    let watch_client = cluster::watch_client(config.clone(), move |plural| {
        freshness.record_event(plural, std::time::Instant::now());
    })?;
    wait_for_crds(&client).await?;
    health.ready.store(true, Ordering::Relaxed);

    let elector = Elector {
        leases: Api::namespaced(lease_client(config)?, &args.pod_namespace),
        name: "rathaus".to_owned(),
        identity: args.pod_name,
        term: term.clone(),
    };
    let mut failure = None;
    let lead = elector.run(&stop, |term| {
        let failure = &mut failure;
        async move {
            health.metrics.set_leader(true);
            // Only the leader creates the key: a leader of an older version has made its last object by then.
            match cluster::keep_seal_key(&client, &args.pod_namespace).await {
                Ok(key) => {
                    let server = Server::new(&args.database_dir, key.clone());
                    let clients = Clients { requests: client, watches: watch_client };
                    reconcile::run(clients, settings, server, key, tolerated, health.clone(), term).await;
                }
                Err(error) => *failure = Some(error),
            }
            health.metrics.set_leader(false);
        }
    });
    tokio::select! {
        result = lead => result?,
        () = async { stop.cancelled().await; sleep(SHUTDOWN_TIMEOUT).await } => {
            bail!("running reconciles did not end within {} s", SHUTDOWN_TIMEOUT.as_secs());
        }
    }
    if let Some(error) = failure {
        return Err(error.into());
    }
    if !stop.is_cancelled() {
        bail!("the watches ended unexpectedly");
    }
    probes.await?.with_context(|| format!("cannot serve probes on {}", args.listen))
}

/// A separate client for the lease, without retries: they could outlast the lease.
fn lease_client(mut config: Config) -> anyhow::Result<Client> {
    config.default_retry = false;
    config.connect_timeout = Some(Duration::from_secs(5));
    Ok(Client::try_from(config)?)
}

/// Waits until the three CustomResourceDefinitions are established. The API server may be unreachable for a
/// moment, for example while the network of the pod is being set up.
async fn wait_for_crds(client: &Client) -> anyhow::Result<()> {
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for name in [Municipality::crd_name(), ModuleClass::crd_name(), ServiceModule::crd_name()] {
        let deadline = Instant::now() + CRD_TIMEOUT;
        while let Err(error) = check_crd_established(&crds, name).await {
            if Instant::now() > deadline {
                return Err(error);
            }
            tracing::info!(error = format!("{error:#}"), "waiting for the CustomResourceDefinitions");
            sleep(Duration::from_secs(1)).await;
        }
    }
    Ok(())
}

async fn check_crd_established(crds: &Api<CustomResourceDefinition>, name: &str) -> anyhow::Result<()> {
    let crd =
        crds.get_opt(name).await.with_context(|| format!("cannot read CustomResourceDefinition {name}"))?;
    if !conditions::is_crd_established().matches_object(crd.as_ref()) {
        bail!("CustomResourceDefinition {name} is not established; apply crds/ first");
    }
    Ok(())
}

fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let (mut signals, stop) = (signal(kind)?, stop.clone());
        tokio::spawn(async move {
            signals.recv().await;
            tracing::info!("received a signal, stopping");
            stop.cancel();
        });
    }
    Ok(stop)
}
