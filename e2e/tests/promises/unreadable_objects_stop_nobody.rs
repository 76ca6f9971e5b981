// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 6): one unreadable object never stops the list.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use crate::client;
use crate::support::{Town, delete, eventually, municipality};

fn municipalities(client: &kube::Client) -> Api<DynamicObject> {
    let mut resource =
        ApiResource::from_gvk(&GroupVersionKind::gvk("rathaus.dev", "v1alpha1", "Municipality"));
    resource.plural = "municipalities".to_owned();
    Api::all_with(client.clone(), &resource)
}

pub async fn invariant_6_an_unreadable_object_is_told_so_and_stops_nobody() {
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
    let before = Town::admit_with(&client, "fair-odd", odd.clone()).await;
    before.ready().await;
    odd["spec"]["deletionPolicy"] = "Perhaps".into();
    let api = municipalities(&client);
    eventually("the API server takes the odd object", || async {
        let apply = PatchParams::apply("test").force();
        api.patch("fair-odd", &apply, &Patch::Apply(&odd)).await.map(drop).map_err(|error| error.to_string())
    })
    .await;

    eventually("the status of the odd object says so", || async {
        let object = api.get("fair-odd").await.map_err(|error| error.to_string())?;
        let ready = object.data.pointer("/status/conditions/0/reason").cloned().unwrap_or_default();
        if ready == "Unreadable" { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    let healthy = Town::admit(&client, "fair-beside", "913").await;
    healthy.ready().await;

    // It can leave, and takes nothing along, since what it says of its data cannot be read.
    delete(&api, "fair-odd").await;
    Api::<Namespace>::all(client.clone()).get("mun-fair-odd").await.expect("stays");
    replace(&crds, name, &serde_json::to_value(&strict).unwrap()).await;
    healthy.remove().await;
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
