// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: a town's pods reach the database and the name service and nothing else, and nobody else
//! reaches them. Each refusal has a positive control beside it.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::api::ListParams;

use crate::cluster;
use crate::support::{Town, eventually};

fn labels(module: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("rathaus.dev/module".to_owned(), module.to_owned())])
}

async fn pod_address(town: &Town, module: &str) -> String {
    let pods =
        town.api::<Pod>().list(&ListParams::default().labels(&format!("rathaus.dev/module={module}"))).await;
    pods.unwrap().items.into_iter().find_map(|pod| pod.status?.pod_ip).expect("a running pod")
}

pub async fn pods_reach_the_database_and_the_name_service_and_nothing_else() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "iso-a", "501").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    // A pod that the module's own policies hold for; its Service does not send citizens here, since
    // it is never ready to serve.
    let (mine, namespace) = (labels("e-payment"), town.namespace());
    let reached = async |arguments: &[&str]| cluster.probe(&namespace, &mine, arguments).await.unwrap();
    for (arguments, expected) in [
        (["dns", "kubernetes.default.svc.cluster.local", ""], true),
        (["tcp", "10.88.0.1", "5432"], true),
        (["tcp", "10.88.0.1", "6443"], false),
        (["tcp", "kubernetes.default.svc.cluster.local", "443"], false),
        (["tcp", "rathaus.rathaus-system.svc.cluster.local", "9090"], false),
    ] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|part| !part.is_empty()).collect();
        if expected {
            // Policies reach a node a moment after the pod; what stays closed must stay closed at once.
            eventually(&format!("{arguments:?} is reached"), || async {
                let probe = reached(&arguments).await;
                if probe.reached { Ok(()) } else { Err(probe.log) }
            })
            .await;
        } else {
            let probe = reached(&arguments).await;
            assert!(!probe.reached, "{arguments:?}: {}", probe.log);
        }
    }
    // A pod of the town that is no module has not even the database.
    let probe = cluster.probe(&namespace, &BTreeMap::new(), &["tcp", "10.88.0.1", "5432"]).await.unwrap();
    assert!(!probe.reached, "{}", probe.log);
    town.remove().await;
}

pub async fn a_pod_of_another_town_cannot_reach_them_and_a_named_sibling_can() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "iso-b", "502").await;
    let other = Town::admit(&cluster.client, "iso-c", "503").await;
    other.opt_in("e-payment").await;
    town.opt_in("e-payment").await;
    let mut caller = crate::support::service_module("iso-b", "caller");
    caller["spec"]["uses"] = serde_json::json!(["e-payment"]);
    town.opt_in_with(caller).await;
    town.opt_in("stranger").await;
    for module in ["e-payment", "caller", "stranger"] {
        town.module_ready(module).await;
    }
    other.module_ready("e-payment").await;

    let address = pod_address(&town, "e-payment").await;
    let reach = async |from: &Town, module: &str, port: &str| {
        cluster.probe(&from.namespace(), &labels(module), &["tcp", &address, port]).await.unwrap()
    };
    // The caller's policies take a moment to reach the node after it was created.
    eventually("the named sibling reaches it", || async {
        let probe = reach(&town, "caller", "8080").await;
        if probe.reached { Ok(()) } else { Err(probe.log) }
    })
    .await;
    for (from, module, port) in
        [(&other, "e-payment", "8080"), (&town, "stranger", "8080"), (&town, "caller", "9090")]
    {
        let probe = reach(from, module, port).await;
        assert!(!probe.reached, "{} {module} reached port {port}: {}", from.name, probe.log);
    }
    town.remove().await;
    other.remove().await;
}

pub async fn a_modules_role_enters_its_own_database_only() {
    let town = Town::admit(&cluster().await.client, "iso-d", "504").await;
    town.opt_in("e-payment").await;
    town.opt_in("second").await;
    town.module_ready("e-payment").await;
    town.module_ready("second").await;
    let entered = e2e::database::sql(
        "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database \
         WHERE datallowconn AND has_database_privilege('iso-d_e-payment', oid, 'CONNECT')",
    )
    .await
    .unwrap();
    assert_eq!(entered, "iso-d_e-payment");
    let rights = "SELECT rolsuper, rolcreatedb, rolcreaterole, rolconnlimit FROM pg_roles WHERE rolname = 'iso-d_e-payment'";
    assert_eq!(
        e2e::database::sql(rights).await.unwrap(),
        "f|f|f|17",
        "for two pods, a third during roll-outs, and migrations"
    );
    town.remove().await;
}
