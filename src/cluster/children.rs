// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads the observed state from the API server.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{DynamicObject, ListParams, TypeMeta};
use kube::{Api, Client, ResourceExt};

use super::Error;
use super::apply::{TownObjects, dynamic_api};
use crate::desired::{KINDS, Kind, labels};
use crate::tenant::{Ownership, TownName};

/// The existing objects that carry a town's seal, by kind and name.
pub type Children = BTreeMap<(Kind, String), DynamicObject>;

/// Lists the objects that the operator made for a town, without those of its modules. The label only selects:
/// an object without it is found by its name when it is written, and one with a forged label has no seal.
pub async fn list_town_children(town: TownObjects<'_>, name: &TownName) -> Result<Children, Error> {
    let params = ListParams::default().labels(&format!("{}=rathaus", labels::MANAGED_BY));
    let found = list_kinds(town.client, &name.namespace(), &params).await?;
    let is_child = |kind: Kind, object: &DynamicObject| {
        labels::is_town_object(&object.name_any()) && town.ownership(kind, object) == Ownership::Ours
    };
    Ok(into_children(found.into_iter().filter(|(kind, object)| is_child(*kind, object))))
}

/// Lists the objects that the operator made for a module, which all have its name. No label is read: one that
/// was removed or forged decides nothing.
pub async fn list_module_children(
    town: TownObjects<'_>,
    namespace: &str,
    module: &str,
) -> Result<Children, Error> {
    let params = ListParams::default().fields(&format!("metadata.name={module}"));
    let found = list_kinds(town.client, namespace, &params).await?;
    let is_child = |kind: Kind, object: &DynamicObject| town.ownership(kind, object) == Ownership::Ours;
    Ok(into_children(found.into_iter().filter(|(kind, object)| is_child(*kind, object))))
}

fn into_children(objects: impl Iterator<Item = (Kind, DynamicObject)>) -> Children {
    objects.map(|(kind, object)| ((kind, object.name_any()), object)).collect()
}

/// Lists objects of all kinds in a namespace.
pub(super) async fn list_kinds(
    client: &Client,
    namespace: &str,
    params: &ListParams,
) -> Result<Vec<(Kind, DynamicObject)>, Error> {
    let lists = KINDS.iter().filter(|kind| **kind != Kind::Namespace).map(|kind| async move {
        let resource = kind.api_resource();
        let api = dynamic_api(client, *kind, Some(namespace));
        let action = format!("list {} in {namespace}", resource.plural);
        let list = api.list(params).await.map_err(Error::from_kube(action))?;
        // The API server omits apiVersion and kind in the items of a list; without them, each item would
        // differ from the desired object.
        let types = TypeMeta { api_version: resource.api_version.clone(), kind: resource.kind.clone() };
        let with_type = move |object| (*kind, DynamicObject { types: Some(types.clone()), ..object });
        Ok::<_, Error>(list.items.into_iter().map(with_type))
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
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
