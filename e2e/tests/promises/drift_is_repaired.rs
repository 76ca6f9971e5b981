// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 5): what is changed by hand is repaired, what is deleted comes back, and what
//! is no longer wanted goes.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, ResourceQuota, Secret, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use rathaus::cluster::get_seal_key;
use rathaus::tenant::SEAL;
use serde_json::json;

use crate::client;
use crate::support::{Town, cause_reconcile, eventually, gone, json_of, merge};

pub async fn invariant_5_what_is_changed_by_hand_is_repaired() {
    let town = Town::admit(&client().await, "drift-a", "401").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;

    merge(&town.api::<Deployment>(), "e-payment", json!({"spec": {"replicas": 0}})).await;
    repaired(&town.api::<Deployment>(), "e-payment", "/spec/replicas", json!(2)).await;

    // What an attacker would open.
    let open = json!({"spec": {"ingress": [{}], "egress": [{}]}});
    merge(&town.api::<NetworkPolicy>(), "e-payment", open).await;
    repaired(&town.api::<NetworkPolicy>(), "e-payment", "/spec/ingress/0/ports/0/port", json!(8080)).await;
    merge(&town.api::<NetworkPolicy>(), "rathaus-default-deny", json!({"spec": {"egress": [{}]}})).await;
    repaired(&town.api::<NetworkPolicy>(), "rathaus-default-deny", "/spec/egress", json!(null)).await;

    merge(&town.api::<ResourceQuota>(), "rathaus", json!({"spec": {"hard": {"requests.cpu": "99"}}})).await;
    repaired(&town.api::<ResourceQuota>(), "rathaus", "/spec/hard/requests.cpu", json!("2")).await;

    let more =
        json!({"subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]});
    merge(&town.api::<RoleBinding>(), "rathaus-administrators", more).await;
    repaired(&town.api::<RoleBinding>(), "rathaus-administrators", "/subjects/0/name", json!("drift-a-it"))
        .await;
    town.remove().await;
}

async fn repaired<K>(api: &Api<K>, name: &str, pointer: &str, wanted: serde_json::Value)
where
    K: kube::Resource + Clone + serde::de::DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    eventually(&format!("{name} {pointer} is {wanted} again"), || async {
        let object = json_of(&api.get(name).await.map_err(|error| error.to_string())?);
        let found = object.pointer(pointer).cloned().unwrap_or_default();
        if found == wanted { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
}

pub async fn invariant_5_what_is_deleted_by_hand_comes_back() {
    let town = Town::admit(&client().await, "drift-b", "402").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let url = json_of(&town.api::<Secret>().get("e-payment").await.unwrap())["data"]["url"].clone();

    let now = DeleteParams::background();
    // These two are not watched; they come back with the next reconcile, which the loss of the Service causes.
    town.api::<ConfigMap>().delete("e-payment", &now).await.unwrap();
    town.api::<Secret>().delete("e-payment", &now).await.unwrap();
    town.api::<Service>().delete("e-payment", &now).await.unwrap();
    town.api::<NetworkPolicy>().delete("rathaus-default-deny", &now).await.unwrap();
    town.api::<Deployment>().delete("e-payment", &now).await.unwrap();
    for kind in ["ConfigMap", "Secret", "Service", "NetworkPolicy", "Deployment"] {
        eventually(&format!("{kind} is back"), || async {
            let found = match kind {
                "ConfigMap" => town.api::<ConfigMap>().get("e-payment").await.map(drop),
                "Secret" => town.api::<Secret>().get("e-payment").await.map(drop),
                "Service" => town.api::<Service>().get("e-payment").await.map(drop),
                "NetworkPolicy" => town.api::<NetworkPolicy>().get("rathaus-default-deny").await.map(drop),
                _ => town.api::<Deployment>().get("e-payment").await.map(drop),
            };
            found.map_err(|error| error.to_string())
        })
        .await;
    }
    town.module_ready("e-payment").await;
    let renewed = json_of(&town.api::<Secret>().get("e-payment").await.unwrap())["data"]["url"].clone();
    assert_eq!(url, renewed, "a Secret that was lost comes back with its password");
    town.remove().await;
}

pub async fn invariant_5_what_the_operator_made_and_no_longer_wants_is_pruned() {
    let town = Town::admit(&client().await, "drift-c", "403").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    // As an older version of the operator could have left it: of a kind that a module no longer has, and sealed.
    let key = get_seal_key(&town.client, "rathaus-system").await.unwrap().unwrap();
    let seal = key.seal("ResourceQuota", &town.namespace(), "e-payment", "055990403403");
    let quota = |name: &str| {
        json!({
            "metadata": {"name": name, "annotations": {SEAL: seal}, "labels": {
                "app.kubernetes.io/managed-by": "rathaus", "rathaus.dev/municipality": "drift-c",
                "rathaus.dev/module": "e-payment"}},
            "spec": {"hard": {"pods": "100"}},
        })
    };
    let quotas = town.api::<ResourceQuota>();
    for name in ["left-over", "e-payment"] {
        quotas.create(&PostParams::default(), &serde_json::from_value(quota(name)).unwrap()).await.unwrap();
    }
    cause_reconcile(&town).await;
    gone(&quotas, "e-payment").await;
    quotas.get("left-over").await.expect("the seal of another name is none");
    town.remove().await;
}
