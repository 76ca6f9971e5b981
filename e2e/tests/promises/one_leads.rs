// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: of several replicas one leads, when it goes another takes over, and two never lead at the same time: a
//! leader that was frozen for longer than its lease writes nothing any more when it goes on.

use std::cell::Cell;
use std::time::Duration;

use e2e::audit::{Mark, Request, mark, requests_since};
use futures::future::{join, join_all};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Client};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::{
    Town, eventually, finally, leader, leader_other_than, merge, operator_process, service_module,
};
use crate::{OPERATOR, client};

/// Modules whose changes keep the leader busy when it is frozen. They are refused, so that no pod starts.
const MODULES: usize = 8;

/// How long nothing may be written after the frozen leader went on.
const QUIET: Duration = Duration::from_secs(5);

pub async fn when_the_leader_goes_another_replica_takes_over() {
    let client = client().await;
    let pods = Api::<Pod>::namespaced(client.clone(), e2e::install::NAMESPACE);
    let first = leader(&client).await;
    pods.delete(&first, &Default::default()).await.unwrap();
    leader_other_than(&client, &first).await;
    let town = Town::admit(&client, "lead-a", "801").await;
    town.ready().await;
    town.remove().await;
}

pub async fn a_leader_that_was_frozen_writes_nothing_after_another_took_over() {
    let client = client().await;
    let town = Town::admit(&client, "lead-b", "802").await;
    town.ready().await;
    let names: Vec<String> = (0..MODULES).map(|number| format!("refused-{number}")).collect();
    for name in &names {
        let mut module = service_module("lead-b", name);
        module["spec"]["class"] = "nowhere".into();
        town.opt_in_with(module).await;
    }
    are_refused(&town, &names).await;

    let first = leader(&client).await;
    let process = Pid::from_raw(operator_process(&first)).unwrap();
    let address = address_of(&client, &first).await;
    let takeover = async {
        // It is frozen in the middle of its work.
        let is_frozen = Cell::new(false);
        let start = mark().unwrap();
        let modules = town.modules();
        let keep_busy = async {
            for round in 0.. {
                let change = json!({"spec": {"class": format!("nowhere-{round}")}});
                join_all(names.iter().map(|name| merge(&modules, name, change.clone()))).await;
                if is_frozen.get() {
                    break;
                }
            }
        };
        let freeze = async {
            eventually("the leader writes", || async {
                let writes = writes_of(&address, start).len();
                if writes > 0 { Ok(()) } else { Err("no write".to_owned()) }
            })
            .await;
            kill_process(process, Signal::STOP).unwrap();
            is_frozen.set(true);
        };
        join(keep_busy, freeze).await;
        let second = leader_other_than(&client, &first).await;
        are_refused(&town, &names).await;

        let start = mark().unwrap();
        kill_process(process, Signal::CONT).unwrap();
        eventually("the frozen leader leads no more", || is_follower(&address)).await;
        tokio::time::sleep(QUIET).await;
        let mut writes = writes_of(&address, start);
        writes.retain(|write| write.code < 300);
        assert!(writes.is_empty(), "written by the former leader: {writes:#?}");
        assert_eq!(leader(&client).await, second);
    };
    let thaw = async {
        // A process that has ended needs no signal.
        let _ = kill_process(process, Signal::CONT);
    };
    finally(takeover, thaw).await;
    town.remove().await;
}

/// Waits until the leader has said of each module's current state that it is refused.
async fn are_refused(town: &Town, names: &[String]) {
    for name in names {
        town.module_says(name, "Ready", "False", "ClassNotFound").await;
    }
}

async fn address_of(client: &Client, pod: &str) -> String {
    let pods = Api::<Pod>::namespaced(client.clone(), e2e::install::NAMESPACE);
    pods.get(pod).await.unwrap().status.unwrap().pod_ip.unwrap()
}

/// What the pod with this address has written, as the audit log tells.
fn writes_of(address: &str, start: Mark) -> Vec<Request> {
    let mut requests = requests_since(start, OPERATOR).unwrap();
    requests.retain(|request| request.is_write() && request.source == address);
    requests
}

/// Whether the replica with this address says that it does not lead. It may have been started anew.
async fn is_follower(address: &str) -> Result<(), String> {
    let says = async {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(2)).build()?;
        http.get(format!("http://{address}:9090/metrics")).send().await?.text().await
    };
    let metrics = says.await.map_err(|error| error.to_string())?;
    let leader = metrics.lines().find(|line| line.starts_with("rathaus_leader "));
    if leader == Some("rathaus_leader 0") { Ok(()) } else { Err(format!("{leader:?}")) }
}
