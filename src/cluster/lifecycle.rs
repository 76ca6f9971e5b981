// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Finalizers and status of the custom resources.

use std::fmt::Debug;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DynamicObject, ListParams, ObjectMeta, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Error;
use crate::api::{ModuleCount, Municipality};
use crate::tenant::FIELD_MANAGER;

/// The finalizer of the operator: the API server keeps a deleted Municipality or ServiceModule until the
/// operator has cleaned up and removed it.
pub const FINALIZER: &str = "rathaus.dev/cleanup";

/// Finalizers that Kubernetes' garbage collector adds to a deleted object, and removes again itself.
const GARBAGE_COLLECTOR: [&str; 2] = ["foregroundDeletion", "orphan"];

/// Adds [`FINALIZER`] to an object, unless it is already set.
pub async fn add_finalizer<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    if object.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let finalizers = object.finalizers().iter().map(String::as_str).chain([FINALIZER]).collect();
    write_finalizers(api, object.meta(), finalizers).await
}

/// Removes [`FINALIZER`] from an object, so that the API server can delete it.
pub async fn remove_finalizer<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let others = object.finalizers().iter().map(String::as_str).filter(|name| *name != FINALIZER).collect();
    write_finalizers(api, object.meta(), others).await
}

/// Removes all finalizers from the objects of a kind in a namespace that is about to go, except the
/// operator's own and the garbage collector's. Nobody else may decide how long a municipality stays.
pub async fn remove_foreign_finalizers<K>(client: &Client, namespace: &str) -> Result<(), Error>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let action = format!("list {} in {namespace}", K::plural(&()));
    let objects = api.list_metadata(&ListParams::default()).await.map_err(Error::from_kube(action))?;
    for object in objects.items {
        let (kept, foreign): (Vec<_>, Vec<_>) = object
            .finalizers()
            .iter()
            .map(String::as_str)
            .partition(|name| *name == FINALIZER || GARBAGE_COLLECTOR.contains(name));
        if !foreign.is_empty() {
            tracing::info!(kind = %K::kind(&()), name = object.name_any(), namespace, ?foreign, "remove finalizers");
            write_finalizers(&api, object.meta(), kept).await?;
        }
    }
    Ok(())
}

async fn write_finalizers<K>(api: &Api<K>, object: &ObjectMeta, finalizers: Vec<&str>) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let name = object.name.clone().unwrap_or_default();
    // With the resource version, the write fails if another client has changed the object in the meantime.
    let patch = json!({"metadata": {"resourceVersion": object.resource_version, "finalizers": finalizers}});
    match api.patch_metadata(&name, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::from_kube(format!("write the finalizers of {name}"))(error)),
    }
}

/// Writes the status of a custom resource by server-side apply. A resource that no longer exists is no error.
pub async fn write_status<K>(api: &Api<K>, name: &str, status: &impl Serialize) -> Result<(), Error>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned,
{
    let patch = json!({"apiVersion": K::api_version(&()), "kind": K::kind(&()), "status": status});
    let params = PatchParams::apply(FIELD_MANAGER).force();
    match api.patch_status(name, &params, &Patch::Apply(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::from_kube(format!("write the status of {name}"))(error)),
    }
}

/// Reads the conditions of a custom resource that does not have the form of `K`. A list of one object, since
/// the operator lists and watches these kinds anyway, and needs no right to get them.
pub async fn read_conditions<K>(client: &Client, object: &K) -> Result<Vec<Condition>, Error>
where
    K: Resource<DynamicType = ()>,
{
    let (resource, name) = (ApiResource::erase::<K>(&()), object.name_any());
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let by_name = ListParams::default().fields(&format!("metadata.name={name}"));
    let found = api.list(&by_name).await.map_err(Error::from_kube(format!("read the status of {name}")))?;
    Ok(found.items.iter().flat_map(|object| readable_conditions(&object.data)).collect())
}

fn readable_conditions(object: &Value) -> Vec<Condition> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    conditions.filter_map(|condition| serde_json::from_value(condition.clone()).ok()).collect()
}

/// Writes the number of a town's modules, and leaves the rest of the status as it is in the cluster. A
/// Municipality that no longer exists is no error.
pub async fn write_module_count(
    api: &Api<Municipality>,
    name: &str,
    modules: ModuleCount,
) -> Result<(), Error> {
    let patch = json!({"status": {"modules": modules}});
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(name, &params, &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::from_kube(format!("write the number of modules of {name}"))(error)),
    }
}

/// Whether the CustomResourceDefinition `name` is being deleted or is gone. The API server then deletes
/// every object of that kind, which must not be taken for a decision to delete a town's data.
pub async fn is_crd_being_deleted(client: &Client, name: &str) -> Result<bool, Error> {
    let crd = Api::<CustomResourceDefinition>::all(client.clone())
        .get_metadata_opt(name)
        .await
        .map_err(Error::from_kube(format!("read CustomResourceDefinition {name}")))?;
    Ok(crd.is_none_or(|crd| crd.metadata.deletion_timestamp.is_some()))
}
