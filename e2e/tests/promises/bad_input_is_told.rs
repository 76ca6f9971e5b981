// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: whatever is wrong gets its own reason and a sentence that says what to do, at the object
//! that a person looks at, and clears when it is mended.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use rathaus::api::ModuleClass;
use serde_json::{Value, json};

use crate::client;
use crate::support::{
    TOKEN, Town, cause_reconcile, delete, eventually, message, module_message, municipality, next_second,
    publish_class, service_module,
};

pub async fn each_wrong_choice_has_its_reason_and_clears_when_mended() {
    let town = Town::admit(&client().await, "bad-a", "201").await;
    town.ready().await;
    publish_class(&town.client, "bad-mailbox", |class| class["spec"]["type"] = "Mailbox".into()).await;
    publish_class(&town.client, "bad-bavaria", |class| {
        class["spec"]["offeredTo"] = json!({"arsPrefixes": ["09"]})
    })
    .await;

    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let spec = |change: Value| json!({"spec": change});
    for (change, reason, words, mended) in [
        (
            spec(json!({"class": "nowhere"})),
            "ClassNotFound",
            "kubectl get moduleclasses",
            spec(json!({"class": "e-payment"})),
        ),
        (
            spec(json!({"class": "bad-mailbox"})),
            "TypeMismatch",
            "type Mailbox",
            spec(json!({"class": "e-payment"})),
        ),
        (
            spec(json!({"class": "bad-bavaria"})),
            "ClassNotOffered",
            "055990201201",
            spec(json!({"class": "e-payment"})),
        ),
        (spec(json!({"plan": "huge"})), "PlanUnknown", "it has: small", spec(json!({"plan": "small"}))),
        (spec(json!({"uses": ["mailbox"]})), "SiblingNotFound", "mailbox", spec(json!({"uses": null}))),
    ] {
        crate::support::merge(&town.modules(), "e-payment", change).await;
        let module = town.module_says("e-payment", "ClassAccepted", "False", reason).await;
        assert!(module_message(&module, "Ready").contains(words), "{}", module_message(&module, "Ready"));
        crate::support::merge(&town.modules(), "e-payment", mended).await;
        town.module_ready("e-payment").await;
    }
    for class in ["bad-mailbox", "bad-bavaria"] {
        delete(&Api::<ModuleClass>::all(town.client.clone()), class).await;
    }
    town.remove().await;
}

pub async fn an_image_that_cannot_be_had_and_one_that_does_not_start_are_told_apart() {
    let town = Town::admit(&client().await, "bad-b", "202").await;
    town.ready().await;
    publish_class(&town.client, "bad-image", |class| {
        class["spec"]["image"] = format!("registry.invalid/nothing@sha256:{}", "b".repeat(64)).into();
    })
    .await;
    let mut module = service_module("bad-b", "absent");
    module["spec"]["class"] = "bad-image".into();
    town.opt_in_with(module).await;
    town.module_says("absent", "Deployed", "False", "ImageNotAvailable").await;

    // The probe program has no `migrate`: it ends at once, as a broken module would.
    let probe = e2e::images::packed("probe").unwrap().reference();
    publish_class(&town.client, "bad-start", |class| class["spec"]["image"] = probe.clone().into()).await;
    let mut module = service_module("bad-b", "broken");
    module["spec"]["class"] = "bad-start".into();
    town.opt_in_with(module).await;
    let module = town.module_says("broken", "Deployed", "False", "MigrationFailing").await;
    // Log lines can contain secrets: the message says where they are.
    let (text, output) = (module_message(&module, "Deployed"), "unrecognized subcommand");
    assert!(text.contains("kubectl -n mun-bad-b logs broken-") && !text.contains(output), "{text}");

    // State IT allows them for the class.
    let classes = Api::<ModuleClass>::all(town.client.clone());
    crate::support::merge(&classes, "bad-start", json!({"spec": {"diagnostics": {"containerLogs": true}}}))
        .await;
    eventually("the message contains the container's last log lines", || async {
        let module = town.modules().get("broken").await.map_err(|error| error.to_string())?;
        let text = module_message(&module, "Deployed");
        if text.contains(output) { Ok(()) } else { Err(text) }
    })
    .await;

    // Mended by state IT in the catalogue; the town does nothing.
    let good = classes.get("e-payment").await.unwrap().spec.image;
    crate::support::merge(&classes, "bad-start", json!({"spec": {"image": good}})).await;
    town.module_ready("broken").await;
    for class in ["bad-image", "bad-start"] {
        delete(&classes, class).await;
    }
    town.remove().await;
}

