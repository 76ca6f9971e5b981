// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 1): a second look at an unchanged world writes nothing, and neither does a
//! restart of the operator. Counted at the API server.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use crate::support::{Town, merge};
use crate::{OPERATOR, client};

const QUIET: Duration = Duration::from_secs(60);

fn writes_since(mark: e2e::audit::Mark) -> Vec<String> {
    let requests = e2e::audit::requests_since(mark, OPERATOR).unwrap();
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

#[tokio::test]
async fn invariant_1_nothing_is_written_when_nothing_changes_nor_after_a_restart() {
    let client = client().await;
    let town = Town::admit(&client, "quiet-a", "951").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    town.ready().await;
    tokio::time::sleep(Duration::from_secs(5)).await;

    let mark = e2e::audit::mark().unwrap();
    tokio::time::sleep(QUIET).await;
    assert_eq!(writes_since(mark), Vec::<String>::new(), "in {QUIET:?} of doing nothing");

    let pods = Api::<Pod>::namespaced(client.clone(), "rathaus-system");
    let mark = e2e::audit::mark().unwrap();
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    // A change after the restart shows that the new leader has looked at everything, and that the
    // counting counts.
    merge(&town.municipalities(), "quiet-a", json!({"spec": {"displayName": "Neu"}})).await;
    town.ready().await;
    town.module_ready("e-payment").await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let (mine, others): (Vec<_>, Vec<_>) =
        writes_since(mark).into_iter().partition(|write| write.contains("quiet-a"));
    assert!(mine.iter().any(|write| write.starts_with("patch configmaps")), "{mine:?}");
    assert_eq!(others, Vec::<String>::new(), "for towns that did not change");

    let mark = e2e::audit::mark().unwrap();
    pods.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    let reads = e2e::audit::requests_since(mark, OPERATOR).unwrap();
    let looked = reads.iter().any(|read| read.verb == "list" && read.namespace == "mun-quiet-a");
    assert!(looked, "the restarted operator looks at every town");
    assert_eq!(writes_since(mark), Vec::<String>::new(), "after a restart");
    town.remove().await;
}
