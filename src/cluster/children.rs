// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reading what is there.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{DynamicObject, ListParams, TypeMeta};
use kube::{Api, Client, Resource, ResourceExt};

use super::Error;
use crate::desired::{KINDS, Kind, labels};
use crate::tenant::{TownName, is_applied_by_us};

/// What is there of what the operator made, by kind and name.
pub type Children = BTreeMap<(Kind, String), DynamicObject>;

/// What is there for a town itself, without its modules.
pub async fn children_of_town(client: &Client, town: &TownName) -> Result<Children, Error> {
    children(client, &town.namespace(), &format!("{}=rathaus,!{}", labels::MANAGED_BY, labels::MODULE)).await
}

/// What is there for a module.
pub async fn children_of_module(client: &Client, namespace: &str, module: &str) -> Result<Children, Error> {
    children(client, namespace, &format!("{}=rathaus,{}={module}", labels::MANAGED_BY, labels::MODULE)).await
}

async fn children(client: &Client, namespace: &str, selector: &str) -> Result<Children, Error> {
    let params = ListParams::default().labels(selector);
    let lists = KINDS.iter().filter(|kind| **kind != Kind::Namespace).map(|kind| async {
        let resource = kind.api_resource();
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
        let list =
            api.list(&params).await.map_err(Error::of(format!("list {} in {namespace}", resource.plural)))?;
        // The items of a list come without their type, which a drift would not be told from.
        let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
        let typed = move |object| DynamicObject { types: Some(types.clone()), ..object };
        let named = |object: DynamicObject| ((*kind, object.name_any()), object);
        // Anybody can set a label.
        let ours = list.items.into_iter().filter(|object| is_applied_by_us(object.meta()));
        Ok::<_, Error>(ours.map(typed).map(named))
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// A namespace, if it is there.
pub async fn namespace(client: &Client, name: &str) -> Result<Option<Namespace>, Error> {
    Api::<Namespace>::all(client.clone())
        .get_opt(name)
        .await
        .map_err(Error::of(format!("read namespace {name}")))
}

/// A Secret that a town made, if it is there.
pub async fn secret(client: &Client, namespace: &str, name: &str) -> Result<Option<Secret>, Error> {
    Api::<Secret>::namespaced(client.clone(), namespace)
        .get_opt(name)
        .await
        .map_err(Error::of(format!("read Secret {name} in {namespace}")))
}

/// A module's pods.
pub async fn pods(client: &Client, namespace: &str, module: &str) -> Result<Vec<Pod>, Error> {
    let params = ListParams::default().labels(&format!("{}={module}", labels::MODULE));
    let list = Api::<Pod>::namespaced(client.clone(), namespace)
        .list(&params)
        .await
        .map_err(Error::of(format!("list pods in {namespace}")))?;
    Ok(list.items)
}
