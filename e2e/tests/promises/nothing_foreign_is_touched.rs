// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 3): the operator never touches an object, namespace or database that it did not
//! make, whatever labels or status say.

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Service};
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::client;
use crate::support::{Town, cause_reconcile, delete, json_of, message, municipality};

/// All labels that the operator sets itself.
fn operator_labels(town: &str, ars: &str, module: &str) -> Value {
    json!({
        "app.kubernetes.io/managed-by": "rathaus", "rathaus.dev/municipality": town,
        "rathaus.dev/ars": ars, "rathaus.dev/module": module,
    })
}

pub async fn invariant_3_a_namespace_that_is_there_is_not_adopted() {
    let client = client().await;
    let namespaces = Api::<Namespace>::all(client.clone());
    delete(&namespaces, "mun-own-a").await;
    let labels = json!({"app.kubernetes.io/managed-by": "rathaus", "rathaus.dev/ars": "055990701701"});
    let namespace: Namespace =
        serde_json::from_value(json!({"metadata": {"name": "mun-own-a", "labels": labels}})).unwrap();
    let before = namespaces.create(&PostParams::default(), &namespace).await.unwrap();

    let object = serde_json::from_value(municipality("own-a", "701")).unwrap();
    let town = Town { client: client.clone(), name: "own-a".to_owned() };
    delete(&town.municipalities(), "own-a").await;
    town.municipalities().create(&PostParams::default(), &object).await.unwrap();
    let refused = town.municipality_says("NamespaceReady", "False", "NamespaceForeign").await;
    assert!(message(&refused.status.unwrap().conditions, "Ready").contains("mun-own-a"));
    // Nor by a status that claims it.
    let claim = json!({"status": {"namespace": "mun-own-a"}});
    town.municipalities()
        .patch_status("own-a", &PatchParams::default(), &Patch::Merge(&claim))
        .await
        .unwrap();
    delete(&town.municipalities(), "own-a").await;
    let after = namespaces.get("mun-own-a").await.unwrap();
    assert_eq!(
        after.metadata.resource_version, before.metadata.resource_version,
        "not even a label was written"
    );

    // State IT removes the namespace, and the town goes on by itself.
    town.municipalities().create(&PostParams::default(), &object).await.unwrap();
    town.municipality_says("NamespaceReady", "False", "NamespaceForeign").await;
    delete(&namespaces, "mun-own-a").await;
    town.ready().await;
    town.remove().await;
}

pub async fn invariant_3_objects_with_forged_labels_are_neither_taken_over_nor_pruned() {
    let town = Town::admit(&client().await, "own-b", "702").await;
    town.ready().await;
    let service = json!({
        "metadata": {"name": "e-payment", "labels": operator_labels("own-b", "055990702702", "e-payment")},
        "spec": {"ports": [{"port": 1234}]},
    });
    let services = town.api::<Service>();
    services.create(&PostParams::default(), &serde_json::from_value(service).unwrap()).await.unwrap();
    let config = json!({"metadata": {"name": "mine", "labels": operator_labels("own-b", "055990702702", "e-payment")}});
    let configs = town.api::<ConfigMap>();
    configs.create(&PostParams::default(), &serde_json::from_value(config).unwrap()).await.unwrap();

    town.opt_in("e-payment").await;
    let refused = town.module_says("e-payment", "Deployed", "False", "ObjectForeign").await;
    assert!(message(&refused.status.unwrap().conditions, "Deployed").contains("Service e-payment"));
    assert_eq!(json_of(&services.get("e-payment").await.unwrap())["spec"]["ports"][0]["port"], 1234);

    delete(&services, "e-payment").await;
    town.module_ready("e-payment").await;
    cause_reconcile(&town).await;
    delete(&town.modules(), "e-payment").await;
    configs.get("mine").await.expect("survives the module");
    town.remove().await;
}

pub async fn invariant_3_a_database_that_is_there_is_not_taken_over() {
    let town = Town::admit(&client().await, "own-c", "703").await;
    town.ready().await;
    e2e::database::sql("DROP DATABASE IF EXISTS \"own-c_e-payment\" WITH (FORCE)").await.unwrap();
    e2e::database::sql("DROP ROLE IF EXISTS \"own-c_e-payment\"").await.unwrap();
    e2e::database::sql("CREATE DATABASE \"own-c_e-payment\"").await.unwrap();
    town.opt_in("e-payment").await;
    let refused = town.module_says("e-payment", "DatabaseReady", "False", "DatabaseForeign").await;
    assert!(message(&refused.status.unwrap().conditions, "Ready").contains("own-c_e-payment"));
    let owner = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'own-c_e-payment'";
    assert_eq!(e2e::database::sql(owner).await.unwrap(), "postgres");
    e2e::database::sql("DROP DATABASE \"own-c_e-payment\"").await.unwrap();
    town.module_ready("e-payment").await;
    town.remove().await;
}
