// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 15): a leader that does not see the cluster's current state says so, with the kind that it
//! cannot see, and goes on by itself. Shown on an operator that runs as a process behind a proxy, in place of those
//! in the cluster.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use e2e::install::NAMESPACE;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, Secret};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::proxy::{self, Faults};
use crate::support::{Town, eventually, finally, is_long_run, leader, merge, operator_process};
use crate::{OPERATOR, client};

/// Address of the operator's probes and metrics.
const LISTEN: &str = "127.0.0.1:19091";

/// The kinds that the proxy does not let it list.
const UNSEEN: [&str; 2] = ["ServiceModule", "Deployment"];

/// How long a watch may be open and silent until the operator is not ready, and how long it may take until it hears
/// again.
const STALE_LIMIT: Duration = Duration::from_secs(240);

pub async fn a_leader_that_cannot_list_a_kind_or_no_longer_hears_of_it_says_so() {
    let client = client().await;
    let folder = std::env::temp_dir().join(format!("rathaus-blind-{}", std::process::id()));
    fs::create_dir_all(folder.join("database")).unwrap();
    let program = copy_files(&client, &folder).await;
    let faults = Arc::new(Faults::default());
    let address = proxy::start(operators_client().await, faults.clone()).await;
    let kubeconfig = folder.join("kubeconfig");
    fs::write(&kubeconfig, kubeconfig_for(&format!("http://{address}"))).unwrap();

    let replicas = scale(&client, 0).await;
    let in_its_place = async {
        faults.refuse.store(true, Ordering::Relaxed);
        let mut operator = start(&program, &folder, &kubeconfig);
        eventually("it leads, and names the kinds that it cannot list", || async {
            let (metrics, ready) = (get("/metrics").await?, get("/readyz").await);
            let ages = watch_ages(&metrics);
            let (unseen, seen): (Vec<_>, Vec<_>) =
                ages.iter().partition(|(kind, _)| UNSEEN.contains(&kind.as_str()));
            let oldest_seen = seen.iter().map(|(_, age)| *age).fold(0.0, f64::max);
            let is_told = metrics.contains("rathaus_leader 1")
                && unseen.len() == UNSEEN.len()
                && unseen.iter().all(|(_, age)| *age > oldest_seen)
                && ready.as_ref().is_err_and(|said| {
                    UNSEEN.iter().all(|kind| said.contains(&format!("{kind}: not listed yet")))
                });
            if is_told { Ok(()) } else { Err(format!("{ages:?}, {ready:?}")) }
        })
        .await;
        faults.refuse.store(false, Ordering::Relaxed);
        eventually("it sees them and is ready", || get("/readyz")).await;
        // What waited until then goes on.
        let town = Town::admit(&client, "blind-a", "973").await;
        town.ready().await;

        if is_long_run() {
            faults.silence.store(true, Ordering::Relaxed);
            let said = within(STALE_LIMIT, || async { get("/readyz").await.err() }).await;
            assert!(said.contains("no event, bookmark or list for"), "{said}");
            let ages = watch_ages(&get("/metrics").await.unwrap());
            assert!(ages.iter().any(|(_, age)| *age >= 180.0), "{ages:?}");
            faults.silence.store(false, Ordering::Relaxed);
            within(STALE_LIMIT, || async { get("/readyz").await.ok() }).await;
        }
        town.remove().await;
        kill_process(Pid::from_raw(operator.id().unwrap().cast_signed()).unwrap(), Signal::TERM).unwrap();
        operator.wait().await.unwrap();
    };
    let restore = async {
        scale(&client, replicas).await;
        let limit = Duration::from_secs(60);
        e2e::apply::wait_for_rollout(&client, NAMESPACE, "rathaus", limit).await.unwrap();
    };
    finally(in_its_place, restore).await;
    fs::remove_dir_all(folder).unwrap();
}

/// Repeats `ask` until it returns something.
async fn within<T, F: Future<Output = Option<T>>>(limit: Duration, ask: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(start.elapsed() < limit, "not within {limit:?}");
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Copies what the operator in the cluster has: its program, whose path is returned, and its settings.
async fn copy_files(client: &Client, folder: &Path) -> PathBuf {
    let process = operator_process(&leader(client).await);
    let program = folder.join("rathaus");
    fs::copy(format!("/proc/{process}/exe"), &program).unwrap();
    let maps = Api::<ConfigMap>::namespaced(client.clone(), NAMESPACE);
    let settings = maps.get("rathaus").await.unwrap().data.unwrap();
    fs::write(folder.join("settings.yaml"), &settings["settings.yaml"]).unwrap();
    let secrets = Api::<Secret>::namespaced(client.clone(), NAMESPACE);
    for (key, value) in secrets.get("rathaus-database").await.unwrap().data.unwrap() {
        fs::write(folder.join("database").join(key), value.0).unwrap();
    }
    program
}

/// A client with the operator's rights.
async fn operators_client() -> Client {
    let file = e2e::node::create_user("operator", OPERATOR, Some("system:serviceaccounts")).unwrap();
    let kubeconfig = Kubeconfig::read_from(file).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

/// A kubeconfig without credentials: the proxy has them.
fn kubeconfig_for(server: &str) -> String {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "proxy",
        "contexts": [{"name": "proxy", "context": {"cluster": "proxy", "user": "nobody"}}],
        "clusters": [{"name": "proxy", "cluster": {"server": server}}],
        "users": [{"name": "nobody", "user": {}}],
    })
    .to_string()
}

/// Starts the operator. It ends with the promise at the latest.
fn start(program: &Path, folder: &Path, kubeconfig: &Path) -> Child {
    let log = fs::File::create(folder.join("log")).unwrap();
    Command::new(program)
        .arg("run")
        .arg(format!("--settings={}", folder.join("settings.yaml").display()))
        .arg(format!("--database-dir={}", folder.join("database").display()))
        .args([&format!("--listen={LISTEN}"), "--pod-name=blind"])
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// Changes the number of replicas in the cluster, and returns the former one. With none, waits until they are gone.
async fn scale(client: &Client, replicas: i32) -> i32 {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let former = deployments.get("rathaus").await.unwrap().spec.unwrap().replicas.unwrap();
    merge(&deployments, "rathaus", json!({"spec": {"replicas": replicas}})).await;
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    eventually("the replicas are gone", || async {
        let found = pods.list(&ListParams::default()).await.map_err(|error| error.to_string())?.items.len();
        if replicas > 0 || found == 0 { Ok(()) } else { Err(format!("{found}")) }
    })
    .await;
    former
}

/// What the operator answers; the error is what it says when it is not well, or why it does not answer.
async fn get(path: &str) -> Result<String, String> {
    let ask = async {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        let answer = http.get(format!("http://{LISTEN}{path}")).send().await?;
        Ok((answer.status().is_success(), answer.text().await?))
    };
    match ask.await.map_err(|error: reqwest::Error| error.to_string())? {
        (true, text) => Ok(text),
        (false, text) => Err(text),
    }
}

/// The kinds that the operator watches, and the time since it last heard of each, in seconds.
fn watch_ages(metrics: &str) -> Vec<(String, f64)> {
    let lines =
        metrics.lines().filter_map(|line| line.strip_prefix("rathaus_watch_last_event_age_seconds{kind=\""));
    lines
        .map(|line| line.split_once("\"} ").unwrap())
        .map(|(kind, age)| (kind.to_owned(), age.parse().unwrap()))
        .collect()
}
