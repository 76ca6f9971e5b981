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
use super::apply::{TownObjects, dynamic_api};
use crate::api::{Municipality, ServiceModule};
use crate::desired::{AdditiveKind, KINDS, Kind, labels};
use crate::tenant::{Ownership, TownName};

/// The existing objects that carry a town's seal, by kind and name.
pub type Children = BTreeMap<(Kind, String), DynamicObject>;

/// Lists the objects that the operator made for a town, without those of its modules. The label only selects:
/// an object without it is found by its name when it is written, and one with a forged label has no seal.
pub async fn list_town_children(town: TownObjects<'_>, name: &TownName) -> Result<Children, Error> {
    let params = ListParams::default().labels(&format!("{}=rathaus", labels::MANAGED_BY));
    let found = list_kinds(town.client, &name.namespace(), &params).await?;
    let is_child = |kind: Kind, object: &DynamicObject| {
        labels::is_town_object(&object.name_any()) && town.ownership(kind, object.meta()) == Ownership::Ours
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
    let is_child =
        |kind: Kind, object: &DynamicObject| town.ownership(kind, object.meta()) == Ownership::Ours;
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

/// Lists the names of the objects of a kind in a namespace that somebody else made.
pub async fn list_foreign(
    town: TownObjects<'_>,
    namespace: &str,
    kind: AdditiveKind,
) -> Result<Vec<String>, Error> {
    let resource = kind.kind().api_resource();
    let api = dynamic_api(town.client, kind.kind(), Some(namespace));
    let action = format!("list {} in {namespace}", resource.plural);
    let list = api.list_metadata(&ListParams::default()).await.map_err(Error::from_kube(action))?;
    let is_foreign = |meta: &ObjectMeta| town.ownership(kind.kind(), meta) == Ownership::Foreign;
    let foreign = list.items.iter().filter(|object| is_foreign(object.meta()));
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
