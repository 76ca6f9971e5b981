// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 1): a second reconcile of an unchanged world writes nothing, and neither does a
//! restart of the operator. Counted at the API server.

use std::time::Duration;

use e2e::audit::{Mark, mark, requests_since};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::support::{Town, at_rest, eventually, is_long_run, merge};
use crate::{OPERATOR, client};

/// How long nothing may be written. A long run is longer than the resync period of five minutes.
const QUIET: Duration = Duration::from_secs(15);
const QUIET_OF_A_LONG_RUN: Duration = Duration::from_secs(330);

fn writes_since(mark: Mark) -> Vec<String> {
    let requests = requests_since(mark, OPERATOR).unwrap();
    let writes = requests.into_iter().filter(|request| request.is_write() && !request.is_lease());
    writes
        .map(|write| {
            format!(
                "{} {}/{} {}/{}",
                write.verb, write.resource, write.subresource, write.namespace, write.name
            )
        })
        .collect()
}

/// Waits until the operator has listed what is in the town since `start`, and then has asked for nothing
/// but its lease and watches for a while.
async fn reconciled_since(start: Mark, namespace: &str) {
    eventually("the restarted operator reads the town's objects", || async {
        let requests = requests_since(start, OPERATOR).unwrap();
        let listed = requests.iter().any(|read| read.verb == "list" && read.namespace == namespace);
        if listed { Ok(()) } else { Err(format!("{} requests", requests.len())) }
    })
    .await;
    at_rest().await;
}

pub async fn invariant_1_nothing_is_written_when_nothing_changes_nor_after_a_restart() {
    let client = client().await;
    let town = Town::admit(&client, "quiet-a", "951").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    town.ready().await;
    at_rest().await;

    let start = mark().unwrap();
    let quiet = if is_long_run() { QUIET_OF_A_LONG_RUN } else { QUIET };
    tokio::time::sleep(quiet).await;
    assert_eq!(writes_since(start), Vec::<String>::new(), "in {quiet:?} in which nothing changed");

    let pods = Api::<Pod>::namespaced(client.clone(), "rathaus-system");
    let start = mark().unwrap();
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    // A change after the restart shows that the new leader has seen everything, and that the counting
    // counts.
    merge(&town.municipalities(), "quiet-a", json!({"spec": {"displayName": "Neu"}})).await;
    town.ready().await;
    town.module_ready("e-payment").await;
    reconciled_since(start, "mun-quiet-a").await;
    let (mine, others): (Vec<_>, Vec<_>) =
        writes_since(start).into_iter().partition(|write| write.contains("quiet-a"));
    assert!(mine.iter().any(|write| write.starts_with("update configmaps")), "{mine:?}");
    assert_eq!(others, Vec::<String>::new(), "for towns that did not change");

    let start = mark().unwrap();
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    reconciled_since(start, "mun-quiet-a").await;
    assert_eq!(writes_since(start), Vec::<String>::new(), "after a restart");
    town.remove().await;
}
