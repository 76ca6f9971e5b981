// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 11): whatever anybody adds to, changes in or removes from an object of the operator's is put
//! right within ten seconds, and no label, owner reference or manager name that anybody removes or forges makes the
//! operator delete, adopt or abandon anything.

use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use rathaus::desired::{Kind, Tolerated, canonical, differences};
use serde_json::{Value, json};

use crate::client;
use crate::support::{Town, delete, eventually, json_of, merge, message, municipality};

/// What the promise allows.
const LIMIT: Duration = Duration::from_secs(10);

/// One change: the field, and its new value; `null` removes it.
type Tampering = (&'static str, Value);

/// The changes that somebody makes to one object, one after the other.
fn tamperings() -> Vec<(Kind, &'static str, Vec<Tampering>)> {
    let module_label = || ("/metadata/labels/rathaus.dev~1module", json!(null));
    let managed_label = || ("/metadata/labels/app.kubernetes.io~1managed-by", json!(null));
    let finalizer = || ("/metadata/finalizers", json!(["example.com/stay"]));
    let annotation = || ("/metadata/annotations/example.com~1x", json!("y"));
    let filter = json!([{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": "X", "value": "y"}]}}]);
    let mallory = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"});
    vec![
        (
            Kind::NetworkPolicy,
            "rathaus-default-deny",
            vec![
                ("/spec/podSelector/matchLabels", json!({"none": "such"})),
                ("/spec/egress", json!([{}])),
                ("/metadata/labels/rathaus.dev~1module", json!("e-payment")),
                managed_label(),
            ],
        ),
        (
            Kind::NetworkPolicy,
            "e-payment",
            vec![
                ("/spec/ingress/0/from/0/namespaceSelector", json!({})),
                ("/spec/ingress/0/ports/0/endPort", json!(9090)),
                module_label(),
            ],
        ),
        (
            Kind::HTTPRoute,
            "e-payment",
            vec![
                ("/spec/rules/0/backendRefs/0/namespace", json!("default")),
                ("/spec/rules/0/filters", filter),
                module_label(),
                finalizer(),
            ],
        ),
        (
            Kind::Deployment,
            "e-payment",
            vec![
                ("/spec/template/spec/containers/0/command", json!(["/bin/sh"])),
                module_label(),
                ("/metadata/labels/rathaus.dev~1module", json!("another")),
                annotation(),
                managed_label(),
            ],
        ),
        (
            Kind::Service,
            "e-payment",
            vec![
                ("/spec/ports/-", json!({"name": "admin", "port": 9090, "targetPort": 9090})),
                module_label(),
                ("/metadata/ownerReferences", json!(null)),
            ],
        ),
        (Kind::ServiceAccount, "e-payment", vec![annotation(), module_label()]),
        (Kind::PodDisruptionBudget, "e-payment", vec![("/spec/maxUnavailable", json!(2)), module_label()]),
        (Kind::ResourceQuota, "rathaus", vec![("/spec/hard/count~1jobs.batch", json!("1")), managed_label()]),
        (Kind::LimitRange, "rathaus", vec![("/spec/limits/0/max", json!({"memory": "9Gi"})), annotation()]),
        (Kind::RoleBinding, "rathaus-administrators", vec![("/subjects/-", mallory), managed_label()]),
        (
            Kind::Namespace,
            "mun-tamper-a",
            vec![
                ("/metadata/labels/rathaus.dev~1ars", json!(null)),
                ("/metadata/labels/rathaus.dev~1municipality", json!(null)),
                ("/metadata/labels/pod-security.kubernetes.io~1warn", json!("privileged")),
                annotation(),
            ],
        ),
    ]
}

pub async fn whatever_is_tampered_with_is_put_right_and_nothing_is_deleted() {
    let town = Town::admit(&client().await, "tamper-a", "412").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    // These two are not watched. They are put right with the next reconcile, which the others cause.
    let kept = [Kind::Secret, Kind::ConfigMap].map(|kind| (kind, town.made(kind)));
    let mut before = Vec::new();
    for (kind, api) in &kept {
        before.push(form(*kind, &api.get("e-payment").await.unwrap()));
        tamper(api, "e-payment", "/metadata/labels/rathaus.dev~1module", &json!(null)).await;
    }
    let all = tamperings().into_iter().map(|(kind, name, changes)| {
        let api = town.made(kind);
        async move {
            for (pointer, value) in changes {
                put_right(&api, kind, name, pointer, &value).await;
            }
        }
    });
    join_all(all).await;
    for ((kind, api), before) in kept.iter().zip(before) {
        eventually(&format!("{kind:?} has its label back"), || async {
            let live = api.get("e-payment").await.map_err(|error| error.to_string())?;
            match differences(&before, &form(*kind, &live)) {
                differing if differing.is_empty() => Ok(()),
                differing => Err(format!("{differing:?}")),
            }
        })
        .await;
    }
    town.ready().await;
    town.module_ready("e-payment").await;
    town.remove().await;
}

/// The object in canonical form, with its UID: it must be the same object and not one that was made again.
fn form(kind: Kind, object: &DynamicObject) -> Value {
    let mut form = canonical(kind, &json_of(object), &Tolerated::default());
    form["metadata"]["uid"] = json!(object.uid());
    form
}

/// Makes a change, and waits until it is gone.
async fn put_right(api: &Api<DynamicObject>, kind: Kind, name: &str, pointer: &str, value: &Value) {
    let before = form(kind, &api.get(name).await.unwrap());
    let changed = form(kind, &tamper(api, name, pointer, value).await);
    assert_ne!(
        differences(&before, &changed),
        Vec::<String>::new(),
        "{kind:?} {name} {pointer} changed nothing"
    );
    let start = Instant::now();
    loop {
        let differing = match api.get_opt(name).await.unwrap() {
            Some(live) => differences(&before, &form(kind, &live)),
            None => panic!("{kind:?} {name} was deleted after {pointer}"),
        };
        if differing.is_empty() {
            return;
        }
        assert!(start.elapsed() < LIMIT, "{kind:?} {name} {pointer}: {differing:?} after {LIMIT:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Replaces an object with one that differs in one field; returns what the API server made of it.
async fn tamper(api: &Api<DynamicObject>, name: &str, pointer: &str, value: &Value) -> DynamicObject {
    eventually(&format!("the API server takes the change of {name}"), || async {
        let mut object = json_of(&api.get(name).await.map_err(|error| error.to_string())?);
        set(&mut object, pointer, value);
        let object = serde_json::from_value(object).unwrap();
        api.replace(name, &PostParams::default(), &object).await.map_err(|error| error.to_string())
    })
    .await
}

fn set(object: &mut Value, pointer: &str, value: &Value) {
    let (parent, field) = pointer.rsplit_once('/').unwrap();
    let field = field.replace("~1", "/");
    match object.pointer_mut(parent).unwrap() {
        Value::Array(items) => items.push(value.clone()),
        Value::Object(fields) if value.is_null() => drop(fields.remove(&field)),
        parent => parent[field] = value.clone(),
    }
}

pub async fn a_planted_namespace_with_our_managers_name_and_labels_is_refused() {
    let client = client().await;
    let namespaces = Api::<Namespace>::all(client.clone());
    let town = Town { client: client.clone(), name: "tamper-b".to_owned() };
    delete(&town.municipalities(), "tamper-b").await;
    delete(&namespaces, "mun-tamper-b").await;
    let object = municipality("tamper-b", "413");
    let labels = json!({"app.kubernetes.io/managed-by": "rathaus", "rathaus.dev/municipality": "tamper-b",
        "rathaus.dev/ars": object["spec"]["ars"]});
    let as_rathaus = PatchParams::apply("rathaus");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mun-tamper-b", "labels": labels}});
    namespaces.patch("mun-tamper-b", &as_rathaus, &Patch::Apply(&namespace)).await.unwrap();
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "rathaus-administrators", "labels": labels},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "mallory"}]});
    let bindings = town.api::<RoleBinding>();
    bindings.patch("rathaus-administrators", &as_rathaus, &Patch::Apply(&binding)).await.unwrap();
    let before = namespaces.get("mun-tamper-b").await.unwrap();

    let object = serde_json::from_value(object).unwrap();
    town.municipalities().create(&PostParams::default(), &object).await.unwrap();
    let refused = town.municipality_says("NamespaceReady", "False", "NamespaceForeign").await;
    assert!(message(&refused.status.unwrap().conditions, "Ready").contains("mun-tamper-b"));
    assert_eq!(bindings.get_opt("rathaus-operator").await.unwrap(), None, "the operator took no rights");
    delete(&town.municipalities(), "tamper-b").await;
    let after = namespaces.get("mun-tamper-b").await.unwrap();
    assert_eq!(after.metadata.resource_version, before.metadata.resource_version);
    bindings.get("rathaus-administrators").await.unwrap();
    delete(&namespaces, "mun-tamper-b").await;
}

pub async fn a_planted_secret_that_names_the_module_as_its_owner_is_never_used() {
    let town = Town::admit(&client().await, "tamper-c", "414").await;
    town.ready().await;
    let mut module = crate::support::service_module("tamper-c", "e-payment");
    module["spec"]["suspend"] = true.into();
    let uid = town.opt_in_with(module).await.uid().unwrap();
    let secret = json!({
        "metadata": {"name": "e-payment", "labels": {"rathaus.dev/module": "e-payment", "rathaus.dev/ars": "055990414414"},
            "ownerReferences": [{"apiVersion": "rathaus.dev/v1alpha1", "kind": "ServiceModule", "name": "e-payment",
                "uid": uid, "controller": true}]},
        "stringData": {"url": "postgres://planted:planted-password@192.0.2.1/planted"},
    });
    let secrets = town.api::<Secret>();
    let as_rathaus = PostParams { field_manager: Some("rathaus".to_owned()), ..PostParams::default() };
    let before = secrets.create(&as_rathaus, &serde_json::from_value(secret).unwrap()).await.unwrap();

    merge(&town.modules(), "e-payment", json!({"spec": {"suspend": false}})).await;
    let refused = town.module_says("e-payment", "Deployed", "False", "ObjectForeign").await;
    assert!(message(&refused.status.unwrap().conditions, "Deployed").contains("Secret e-payment"));
    assert_eq!(secrets.get("e-payment").await.unwrap(), before, "it is left as it is");
    assert_eq!(town.api::<Deployment>().get_opt("e-payment").await.unwrap(), None, "no pod mounts it");

    // Nobody but the operator can put a seal on it.
    let admin = town.as_administrator().await.api::<Secret>();
    let sealed = json!({"metadata": {"name": "sealed", "annotations": {"rathaus.dev/seal": "forged"}}});
    let refused =
        admin.create(&PostParams::default(), &serde_json::from_value(sealed).unwrap()).await.unwrap_err();
    // Two policies refuse it, and the API server names either.
    let refused = refused.to_string();
    assert!(
        refused.contains("only the operator writes") && refused.contains("rathaus.dev/seal"),
        "{refused}"
    );

    delete(&secrets, "e-payment").await;
    // Secrets are not watched; a change of the town is.
    town.change(json!({"spec": {"displayName": "Neu"}})).await;
    town.module_ready("e-payment").await;
    town.remove().await;
}
