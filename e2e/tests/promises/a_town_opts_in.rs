// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: a town is admitted, opts in with one object, and gets an isolated component of its own.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;

use crate::client;
use crate::support::{TOKEN, Town, eventually, json_of, service_module};

pub async fn a_town_gets_a_namespace_with_walls_and_its_administrators() {
    let town = Town::admit(&client().await, "opts-a", "101").await;
    let ready = town.ready().await.status.unwrap();
    assert_eq!((ready.namespace.as_deref(), ready.ags.as_deref()), (Some("mun-opts-a"), Some("05599101")));

    let namespace = Api::<Namespace>::all(town.client.clone()).get("mun-opts-a").await.unwrap();
    let labels = namespace.metadata.labels.unwrap();
    assert_eq!(labels["pod-security.kubernetes.io/enforce"], "restricted");
    assert_eq!(namespace.metadata.owner_references, None, "a deleted definition must not take it along");
    let binding = town.api::<RoleBinding>().get("rathaus-administrators").await.unwrap();
    assert_eq!(json_of(&binding)["subjects"][0]["name"], "opts-a-it");

    // Who is no longer an administrator loses the right.
    town.change(json!({"spec": {"administrators": [{"kind": "User", "name": "eva"}]}})).await;
    town.ready().await;
    let binding = town.api::<RoleBinding>().get("rathaus-administrators").await.unwrap();
    assert_eq!(
        json_of(&binding)["subjects"],
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "eva"}])
    );
    town.remove().await;
}

pub async fn one_object_becomes_a_component_that_answers_at_its_own_address() {
    let cluster = crate::cluster().await;
    let town = Town::admit(&cluster.client, "opts-b", "102").await;
    town.opt_in("e-payment").await;
    let status = town.module_ready("e-payment").await.status.unwrap();
    assert_eq!(status.url.as_deref(), Some("https://e-payment.opts-b.rathaus.example"));
    assert!(status.image.unwrap().contains("@sha256:"));

    let url = "https://e-payment.opts-b.rathaus.example/status/parkausweis/055990102102";
    let answer = cluster.citizen.get(url).bearer_auth(TOKEN).send().await.unwrap();
    assert_eq!(answer.status(), 200);

    eventually("the town counts its module", || async {
        let counted = town.municipalities().get("opts-b").await.unwrap().status.unwrap().modules.unwrap();
        if (counted.ready, counted.total) == (1, 1) { Ok(()) } else { Err(format!("{counted:?}")) }
    })
    .await;
    town.remove().await;
}

pub async fn administrators_may_opt_in_and_touch_nothing_else() {
    let town = Town::admit(&client().await, "opts-c", "103").await;
    town.ready().await;
    let admin = town.as_administrator().await;

    admin.modules().list(&ListParams::default()).await.unwrap();
    let module = serde_json::from_value(service_module("opts-c", "e-payment")).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    admin.modules().create(&dry, &module).await.unwrap();
    admin.api::<Pod>().list(&ListParams::default()).await.unwrap();

    let elsewhere = Api::<Pod>::namespaced(admin.client.clone(), "rathaus-system");
    let secrets = admin.api::<k8s_openapi::api::core::v1::Secret>();
    for (what, refused) in [
        ("secrets", secrets.list(&ListParams::default()).await.err()),
        ("another namespace", elsewhere.list(&ListParams::default()).await.err()),
        ("municipalities", admin.municipalities().list(&ListParams::default()).await.err()),
        ("deployments", admin.api::<Deployment>().delete("x", &Default::default()).await.err()),
    ] {
        assert!(
            matches!(&refused, Some(kube::Error::Api(status)) if status.is_forbidden()),
            "{what}: {refused:?}"
        );
    }
    town.remove().await;
}
