// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The towns of a measurement, as state IT and the towns write them.

use std::{collections::HashSet, fs, time::Duration};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, future::ready, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams},
    core::GroupVersionKind,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use serde_json::{Value, json};

use super::objects::{WRITERS, create};
use crate::{apply, paths};

/// The class of all modules.
pub const CLASS: &str = "e-payment";
/// Label of the namespaces that the operator makes.
pub const TOWN_LABEL: &str = "rathaus.dev/municipality";
/// Pods of a module while a new version replaces the old one: those of the plan `small`, and one more.
pub const PODS_OF_MODULE: usize = 3;

/// How many towns there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Number of towns.
    pub towns: usize,
    /// Number of modules of each town.
    pub modules: usize,
}

impl Size {
    /// Returns the number of modules of all towns.
    pub fn all_modules(self) -> usize {
        self.towns * self.modules
    }

    /// Returns how long a change of all modules may take. A run that is slower has failed.
    pub fn limit(self) -> Duration {
        Duration::from_secs(600) + self.all_modules() as u32 * Duration::from_secs(2)
    }
}

/// Returns the API of one of the kinds of rathaus, in all namespaces.
pub fn all(client: &Client, kind: &str) -> Api<DynamicObject> {
    Api::all_with(client.clone(), &resource(kind))
}

/// Returns the API of the ServiceModules of the town with this number.
pub fn modules_of(client: &Client, town: usize) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), &format!("mun-{}", town_name(town)), &resource("ServiceModule"))
}

/// Returns the name of a module of each town.
pub fn module_name(number: usize) -> String {
    format!("payment-{number}")
}

/// Returns the image of a version of the class. It does not exist: simulated nodes pull none.
pub fn image(version: usize) -> String {
    format!("registry.example/rathaus/e-payment@sha256:{version:064x}")
}

/// Applies the class of the catalogue, with an image.
///
/// # Errors
/// Fails if the API server rejects it.
pub async fn apply_class(client: &Client) -> Result<()> {
    let file = paths::repository().join("manifests/catalogue/e-payment.yaml");
    let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    apply::apply_yaml(client, &text.replace(&image(0), &image(1))).await
}

/// Publishes a second version of the class.
///
/// # Errors
/// Fails if the API server rejects it.
pub async fn upgrade_class(client: &Client) -> Result<()> {
    let patch = json!({"spec": {"version": "0.1.1", "image": image(2)}});
    all(client, "ModuleClass").patch(CLASS, &PatchParams::default(), &Patch::Merge(patch)).await?;
    Ok(())
}

/// Creates all towns, and the modules of each as soon as its namespace exists.
///
/// # Errors
/// Fails if the API server rejects an object.
pub async fn create_all(client: &Client, size: Size) -> Result<()> {
    let municipalities = all(client, "Municipality");
    let towns = async {
        let created = stream::iter(0..size.towns).map(|town| {
            let object = object("Municipality", municipality(town, size.modules));
            let municipalities = &municipalities;
            async move { create(municipalities, &object?).await }
        });
        created.buffer_unordered(WRITERS).try_collect::<()>().await
    };
    let mut known = HashSet::new();
    let namespaces = Api::<Namespace>::all(client.clone());
    let namespaces = watcher(namespaces, watcher::Config::default().labels(TOWN_LABEL))
        .default_backoff()
        .applied_objects()
        // The watch connects again by itself.
        .filter_map(|namespace| ready(namespace.ok()))
        .filter(move |namespace| ready(known.insert(namespace.name_any())));
    let modules = namespaces.take(size.towns).map(|namespace| opt_in(client, namespace, size.modules));
    let modules = modules.buffer_unordered(WRITERS).try_collect::<()>();
    tokio::try_join!(towns, modules)?;
    Ok(())
}

/// Deletes all towns with their data.
///
/// # Errors
/// Fails if the API server rejects a request.
pub async fn delete_all(client: &Client, size: Size) -> Result<()> {
    let municipalities = all(client, "Municipality");
    let deleted = stream::iter(0..size.towns).map(|town| {
        let municipalities = &municipalities;
        async move { municipalities.delete(&town_name(town), &DeleteParams::default()).await.map(drop) }
    });
    Ok(deleted.buffer_unordered(WRITERS).try_collect::<()>().await?)
}

async fn opt_in(client: &Client, namespace: Namespace, modules: usize) -> Result<()> {
    let namespace = namespace.name_any();
    let api = Api::namespaced_with(client.clone(), &namespace, &resource("ServiceModule"));
    for number in 0..modules {
        create(&api, &object("ServiceModule", service_module(&namespace, number))?).await?;
    }
    Ok(())
}

fn service_module(namespace: &str, number: usize) -> Value {
    json!({
        "metadata": {"name": module_name(number), "namespace": namespace},
        "spec": {"class": CLASS, "plan": "small", "ePayment": {"provider": {"type": "Sandbox"}}},
    })
}

fn municipality(town: usize, modules: usize) -> Value {
    let name = town_name(town);
    json!({
        "metadata": {"name": name},
        "spec": {
            "displayName": format!("Stadt {town}"),
            "ars": format!("0559{town:08}"),
            "hostname": format!("{name}.rathaus.example"),
            "administrators": [{"kind": "Group", "name": format!("{name}-it")}],
            "contact": {"email": "it@town.example", "securityEmail": "sicherheit@town.example"},
            "legal": {
                "imprintUrl": "https://www.town.example/impressum",
                "privacyUrl": "https://www.town.example/datenschutz",
                "accessibilityUrl": "https://www.town.example/barrierefreiheit",
            },
            "quota": {"cpu": "16", "memory": "64Gi", "storage": "64Gi", "modules": modules},
            "deletionPolicy": "Delete",
        },
    })
}

fn town_name(town: usize) -> String {
    format!("town-{town:04}")
}

fn object(kind: &str, mut value: Value) -> Result<DynamicObject> {
    value["apiVersion"] = json!("rathaus.dev/v1alpha1");
    value["kind"] = json!(kind);
    Ok(serde_json::from_value(value)?)
}

fn resource(kind: &str) -> ApiResource {
    let kind = GroupVersionKind::gvk("rathaus.dev", "v1alpha1", kind);
    ApiResource::from_gvk(&kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plurals_are_those_of_the_definitions() {
        let plurals = ["Municipality", "ModuleClass", "ServiceModule"].map(|kind| resource(kind).plural);
        assert_eq!(plurals, ["municipalities", "moduleclasses", "servicemodules"]);
    }

    #[test]
    fn the_catalogue_has_the_image_that_is_replaced() {
        let text =
            fs::read_to_string(paths::repository().join("manifests/catalogue/e-payment.yaml")).unwrap();
        assert!(text.contains(&image(0)));
    }

    #[test]
    fn towns_and_modules_are_what_the_operator_reads() {
        let town = serde_json::to_value(object("Municipality", municipality(1, 4)).unwrap()).unwrap();
        let town: rathaus::api::Municipality = serde_json::from_value(town).unwrap();
        assert_eq!(town.spec.deletion_policy, rathaus::api::DeletionPolicy::Delete);
        let module = object("ServiceModule", service_module("mun-town-0001", 0)).unwrap();
        let module = serde_json::to_value(module).unwrap();
        let module: rathaus::api::ServiceModule = serde_json::from_value(module).unwrap();
        assert_eq!(module.spec.class, CLASS);
    }

    #[test]
    fn regional_keys_have_twelve_digits() {
        assert_eq!(municipality(1999, 4)["spec"]["ars"], "055900001999");
    }
}
