// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: deleting a definition by accident, and with it every object of its kind, erases no town's
//! data: namespaces stay, databases stay, and what is written anew takes them up again.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use rathaus::api::{Municipality, ServiceModule};

use crate::client;
use crate::support::{Town, delete, eventually, municipality};

/// All objects as they were written.
async fn written(client: &Client) -> (Vec<Municipality>, Vec<ServiceModule>) {
    let all = ListParams::default();
    let mut towns = Api::<Municipality>::all(client.clone()).list(&all).await.unwrap().items;
    let mut modules = Api::<ServiceModule>::all(client.clone()).list(&all).await.unwrap().items;
    for town in &mut towns {
        *town = Municipality::new(&town.name_any(), town.spec.clone());
    }
    for module in &mut modules {
        let namespace = module.namespace();
        *module = ServiceModule::new(&module.name_any(), module.spec.clone());
        module.metadata.namespace = namespace;
    }
    (towns, modules)
}

pub async fn an_erased_definition_erases_no_data() {
    let client = client().await;
    let mut object = municipality("erased-a", "991");
    // Even where the town wanted its data gone with its objects.
    object["spec"]["deletionPolicy"] = "Delete".into();
    let town = Town::admit_with(&client, "erased-a", object).await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let namespaces = Api::<Namespace>::all(client.clone());
    let (namespace, before) = (namespaces.get("mun-erased-a").await.unwrap(), database().await);
    let (towns, modules) = written(&client).await;

    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in rathaus::api::crds() {
        let name = definition.name_any();
        if name.starts_with("moduleclasses") {
            continue; // has no finalizer and no data
        }
        delete(&crds, &name).await;
        assert_eq!(database().await, before, "after {name} was deleted");
        crds.patch(&name, &PatchParams::apply("helm").force(), &Patch::Apply(&definition)).await.unwrap();
    }
    assert_eq!(namespaces.get("mun-erased-a").await.unwrap().uid(), namespace.uid());

    for town in &towns {
        eventually("the definition is back", || create(Api::all(client.clone()), town)).await;
    }
    for module in &modules {
        let namespace = module.namespace().unwrap();
        eventually("the definition is back", || create(Api::namespaced(client.clone(), &namespace), module))
            .await;
    }
    town.ready().await;
    town.module_ready("e-payment").await;
    assert_eq!(namespaces.get("mun-erased-a").await.unwrap().uid(), namespace.uid());
    assert_eq!(database().await, before);
    town.remove().await;
}

/// The number that PostgreSQL gave the town's database: another one would be another database.
async fn database() -> String {
    e2e::database::sql("SELECT oid FROM pg_database WHERE datname = 'erased-a_e-payment'").await.unwrap()
}

async fn create<K>(api: Api<K>, object: &K) -> Result<(), String>
where
    K: kube::Resource + Clone + serde::Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    match api.create(&PostParams::default(), object).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
