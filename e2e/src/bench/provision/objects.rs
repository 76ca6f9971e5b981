// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The objects that the operator has made, and the same objects written without an operator.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ConfigMap, LimitRange, Namespace, ResourceQuota, Secret, Service, ServiceAccount},
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::RoleBinding,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
    core::TypeMeta,
};
use serde_json::Value;
use tokio::time::sleep;

use crate::apply;

/// Number of requests in flight, as many as the operator's `reconcile::CONCURRENCY` lets it have for modules.
pub const WRITERS: usize = 8;
/// Label of every object that the operator makes.
pub const OURS: &str = "app.kubernetes.io/managed-by=rathaus";
/// Label of the objects that belong to one module of a town.
const MODULE_LABEL: &str = "rathaus.dev/module";
/// How long a quota may not count a new object yet.
const QUOTA_LIMIT: Duration = Duration::from_secs(60);

/// An object as a person would write it, without what the API server and controllers have added.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainObject {
    resource: ApiResource,
    object: DynamicObject,
}

/// Returns the kinds that the operator makes, routes excepted, in the order in which they can be written.
pub fn kinds() -> [ApiResource; 11] {
    [
        ApiResource::erase::<Namespace>(&()),
        ApiResource::erase::<RoleBinding>(&()),
        ApiResource::erase::<ResourceQuota>(&()),
        ApiResource::erase::<LimitRange>(&()),
        ApiResource::erase::<NetworkPolicy>(&()),
        ApiResource::erase::<ServiceAccount>(&()),
        ApiResource::erase::<ConfigMap>(&()),
        ApiResource::erase::<Secret>(&()),
        ApiResource::erase::<Service>(&()),
        ApiResource::erase::<PodDisruptionBudget>(&()),
        ApiResource::erase::<Deployment>(&()),
    ]
}

/// Reads the objects of all towns and returns them by town, each town's in the order in which they can be
/// written: first its own, then those of one module after the other.
///
/// # Errors
/// Fails if the API server rejects a request.
pub async fn read_all(client: &Client) -> Result<Vec<Vec<PlainObject>>> {
    let mut towns: BTreeMap<String, Vec<PlainObject>> = BTreeMap::new();
    for resource in kinds() {
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        for object in api.list(&ListParams::default().labels(OURS)).await? {
            let town = object.namespace().unwrap_or_else(|| object.name_any());
            // What the operator keeps in its own namespace is no object of a town.
            if !town.starts_with("mun-") {
                continue;
            }
            let object = strip(&resource, object)?;
            towns.entry(town).or_default().push(PlainObject { resource: resource.clone(), object });
        }
    }
    // The sort is stable, so that the kinds stay in their order.
    towns.values_mut().for_each(|objects| objects.sort_by_key(|plain| module_of(&plain.object)));
    Ok(towns.into_values().collect())
}

/// Writes the objects of all towns, several towns at a time, and returns when the last one was written.
///
/// # Errors
/// Fails if the API server rejects an object.
pub async fn write_all(client: &Client, towns: &[Vec<PlainObject>]) -> Result<Timestamp> {
    let written = stream::iter(towns).map(|objects| write_town(client, objects));
    written.buffer_unordered(WRITERS).try_collect::<()>().await?;
    Ok(Timestamp::now())
}

async fn write_town(client: &Client, objects: &[PlainObject]) -> Result<()> {
    for PlainObject { resource, object } in objects {
        let api: Api<DynamicObject> = match object.namespace() {
            Some(namespace) => Api::namespaced_with(client.clone(), &namespace, resource),
            None => Api::all_with(client.clone(), resource),
        };
        create(&api, object).await?;
    }
    Ok(())
}

