// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 7): killing the operator at any instant loses nothing and leaves nothing
//! half-made after the next start.

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use rand::RngExt;

use crate::client;
use crate::support::{Town, is_long_run};

/// Rounds in which a town is admitted and opts in, and the operator is killed after each.
const ROUNDS: usize = 2;
const ROUNDS_OF_A_LONG_RUN: usize = 8;

async fn kill_operator(pods: &Api<Pod>) {
    let operators =
        ListParams::default().labels("app.kubernetes.io/name=rathaus,app.kubernetes.io/component=operator");
    for pod in pods.list(&operators).await.unwrap().items {
        let at_once = DeleteParams::default().grace_period(0);
        let _ = pods.delete(pod.metadata.name.as_deref().unwrap(), &at_once).await; // already gone is fine
    }
}

pub async fn invariant_7_a_killed_operator_leaves_nothing_half_made() {
    let client = client().await;
    let pods = Api::<Pod>::namespaced(client.clone(), "rathaus-system");
    let mut towns = Vec::new();
    let rounds = if is_long_run() { ROUNDS_OF_A_LONG_RUN } else { ROUNDS };
    for round in 0..rounds {
        let town = Town::admit(&client, &format!("kill-{round}"), &format!("60{round}")).await;
        let pause = Duration::from_millis(rand::rng().random_range(0..1500));
        tokio::time::sleep(pause).await;
        kill_operator(&pods).await;
        town.municipality_says("NamespaceReady", "True", "").await;
        town.opt_in("e-payment").await;
        let pause = Duration::from_millis(rand::rng().random_range(0..4000));
        println!("round {round}: killed {pause:?} after opting in");
        tokio::time::sleep(pause).await;
        kill_operator(&pods).await;
        towns.push(town);
    }
    for town in &towns {
        town.module_ready("e-payment").await;
    }
    let made = "SELECT count(*) FROM pg_database d JOIN pg_roles r ON d.datdba = r.oid \
                WHERE datname LIKE 'kill-_\\_e-payment' AND rolname = datname AND rolcanlogin \
                AND NOT has_database_privilege('public', d.oid, 'CONNECT')";
    assert_eq!(e2e::database::sql(made).await.unwrap(), rounds.to_string());

    // And while the towns are deleted.
    for town in &towns {
        town.municipalities().delete(&town.name, &DeleteParams::default()).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(rand::rng().random_range(0..2000))).await;
    kill_operator(&pods).await;
    for town in &towns {
        town.remove().await;
    }
}
