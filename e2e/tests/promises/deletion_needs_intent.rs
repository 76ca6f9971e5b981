// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: data goes only when a person deletes the Municipality or the ServiceModule itself under
//! `Delete`, only from a database that is proven the operator's, and no town can hold up its own removal.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};
use rathaus::api::{ModuleClass, ServiceModule};
use serde_json::{Value, json};

use crate::client;
use crate::support::{Town, delete, eventually, merge, municipality, service_module};

/// Admits a town whose data goes with its objects.
async fn admit_under_delete(name: &str, number: &str) -> Town {
    let mut object = municipality(name, number);
    object["spec"]["deletionPolicy"] = "Delete".into();
    Town::admit_with(&client().await, name, object).await
}

/// The number that PostgreSQL gave a database, and whether its role may log in. Another number would be another
/// database.
async fn database(name: &str) -> (String, String) {
    let number = format!("SELECT oid FROM pg_database WHERE datname = '{name}'");
    let login = format!("SELECT rolcanlogin FROM pg_roles WHERE rolname = '{name}'");
    (e2e::database::sql(&number).await.unwrap(), e2e::database::sql(&login).await.unwrap())
}

pub async fn a_class_and_a_namespace_that_disappear_leave_the_data_and_a_person_takes_it() {
    let town = admit_under_delete("intent-a", "311").await;
    town.ready().await;
    let classes = Api::<ModuleClass>::all(town.client.clone());
    delete(&classes, "intent-class").await;
    let class = ModuleClass::new("intent-class", classes.get("e-payment").await.unwrap().spec);
    classes.create(&PostParams::default(), &class).await.unwrap();
    let mut module = service_module("intent-a", "e-payment");
    module["spec"]["class"] = "intent-class".into();
    town.opt_in_with(module.clone()).await;
    town.module_ready("e-payment").await;
    let before = database("intent-a_e-payment").await;
    assert_eq!(before.1, "t");

    delete(&classes, "intent-class").await;
    town.module_says("e-payment", "ClassAccepted", "False", "ClassNotFound").await;
    town.api::<Deployment>().get("e-payment").await.expect("keeps running without its class");
    assert_eq!(database("intent-a_e-payment").await, before);
    classes.create(&PostParams::default(), &class).await.unwrap();

    let namespaces = Api::<Namespace>::all(town.client.clone());
    let first = namespaces.get("mun-intent-a").await.unwrap().uid();
    namespaces.delete("mun-intent-a", &Default::default()).await.unwrap();
    eventually("the namespace is made anew", || async {
        let uid = namespaces.get_opt("mun-intent-a").await.unwrap().and_then(|namespace| namespace.uid());
        if uid.is_some() && uid != first { Ok(()) } else { Err(format!("{uid:?}")) }
    })
    .await;
    town.ready().await;
    assert_eq!(town.modules().list(&ListParams::default()).await.unwrap().items, []);
    assert_eq!(database("intent-a_e-payment").await, (before.0.clone(), "f".to_owned()), "kept, and locked");

    town.opt_in_with(module).await;
    town.module_ready("e-payment").await;
    assert_eq!(database("intent-a_e-payment").await, before, "the same database, open again");

    // A person deletes the municipality, and the policy still is `Delete`.
    town.remove().await;
    assert_eq!(database("intent-a_e-payment").await, (String::new(), String::new()));
    delete(&classes, "intent-class").await;
}

pub async fn a_refused_module_leaves_the_foreign_database_when_it_goes() {
    let town = admit_under_delete("intent-b", "312").await;
    town.ready().await;
    let sql = async |statement: &str| e2e::database::sql(statement).await.unwrap();
    for name in ["intent-b_e-payment", "intent-b_second"] {
        sql(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await;
        sql(&format!("DROP ROLE IF EXISTS \"{name}\"")).await;
    }
    // One stands where the operator makes its role beside it, the other comes with a role of its own. A database
    // that everybody may connect to would stop the modules of all towns: these accept no connection.
    sql("CREATE DATABASE \"intent-b_e-payment\" ALLOW_CONNECTIONS false").await;
    sql("CREATE ROLE \"intent-b_second\" LOGIN").await;
    sql("CREATE DATABASE \"intent-b_second\" OWNER \"intent-b_second\" ALLOW_CONNECTIONS false").await;
    let foreign = [database("intent-b_e-payment").await.0, database("intent-b_second").await.0];

    for name in ["e-payment", "second"] {
        town.opt_in(name).await;
        town.module_says(name, "DatabaseReady", "False", "DatabaseForeign").await;
        delete(&town.modules(), name).await;
    }
    let left = [database("intent-b_e-payment").await.0, database("intent-b_second").await.0];
    assert_eq!(left, foreign);
    assert_eq!(database("intent-b_second").await.1, "t", "nor is its role locked");

    // The whole town takes nothing foreign along either.
    town.opt_in("second").await;
    town.module_says("second", "DatabaseReady", "False", "DatabaseForeign").await;
    town.remove().await;
    assert_eq!(database("intent-b_second").await, (foreign[1].clone(), "t".to_owned()));
    for name in ["intent-b_e-payment", "intent-b_second"] {
        sql(&format!("DROP DATABASE \"{name}\"")).await;
        sql(&format!("DROP ROLE IF EXISTS \"{name}\"")).await;
    }
}

pub async fn a_town_cannot_hold_up_its_removal_by_finalizers() {
    let town = Town::admit(&client().await, "intent-c", "313").await;
    town.ready().await;
    let admin = town.as_administrator().await;
    let now = PostParams::default();
    let secret = |name: &str, finalizers: Value| -> Secret {
        let metadata = json!({"name": name, "finalizers": finalizers});
        serde_json::from_value(json!({"metadata": metadata, "type": "Opaque"})).unwrap()
    };
    let module = |name: &str, finalizers: Value| -> ServiceModule {
        let mut object = service_module("intent-c", name);
        object["metadata"]["finalizers"] = finalizers;
        object["spec"]["class"] = "no-such-class".into(); // so that no pod starts
        serde_json::from_value(object).unwrap()
    };
    let theirs = || json!(["town.example/keep"]);
    let kept = json!({"metadata": {"finalizers": theirs()}});

    // The administrators' rights may take a moment to work.
    eventually("an administrator creates a Secret", || async {
        match admin.api::<Secret>().create(&now, &secret("plain", json!([]))).await {
            Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
            answer => answer.map(drop).map_err(|error| error.to_string()),
        }
    })
    .await;
    admin.modules().create(&now, &module("plain", json!([]))).await.unwrap();
    for (what, refused) in [
        ("a new Secret", admin.api::<Secret>().create(&now, &secret("kept", theirs())).await.err()),
        ("a Secret", admin.api::<Secret>().replace("plain", &now, &secret("plain", theirs())).await.err()),
        ("a new ServiceModule", admin.modules().create(&now, &module("kept", theirs())).await.err()),
        ("a ServiceModule", {
            let patch = kube::api::Patch::Merge(&kept);
            admin.modules().patch("plain", &kube::api::PatchParams::default(), &patch).await.err()
        }),
    ] {
        let message = refused.map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("finalizers other than rathaus.dev/cleanup"), "{what}: {message}");
    }

    // What is there all the same, from before the policy or by somebody else, goes with the town.
    merge(&town.api::<Secret>(), "plain", kept.clone()).await;
    merge(&town.modules(), "plain", kept).await;
    town.remove().await;
}