/// Creates an object. Repeats the request as long as a quota does not count the object's kind yet.
///
/// # Errors
/// Fails if the API server rejects it for another reason; the message names the object.
pub async fn create(api: &Api<DynamicObject>, object: &DynamicObject) -> Result<()> {
    let deadline = Instant::now() + QUOTA_LIMIT;
    loop {
        match api.create(&PostParams::default(), object).await {
            Err(kube::Error::Api(answer))
                if apply::is_not_counted_yet(&answer) && Instant::now() < deadline =>
            {
                sleep(Duration::from_millis(20)).await;
            }
            answer => return answer.map(drop).with_context(|| format!("creating {}", object.name_any())),
        }
    }
}

/// The module that an object belongs to; empty for the town's own. Empty sorts first.
fn module_of(object: &DynamicObject) -> String {
    object.labels().get(MODULE_LABEL).cloned().unwrap_or_default()
}

/// Removes what the API server and controllers have set, and the owner, which does not exist elsewhere: the
/// object would be collected as garbage.
fn strip(resource: &ApiResource, mut object: DynamicObject) -> Result<DynamicObject> {
    object.types = Some(TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() });
    let metadata = std::mem::take(&mut object.metadata);
    object.metadata.name = metadata.name;
    object.metadata.namespace = metadata.namespace;
    object.metadata.labels = metadata.labels;
    object.metadata.annotations = metadata.annotations.map(|mut annotations| {
        annotations.remove("deployment.kubernetes.io/revision");
        annotations
    });
    let data = object.data.as_object_mut().context("an object is no map")?;
    data.remove("status");
    if let Some(spec) = data.get_mut("spec").and_then(Value::as_object_mut) {
        // Of a Service: another cluster may have given the address away.
        if spec.get("clusterIP").is_some_and(|address| address != "None") {
            spec.remove("clusterIP");
            spec.remove("clusterIPs");
        }
        // Of a Namespace, for the namespace controller.
        if resource.kind == "Namespace" {
            spec.remove("finalizers");
        }
    }
    Ok(object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn stripped(resource: &ApiResource, value: Value) -> Value {
        serde_json::to_value(strip(resource, serde_json::from_value(value).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn what_the_server_and_controllers_have_set_is_removed() {
        let service = json!({
            "metadata": {
                "name": "pay", "namespace": "mun-a", "uid": "u", "resourceVersion": "7", "generation": 2,
                "creationTimestamp": "2026-11-24T10:00:00Z", "labels": {"a": "b"},
                "ownerReferences": [{"apiVersion": "rathaus.dev/v1alpha1", "kind": "ServiceModule", "name": "pay", "uid": "o"}],
                "managedFields": [{"manager": "rathaus"}],
            },
            "spec": {"clusterIP": "10.96.1.1", "clusterIPs": ["10.96.1.1"], "ports": [{"port": 80}]},
            "status": {"loadBalancer": {}},
        });
        let expected = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "pay", "namespace": "mun-a", "labels": {"a": "b"}},
            "spec": {"ports": [{"port": 80}]},
        });
        assert_eq!(stripped(&ApiResource::erase::<Service>(&()), service), expected);
    }

    #[test]
    fn annotations_stay_except_the_revision_of_a_deployment() {
        let deployment = json!({"metadata": {"name": "pay", "annotations": {
            "rathaus.dev/seal": "s", "deployment.kubernetes.io/revision": "1",
        }}});
        let plain = stripped(&ApiResource::erase::<Deployment>(&()), deployment);
        assert_eq!(plain["metadata"]["annotations"], json!({"rathaus.dev/seal": "s"}));
    }

    #[test]
    fn a_headless_service_stays_headless_and_a_namespace_loses_its_finalizer() {
        let service =
            json!({"metadata": {"name": "pay"}, "spec": {"clusterIP": "None", "clusterIPs": ["None"]}});
        let plain = stripped(&ApiResource::erase::<Service>(&()), service);
        assert_eq!(plain["spec"], json!({"clusterIP": "None", "clusterIPs": ["None"]}));
        let namespace = json!({"metadata": {"name": "mun-a"}, "spec": {"finalizers": ["kubernetes"]}});
        let plain = stripped(&ApiResource::erase::<Namespace>(&()), namespace);
        assert_eq!(plain["spec"], json!({}));
    }
}
