// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads the observed state from the API server.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{DynamicObject, ListParams, ObjectMeta, TypeMeta};
use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource, ResourceExt};

use super::Error;
use crate::api::{Municipality, ServiceModule};
use crate::desired::{AdditiveKind, KINDS, Kind, labels};
use crate::tenant::{TownName, is_applied_by_us};

/// The existing objects that the operator has applied, by kind and name.
pub type Children = BTreeMap<(Kind, String), DynamicObject>;

/// Lists the objects that the operator has applied for a town, without those of its modules.
pub async fn list_town_children(client: &Client, town: &TownName) -> Result<Children, Error> {
    list_children(client, &town.namespace(), &format!("{}=rathaus,!{}", labels::MANAGED_BY, labels::MODULE))
        .await
}

/// Lists the objects that the operator has applied for a module.
pub async fn list_module_children(client: &Client, namespace: &str, module: &str) -> Result<Children, Error> {
    list_children(client, namespace, &format!("{}=rathaus,{}={module}", labels::MANAGED_BY, labels::MODULE))
        .await
}

async fn list_children(client: &Client, namespace: &str, selector: &str) -> Result<Children, Error> {
    let params = ListParams::default().labels(selector);
    let lists = KINDS.iter().filter(|kind| **kind != Kind::Namespace).map(|kind| async {
        let resource = kind.api_resource();
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let action = format!("list {} in {namespace}", resource.plural);
        let list = api.list(&params).await.map_err(Error::from_kube(action))?;
        // The API server omits apiVersion and kind in the items of a list; without them, each item would
        // differ from the desired object.
        let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
        let with_type = move |object| DynamicObject { types: Some(types.clone()), ..object };
        let with_key = |object: DynamicObject| ((*kind, object.name_any()), object);
        // The label alone proves nothing: everyone with write access to an object can set it.
        let ours = list.items.into_iter().filter(|object| is_applied_by_us(object.meta()));
        Ok::<_, Error>(ours.map(with_type).map(with_key))
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// Lists the names of the objects of a kind in a namespace that the operator has not applied.
pub async fn list_foreign(
    client: &Client,
    namespace: &str,
    kind: AdditiveKind,
) -> Result<Vec<String>, Error> {
    let resource = kind.kind().api_resource();
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let action = format!("list {} in {namespace}", resource.plural);
    let list = api.list_metadata(&ListParams::default()).await.map_err(Error::from_kube(action))?;
    let foreign = list.items.iter().filter(|object| !is_applied_by_us(object.meta()));
    Ok(foreign.map(ResourceExt::name_any).collect())
}

/// Reads a Municipality; `None` if it does not exist, or is unreadable.
pub async fn get_municipality(client: &Client, name: &str) -> Result<Option<Municipality>, Error> {
    let found = Api::<DeserializeGuard<Municipality>>::all(client.clone())
        .get_opt(name)
        .await
        .map_err(Error::from_kube(format!("read Municipality {name}")))?;
    Ok(found.and_then(|guard| guard.0.ok()))
}

/// Reads the metadata of a ServiceModule; `None` if it does not exist.
pub async fn get_module_metadata(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<ObjectMeta>, Error> {
    let found = Api::<ServiceModule>::namespaced(client.clone(), namespace)
        .get_metadata_opt(name)
        .await
        .map_err(Error::from_kube(format!("read ServiceModule {name} in {namespace}")))?;
    Ok(found.map(|object| object.metadata))
}

/// Reads a namespace; `None` if it does not exist.
pub async fn get_namespace(client: &Client, name: &str) -> Result<Option<Namespace>, Error> {
    Api::<Namespace>::all(client.clone())
        .get_opt(name)
        .await
        .map_err(Error::from_kube(format!("read namespace {name}")))
}

/// Reads a Secret of a town; `None` if it does not exist.
pub async fn get_secret(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, Error> {
    Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(Error::from_kube(format!("read Secret {name} in {namespace}")))
}

/// Lists the pods of a module.
pub async fn list_pods(client: &Client, namespace: &str, module: &str) -> Result<Vec<Pod>, Error> {
    let params = ListParams::default().labels(&format!("{}={module}", labels::MODULE));
    let list = Api::<Pod>::namespaced(client.clone(), namespace)
        .list(&params)
        .await
        .map_err(Error::from_kube(format!("list pods in {namespace}")))?;
    Ok(list.items)
}
