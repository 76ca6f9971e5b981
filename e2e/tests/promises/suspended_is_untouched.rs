// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 8): suspended means untouched, and what runs keeps running.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::json;

use crate::cluster;
use crate::support::{TOKEN, Town, eventually, merge};

async fn replicas(town: &Town) -> Option<i32> {
    town.api::<Deployment>().get("e-payment").await.unwrap().spec.unwrap().replicas
}

/// Changes the number of replicas as somebody would by hand.
async fn change_replicas(town: &Town) {
    merge(&town.api::<Deployment>(), "e-payment", json!({"spec": {"replicas": 1}})).await;
    assert_eq!(replicas(town).await, Some(1));
}

async fn replicas_repaired(town: &Town) {
    eventually("the change by hand is repaired", || async {
        if replicas(town).await == Some(2) { Ok(()) } else { Err("one replica".to_owned()) }
    })
    .await;
}

pub async fn invariant_8_suspended_means_untouched_and_goes_on_running() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "susp-a", "971").await;
    // Its repair shows that the operator has seen changes made before, so that nobody waits for nothing.
    let control = Town::admit(&cluster.client, "susp-b", "972").await;
    for town in [&town, &control] {
        town.opt_in("e-payment").await;
    }
    for town in [&town, &control] {
        town.module_ready("e-payment").await;
    }

    for whole_town in [true, false] {
        let suspend = async |suspended: bool| {
            let patch = json!({"spec": {"suspend": suspended}});
            if whole_town {
                town.change(patch).await;
            } else {
                merge(&town.modules(), "e-payment", patch).await;
            }
        };
        suspend(true).await;
        town.module_says("e-payment", "Ready", "Unknown", "Suspended").await;
        change_replicas(&town).await;
        for _ in 0..2 {
            change_replicas(&control).await;
            replicas_repaired(&control).await;
        }
        assert_eq!(replicas(&town).await, Some(1), "untouched");
        let url = "https://e-payment.susp-a.rathaus.example/status/parkausweis/055990971971";
        let answer = cluster.citizen.get(url).bearer_auth(TOKEN).send().await.unwrap();
        assert_eq!(answer.status(), 200, "keeps running");

        suspend(false).await;
        replicas_repaired(&town).await;
        town.module_ready("e-payment").await;
    }
    // A suspended town can leave all the same.
    town.change(json!({"spec": {"suspend": true}})).await;
    town.remove().await;
    control.remove().await;
}
