// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Finalizers and status of the custom resources.

use std::fmt::Debug;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::jiff::Timestamp;
use kube::api::{ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::Error;
use crate::api::{ModuleCount, Municipality};
use crate::tenant::FIELD_MANAGER;

/// The finalizer of the operator: the API server keeps a deleted Municipality or ServiceModule until the
/// operator has cleaned up and removed it.
pub const FINALIZER: &str = "rathaus.dev/cleanup";

/// Adds [`FINALIZER`] to an object, unless it is already set.
pub async fn add_finalizer<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    if object.finalizers().iter().any(|name| name == FINALIZER) {
        return Ok(());
    }
    let finalizers = object.finalizers().iter().map(String::as_str).chain([FINALIZER]).collect();
    write_finalizers(api, object, finalizers).await
}

/// Removes [`FINALIZER`] from an object, so that the API server can delete it.
pub async fn remove_finalizer<K>(api: &Api<K>, object: &K) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    let others = object.finalizers().iter().map(String::as_str).filter(|name| *name != FINALIZER).collect();
    write_finalizers(api, object, others).await
}

async fn write_finalizers<K>(api: &Api<K>, object: &K, finalizers: Vec<&str>) -> Result<(), Error>
where
    K: Resource + Clone + Debug + DeserializeOwned,
{
    // With the resource version, the write fails if another client has changed the object in the meantime.
    let patch = json!({"metadata": {"resourceVersion": object.resource_version(), "finalizers": finalizers}});
    match api.patch_metadata(&object.name_any(), &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(Error::from_kube(format!("write the finalizers of {}", object.name_any()))(error)),
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
    let crd = get_crd_metadata(client, name).await?;
    Ok(crd.is_none_or(|crd| crd.deletion_timestamp.is_some()))
}

/// Reads when the CustomResourceDefinition `name` was created; `None` if it does not exist.
pub async fn get_crd_creation(client: &Client, name: &str) -> Result<Option<Timestamp>, Error> {
    let crd = get_crd_metadata(client, name).await?;
    Ok(crd.and_then(|crd| crd.creation_timestamp).map(|created| created.0))
}

async fn get_crd_metadata(client: &Client, name: &str) -> Result<Option<ObjectMeta>, Error> {
    let crd = Api::<CustomResourceDefinition>::all(client.clone())
        .get_metadata_opt(name)
        .await
        .map_err(Error::from_kube(format!("read CustomResourceDefinition {name}")))?;
    Ok(crd.map(|crd| crd.metadata))
}
