// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: what a schema can check, the API server itself refuses, and its answer names the field
//! and the way out. Every rule, both sides, at the real API server.

mod e_payment;

use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::client;
use crate::support::{municipality, service_module};

fn class() -> Value {
    json!({
        "apiVersion": "rathaus.dev/v1alpha1", "kind": "ModuleClass", "metadata": {"name": "table"},
        "spec": {
            "type": "EPayment", "version": "1.0.0", "licence": "EUPL-1.2",
            "image": format!("registry.example/rathaus/e-payment@sha256:{}", "a".repeat(64)),
            "source": "https://code.example/x", "documentation": "https://docs.example",
            "plans": [plan("small")],
        },
    })
}

fn plan(name: &str) -> Value {
    json!({"name": name, "replicas": 2, "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}}})
}

fn base(kind: &str) -> Value {
    match kind {
        "Municipality" => municipality("table", "001"),
        "ModuleClass" => class(),
        _ => {
            let mut module = service_module("table", "table");
            module["metadata"]["namespace"] = "default".into();
            module
        }
    }
}

fn with(kind: &str, pointer: &str, value: Value) -> Value {
    let mut object = base(kind);
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = object.pointer_mut(parent).unwrap();
    match (parent, value) {
        (Value::Object(map), Value::Null) => {
            map.remove(key);
        }
        (Value::Object(map), value) => {
            map.insert(key.to_owned(), value);
        }
        (Value::Array(list), value) => list[key.parse::<usize>().unwrap()] = value,
        _ => panic!("{pointer} leads nowhere"),
    }
    object
}

fn api(client: &Client, kind: &str) -> Api<DynamicObject> {
    let mut resource = ApiResource::from_gvk(&GroupVersionKind::gvk("rathaus.dev", "v1alpha1", kind));
    resource.plural = match kind {
        "Municipality" => "municipalities",
        "ModuleClass" => "moduleclasses",
        _ => "servicemodules",
    }
    .to_owned();
    if kind == "ServiceModule" {
        Api::namespaced_with(client.clone(), "default", &resource)
    } else {
        Api::all_with(client.clone(), &resource)
    }
}

/// Everything but the storing is done: schema, defaults, CEL rules.
async fn try_out(client: &Client, kind: &str, object: Value) -> Result<(), String> {
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    match api(client, kind).create(&dry, &object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message.clone()),
        Err(error) => panic!("no answer: {error}"),
    }
}

fn accepted() -> Vec<(&'static str, &'static str, Value)> {
    let (m, c, s) = ("Municipality", "ModuleClass", "ServiceModule");
    let subjects = |count: usize| {
        Value::from((0..count).map(|n| json!({"kind": "User", "name": format!("u{n}")})).collect::<Vec<_>>())
    };
    vec![
        (m, "/metadata/name", "a".into()),
        (m, "/metadata/name", "a".repeat(40).into()),
        (m, "/spec/ars", "010010000000".into()),
        (m, "/spec/ars", "160770056056".into()),
        (m, "/spec/hostname", "a.b".into()),
        (m, "/spec/hostname", format!("{}.rathaus.example", "a".repeat(63)).into()),
        (m, "/spec/displayName", "ß".repeat(100).into()),
        (m, "/spec/administrators", Value::Null),
        (m, "/spec/administrators", subjects(16)),
        (
            m,
            "/spec/administrators/0",
            json!({"kind": "ServiceAccount", "name": "flux", "namespace": "gitops"}),
        ),
        (m, "/spec/quota", json!({"modules": 0})),
        (m, "/spec/quota", json!({"cpu": "500m", "memory": "1Ti", "storage": "1Ki", "modules": 64})),
        (m, "/spec/deletionPolicy", "Delete".into()),
        (m, "/spec/suspend", true.into()),
        (c, "/spec/type", "Mailbox".into()),
        (c, "/spec/version", "0.0.1-rc.1+build.5".into()),
        (c, "/spec/licence", "EUPL-1.2 OR GPL-3.0-or-later".into()),
        (c, "/spec/plans/0/replicas", 1.into()),
        (c, "/spec/plans/0/replicas", 10.into()),
        (c, "/spec/plans/0/resources/limits/memory", "32Mi".into()),
        (c, "/spec/offeredTo", json!({"arsPrefixes": ["05", "055540004004"]})),
        (s, "/metadata/name", "a".repeat(22).into()),
        (s, "/spec/uses", json!(["mailbox", "form"])),
        (s, "/spec/suspend", true.into()),
    ]
}

/// Kind, where, what, and the field and words that the answer must have.
fn rejected() -> Vec<(&'static str, &'static str, Value, &'static str, &'static str)> {
    let (m, c, s) = ("Municipality", "ModuleClass", "ServiceModule");
    let subjects = |count: usize| {
        Value::from((0..count).map(|n| json!({"kind": "User", "name": format!("u{n}")})).collect::<Vec<_>>())
    };
    vec![
        (m, "/metadata/name", "a".repeat(41).into(), "metadata.name", "at most 40 characters"),
        (m, "/metadata/name", "a.b".into(), "metadata.name", "DNS label"),
        (m, "/metadata/name", "1a".into(), "metadata.name", "a letter first"),
        (m, "/spec/ars", "05554000400".into(), "spec.ars", "exactly 12 digits"),
        (m, "/spec/ars", "0555400040040".into(), "spec.ars", "exactly 12 digits"),
        (m, "/spec/ars", "05554000400a".into(), "spec.ars", "exactly 12 digits"),
        (m, "/spec/ars", "005540004004".into(), "spec.ars", "land code that does not exist"),
        (m, "/spec/ars", "175540004004".into(), "spec.ars", "land code that does not exist"),
        (m, "/spec/ars", Value::Null, "spec.ars", "Required"),
        (m, "/spec/hostname", "ahaus".into(), "spec.hostname", "at least two labels"),
        (m, "/spec/hostname", "Ahaus.example".into(), "spec.hostname", "lower-case"),
        (m, "/spec/hostname", "-a.example".into(), "spec.hostname", "DNS name"),
        (m, "/spec/hostname", format!("{}.example", "a".repeat(64)).into(), "spec.hostname", "DNS name"),
        (m, "/spec/hostname", "10.0.0.1".into(), "spec.hostname", "DNS name"),
        (m, "/spec/displayName", "".into(), "spec.displayName", "at least 1"),
        (m, "/spec/displayName", "a".repeat(101).into(), "spec.displayName", "than 100"),
        (m, "/spec/administrators", subjects(17), "spec.administrators", "at most 16"),
        (
            m,
            "/spec/administrators/0",
            json!({"kind": "Robot", "name": "r"}),
            "spec.administrators[0].kind",
            "supported values",
        ),
        (
            m,
            "/spec/administrators/0",
            json!({"kind": "Group", "name": "system:masters"}),
            "spec.administrators[0].name",
            "must not start with system:",
        ),
        (
            m,
            "/spec/administrators/0",
            json!({"kind": "ServiceAccount", "name": "flux"}),
            "spec.administrators[0]",
            "namespace is required",
        ),
        (
            m,
            "/spec/administrators/0",
            json!({"kind": "User", "name": "u", "namespace": "n"}),
            "spec.administrators[0]",
            "namespace is required",
        ),
        (m, "/spec/contact/email", "it".into(), "spec.contact.email", "e-mail address"),
        (m, "/spec/contact/securityEmail", Value::Null, "spec.contact.securityEmail", "Required"),
        (m, "/spec/legal/imprintUrl", "http://www.town.example".into(), "spec.legal.imprintUrl", "https URL"),
        (m, "/spec/legal/privacyUrl", "javascript:alert(1)".into(), "spec.legal.privacyUrl", "https URL"),
        (m, "/spec/legal/accessibilityUrl", "https://".into(), "spec.legal.accessibilityUrl", "https URL"),
        (m, "/spec/quota", json!({"cpu": "0"}), "spec.quota.cpu", "cores"),
        (m, "/spec/quota", json!({"memory": "4"}), "spec.quota.memory", "unit Ki, Mi, Gi or Ti"),
        (m, "/spec/quota", json!({"storage": "-1Gi"}), "spec.quota.storage", "unit Ki, Mi, Gi or Ti"),
        (m, "/spec/quota", json!({"modules": 65}), "spec.quota.modules", "less than or equal to 64"),
        (m, "/spec/quota", json!({"modules": -1}), "spec.quota.modules", "greater than or equal to 0"),
        (m, "/spec/deletionPolicy", "Perhaps".into(), "spec.deletionPolicy", "supported values"),
        (c, "/spec/type", "Parking".into(), "spec.type", "supported values"),
        (c, "/spec/version", "1.0".into(), "spec.version", "semantic version"),
        (c, "/spec/version", "1.0.0-".into(), "spec.version", "semantic version"),
        (c, "/spec/image", "registry.example/e-payment:1.0.0".into(), "spec.image", "a tag is refused"),
        (
            c,
            "/spec/image",
            format!("registry.example/e-payment@sha256:{}", "a".repeat(63)).into(),
            "spec.image",
            "by digest",
        ),
        (c, "/spec/licence", "".into(), "spec.licence", "SPDX"),
        (c, "/spec/source", "git@code.example:x".into(), "spec.source", "https URL"),
        (c, "/spec/plans", json!([]), "spec.plans", "at least 1"),
        (
            c,
            "/spec/plans",
            Value::from((0..9).map(|n| plan(&format!("p{n}"))).collect::<Vec<_>>()),
            "spec.plans",
            "at most 8",
        ),
        (c, "/spec/plans", json!([plan("small"), plan("small")]), "spec.plans[1]", "Duplicate"),
        (c, "/spec/plans/0/name", "Small".into(), "spec.plans[0].name", "DNS label"),
        (c, "/spec/plans/0/replicas", 0.into(), "spec.plans[0].replicas", "greater than or equal to 1"),
        (c, "/spec/plans/0/replicas", 11.into(), "spec.plans[0].replicas", "less than or equal to 10"),
        (
            c,
            "/spec/plans/0/resources/limits/memory",
            "31Mi".into(),
            "spec.plans[0].resources",
            "must not be below requests.memory",
        ),
        (c, "/spec/offeredTo", json!({"arsPrefixes": []}), "spec.offeredTo.arsPrefixes", "at least 1"),
        (c, "/spec/offeredTo", json!({"arsPrefixes": ["NRW"]}), "spec.offeredTo.arsPrefixes[0]", "^[0-9]+$"),
        (s, "/metadata/name", "a".repeat(23).into(), "metadata.name", "at most 22 characters"),
        (s, "/spec/class", "E-Payment".into(), "spec.class", "name of a ModuleClass"),
        (s, "/spec/plan", Value::Null, "spec.plan", "Required"),
        (s, "/spec/ePayment", Value::Null, "spec", "exactly one configuration block"),
        (s, "/spec/ePayment/provider/type", "Gold".into(), "spec.ePayment.provider.type", "supported values"),
        (s, "/spec/uses", json!(["mailbox", "mailbox"]), "spec.uses[1]", "Duplicate"),
        (
            s,
            "/spec/uses",
            Value::from((0..9).map(|n| format!("m{n}")).collect::<Vec<_>>()),
            "spec.uses",
            "at most 8",
        ),
    ]
}

pub async fn the_api_server_accepts_what_is_right() {
    let client = client().await;
    for kind in ["Municipality", "ModuleClass", "ServiceModule"] {
        assert_eq!(try_out(&client, kind, base(kind)).await, Ok(()), "{kind} as it is");
    }
    let e_payment =
        e_payment::accepted().into_iter().map(|(pointer, value)| ("ServiceModule", pointer, value));
    for (kind, pointer, value) in accepted().into_iter().chain(e_payment) {
        let answer = try_out(&client, kind, with(kind, pointer, value.clone())).await;
        assert_eq!(answer, Ok(()), "{kind} {pointer} = {value}");
    }
}

pub async fn the_api_server_rejects_what_is_wrong_and_names_field_and_way_out() {
    let client = client().await;
    let mut wrong = Vec::new();
    let e_payment = e_payment::rejected()
        .into_iter()
        .map(|(pointer, value, field, words)| ("ServiceModule", pointer, value, field, words));
    for (kind, pointer, value, field, words) in rejected().into_iter().chain(e_payment) {
        match try_out(&client, kind, with(kind, pointer, value.clone())).await {
            Err(message) if message.contains(field) && message.contains(words) => {}
            answer => wrong.push(format!(
                "{kind} {pointer} = {value}: expected {field:?} and {words:?}, got {answer:?}"
            )),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

pub async fn defaults_are_written_by_the_api_server() {
    let client = client().await;
    let object: DynamicObject = serde_json::from_value(base("Municipality")).unwrap();
    let dry = PostParams { dry_run: true, ..PostParams::default() };
    let stored = api(&client, "Municipality").create(&dry, &object).await.unwrap();
    let spec = &stored.data["spec"];
    let mut module = base("ServiceModule");
    module["spec"]["ePayment"]["endPoints"] = json!([{"id": "a"}]);
    module["spec"]["ePayment"]["clerks"] = e_payment::clerks("kasse".to_owned());
    let module: DynamicObject = serde_json::from_value(module).unwrap();
    let block =
        api(&client, "ServiceModule").create(&dry, &module).await.unwrap().data["spec"]["ePayment"].clone();
    let receipts = json!({"prefix": "", "length": 12, "checkDigit": "None"});
    assert_eq!((&block["endPoints"][0]["receipts"], &block["payerDataDays"]), (&receipts, &json!(90)));
    assert_eq!(block["clerks"]["roleClaim"], "groups");
    assert_eq!(spec["quota"], json!({"cpu": "2", "memory": "4Gi", "storage": "20Gi", "modules": 8}));
    assert_eq!((&spec["deletionPolicy"], &spec["suspend"]), (&json!("Retain"), &json!(false)));
}

pub async fn ars_and_type_cannot_be_changed() {
    let client = client().await;
    let mut town = base("Municipality");
    town["metadata"]["name"] = "table-immutable".into();
    town["spec"]["suspend"] = true.into(); // nothing is made for it
    let mut class = base("ModuleClass");
    class["metadata"]["name"] = "table-immutable".into();
    for (kind, object, change, field) in [
        ("Municipality", town, json!({"spec": {"ars": "055990002002"}}), "spec.ars"),
        ("ModuleClass", class, json!({"spec": {"type": "Form"}}), "spec.type"),
    ] {
        let api = api(&client, kind);
        let apply = PatchParams::apply("table").force();
        api.patch("table-immutable", &apply, &Patch::Apply(&object)).await.unwrap();
        let refused =
            api.patch("table-immutable", &PatchParams::default(), &Patch::Merge(&change)).await.unwrap_err();
        let kube::Error::Api(status) = refused else { panic!("{refused}") };
        assert!(
            status.message.contains(field) && status.message.contains("is immutable"),
            "{}",
            status.message
        );
        crate::support::delete(&api, "table-immutable").await;
    }
}
