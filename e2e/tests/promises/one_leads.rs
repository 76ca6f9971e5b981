// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: of several replicas one leads, and when it goes another takes over.

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;

use crate::client;
use crate::support::{Town, eventually};

async fn holder(leases: &Api<Lease>) -> Result<String, String> {
    let lease = leases.get("rathaus").await.map_err(|error| error.to_string())?;
    lease
        .spec
        .and_then(|spec| spec.holder_identity)
        .filter(|name| !name.is_empty())
        .ok_or("nobody".to_owned())
}

pub async fn when_the_leader_goes_another_replica_takes_over() {
    let client = client().await;
    let leases = Api::<Lease>::namespaced(client.clone(), "rathaus-system");
    let pods = Api::<Pod>::namespaced(client.clone(), "rathaus-system");
    let first = eventually("somebody leads", || holder(&leases)).await;
    pods.delete(&first, &Default::default()).await.unwrap();
    eventually("somebody else leads", || async {
        let now = holder(&leases).await?;
        if now == first { Err(now) } else { Ok(()) }
    })
    .await;
    let town = Town::admit(&client, "lead-a", "801").await;
    town.ready().await;
    town.remove().await;
}
