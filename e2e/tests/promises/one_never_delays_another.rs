// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 6): one broken tenant never delays another; one unreadable object never stops
//! the list.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::client;
use crate::support::{Town, delete, eventually, municipality};

#[tokio::test]
async fn invariant_6_broken_towns_do_not_delay_a_sound_one() {
    let client = client().await;
    let mut broken = Vec::new();
    for number in 0..8 {
        let name = format!("fair-broken-{number}");
        let mut object = municipality(&name, &format!("90{number}"));
        object["spec"]["hostname"] = format!("{name}.elsewhere.example").into();
        broken.push(Town::admit_with(&client, &name, object).await);
    }
    // One more whose module fails at every start.
    let crashing = Town::admit(&client, "fair-crashing", "910").await;
    crashing.ready().await;
    let mut module = crate::support::service_module("fair-crashing", "e-payment");
    module["spec"]["class"] = "nowhere".into();
    crashing.opt_in_with(module).await;

    let sound = Town::admit(&client, "fair-sound", "911").await;
    sound.opt_in("e-payment").await;
    sound.module_ready("e-payment").await;
    for town in broken.iter().chain([&crashing, &sound]) {
        town.remove().await;
    }
}

fn municipalities(client: &kube::Client) -> Api<DynamicObject> {
    let mut resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("rathaus.dev", "v1alpha1", "Municipality"));
    resource.plural = "municipalities".to_owned();
    Api::all_with(client.clone(), &resource)
}

#[tokio::test]
async fn invariant_6_an_unreadable_object_is_told_so_and_stops_nobody() {
    let client = client().await;
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    let name = "municipalities.rathaus.dev";
    let strict = crds.get(name).await.unwrap();
    // As if it had been stored before the definition knew better.
    let mut loose = serde_json::to_value(&strict).unwrap();
    loose["metadata"].as_object_mut().unwrap().remove("managedFields");
    let schema = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/deletionPolicy";
    *loose.pointer_mut(schema).unwrap() = json!({"type": "string"});
    replace(&crds, name, &loose).await;
    let mut odd = municipality("fair-odd", "912");
    let once_sound = Town::admit_with(&client, "fair-odd", odd.clone()).await;
    once_sound.ready().await;
    odd["spec"]["deletionPolicy"] = "Perhaps".into();
    let api = municipalities(&client);
    eventually("the API server takes the odd object", || async {
        let apply = PatchParams::apply("test").force();
        api.patch("fair-odd", &apply, &Patch::Apply(&odd)).await.map(drop).map_err(|error| error.to_string())
    })
    .await;

    eventually("the odd object is told so", || async {
        let object = api.get("fair-odd").await.map_err(|error| error.to_string())?;
        let ready = object.data.pointer("/status/conditions/0/reason").cloned().unwrap_or_default();
        if ready == "Unreadable" { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    let sound = Town::admit(&client, "fair-beside", "913").await;
    sound.ready().await;

    // It can leave, and takes nothing along, since what it says of its data cannot be read.
    delete(&api, "fair-odd").await;
    Api::<Namespace>::all(client.clone()).get("mun-fair-odd").await.expect("stays");
    replace(&crds, name, &serde_json::to_value(&strict).unwrap()).await;
    sound.remove().await;
    let again = Town { client: client.clone(), name: "fair-odd".to_owned() };
    let object = serde_json::from_value(municipality("fair-odd", "912")).unwrap();
    again.municipalities().create(&PostParams::default(), &object).await.unwrap();
    again.ready().await;
    again.remove().await;
}

async fn replace(crds: &Api<CustomResourceDefinition>, name: &str, wanted: &Value) {
    let patch = json!([{"op": "replace", "path": "/spec", "value": wanted["spec"]}]);
    let patch = Patch::Json::<()>(serde_json::from_value(patch).unwrap());
    crds.patch(name, &PatchParams::default(), &patch).await.unwrap();
}