pub async fn a_secret_that_is_missing_or_unusable_is_told_and_clears_when_it_is_made() {
    let town = Town::admit(&client().await, "bad-h", "207").await;
    let secrets = town.api::<Secret>();
    let mut module = service_module("bad-h", "e-payment");
    module["spec"]["ePayment"]["clients"][0]["secret"] = "portal".into();
    town.opt_in_with(module).await;
    let module = town.module_says("e-payment", "Deployed", "False", "SecretNotFound").await;
    let words = "kubectl -n mun-bad-h create secret generic portal --from-file=token=/dev/stdin";
    assert!(module_message(&module, "Ready").contains(words), "{}", module_message(&module, "Ready"));

    town.keep_secret("portal", json!({"token": "far-too-short"})).await;
    let module = town.module_says("e-payment", "Deployed", "False", "SecretIncomplete").await;
    assert!(
        !module_message(&module, "Ready").contains("far-too-short"),
        "{}",
        module_message(&module, "Ready")
    );

    delete(&secrets, "portal").await;
    town.keep_secret("portal", json!({"token": TOKEN})).await;
    town.module_ready("e-payment").await;

    // What runs keeps running without it.
    delete(&secrets, "portal").await;
    cause_reconcile(&town).await;
    town.module_says("e-payment", "Deployed", "False", "SecretNotFound").await;
    let deployment = town.api::<Deployment>().get("e-payment").await.unwrap();
    assert_eq!(deployment.status.unwrap().available_replicas, Some(2));
    town.keep_secret("portal", json!({"token": TOKEN})).await;
    town.module_ready("e-payment").await;
    town.remove().await;
}

pub async fn a_quota_that_is_used_up_is_told_and_clears_when_raised() {
    let mut small = municipality("bad-c", "203");
    small["spec"]["quota"] = json!({"memory": "64Mi", "modules": 1});
    let town = Town::admit_with(&client().await, "bad-c", small).await;
    town.ready().await;
    town.opt_in("e-payment").await;
    let module = town.module_says("e-payment", "Deployed", "False", "QuotaExceeded").await;
    assert!(
        module_message(&module, "Deployed").contains("larger quota"),
        "{}",
        module_message(&module, "Deployed")
    );

    town.change(json!({"spec": {"quota": {"memory": "4Gi"}}})).await;
    town.module_ready("e-payment").await;

    town.opt_in("second").await;
    let module = town.module_says("second", "ClassAccepted", "False", "ModuleLimitReached").await;
    assert!(
        module_message(&module, "Ready").contains("larger spec.quota.modules"),
        "{}",
        module_message(&module, "Ready")
    );
    town.change(json!({"spec": {"quota": {"modules": 2}}})).await;
    town.module_ready("second").await;
    town.remove().await;
}

pub async fn a_hostname_or_ars_that_is_foreign_or_taken_is_told_and_clears_when_mended() {
    let client = client().await;
    let first = Town::admit(&client, "bad-d", "204").await;
    first.ready().await;
    // Kubernetes notes creation in whole seconds: within one, neither object is the older.
    next_second().await;

    let mut second = municipality("bad-e", "205");
    second["spec"]["hostname"] = "bad-e.elsewhere.example".into();
    let second = Town::admit_with(&client, "bad-e", second).await;
    second.municipality_says("Ready", "False", "HostnameForeign").await;
    second.change(json!({"spec": {"hostname": "neu.bad-d.rathaus.example"}})).await;
    let refused = second.municipality_says("Ready", "False", "HostnameTaken").await;
    assert!(message(&refused.status.unwrap().conditions, "Ready").contains("held by municipality bad-d"));
    second.change(json!({"spec": {"hostname": "bad-e.rathaus.example"}})).await;
    second.ready().await;

    let mut twin = municipality("bad-f", "204");
    twin["spec"]["hostname"] = "bad-f.rathaus.example".into();
    let twin = Town::admit_with(&client, "bad-f", twin).await;
    twin.municipality_says("Ready", "False", "ArsTaken").await;
    first.remove().await;
    twin.ready().await;
    second.remove().await;
    twin.remove().await;
}
