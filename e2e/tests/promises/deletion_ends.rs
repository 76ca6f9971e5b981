// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: deletion always ends, and data goes only where the policy says so.

use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::support::{TOKEN, Town, delete, gone, municipality};
use crate::{client, cluster};

/// Databases and roles, with whether the role may log in, whose names start with the town's.
async fn on_server(town: &str) -> (String, String) {
    let databases = format!("SELECT datname FROM pg_database WHERE datname LIKE '{town}\\_%' ORDER BY 1");
    let roles =
        format!("SELECT rolname, rolcanlogin FROM pg_roles WHERE rolname LIKE '{town}\\_%' ORDER BY 1");
    (e2e::database::sql(&databases).await.unwrap(), e2e::database::sql(&roles).await.unwrap())
}

fn payment(request: &str) -> Value {
    json!({
        "requestId": request, "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR",
        "grosAmount": 28.80, "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
        "redirectUrl": "https://www.town.example/return",
        "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
            "totalNetAmount": 28.80, "totalTaxAmount": 0.00, "singleNetAmount": 28.80, "singleTaxAmount": 0.00,
            "bookingData": {}}],
    })
}

pub async fn retained_data_outlives_the_module_and_is_there_when_it_comes_back() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "del-a", "301").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let base = "https://e-payment.del-a.rathaus.example/paymenttransaction/parkausweis/055990301301";
    let answer = cluster.citizen.post(base).bearer_auth(TOKEN).json(&payment("R-1")).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let transaction: Value = answer.json().await.unwrap();
    let id = transaction["paymentInformation"]["transactionId"].as_str().unwrap().to_owned();

    delete(&town.modules(), "e-payment").await;
    gone(&town.api::<Deployment>(), "e-payment").await;
    let left = on_server("del-a").await;
    assert_eq!(left, ("del-a_e-payment".to_owned(), "del-a_e-payment|f".to_owned()), "kept, and locked");

    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let answer = cluster.citizen.get(format!("{base}/{id}")).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let found: Value = answer.json().await.unwrap();
    assert_eq!(found["paymentInformation"]["status"], "INITIAL");

    town.remove().await;
    assert_eq!(on_server("del-a").await.0, "del-a_e-payment", "the municipality's policy is Retain");
}

pub async fn deleted_data_is_dropped_with_its_role() {
    let mut object = municipality("del-b", "302");
    object["spec"]["deletionPolicy"] = "Delete".into();
    let town = Town::admit_with(&client().await, "del-b", object).await;
    town.opt_in("e-payment").await;
    town.opt_in("second").await;
    town.module_ready("e-payment").await;
    town.module_ready("second").await;
    delete(&town.modules(), "e-payment").await;
    assert_eq!(on_server("del-b").await.0, "del-b_second");
    // The town leaves with a module still running.
    town.remove().await;
    assert_eq!(on_server("del-b").await, (String::new(), String::new()));
}

pub async fn a_namespace_deleted_by_hand_ends_and_comes_back_with_the_towns_data() {
    let town = Town::admit(&client().await, "del-c", "303").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let namespaces = Api::<k8s_openapi::api::core::v1::Namespace>::all(town.client.clone());
    let before = namespaces.get("mun-del-c").await.unwrap().metadata.uid;
    namespaces.delete("mun-del-c", &Default::default()).await.unwrap();
    crate::support::eventually("the namespace is made anew", || async {
        let uid = namespaces.get_opt("mun-del-c").await.unwrap().and_then(|namespace| namespace.metadata.uid);
        if uid.is_some() && uid != before { Ok(()) } else { Err(format!("{uid:?}")) }
    })
    .await;
    town.ready().await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    assert_eq!(town.modules().list(&ListParams::default()).await.unwrap().items.len(), 1);
    town.remove().await;
}

pub async fn a_refused_town_can_leave_and_takes_nothing_along() {
    let client = client().await;
    let mut object = municipality("del-d", "304");
    object["spec"]["hostname"] = "del-d.elsewhere.example".into();
    let town = Town::admit_with(&client, "del-d", object).await;
    town.municipality_says("Ready", "False", "HostnameForeign").await;
    town.remove().await;
}
