// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Seals the objects that version 0.1.0 made without a seal.

use futures::future::try_join_all;
use kube::api::{DynamicObject, ListParams};
use kube::{Client, Resource, ResourceExt};

use super::apply::{TownObjects, dynamic_api, post_params};
use super::{Error, get_namespace};
use crate::desired::{KINDS, Kind, labels};
use crate::tenant::{Ownership, SEAL, TownName};

/// Lists the objects of a town that version 0.1.0 made and that carry no seal, in the order in which they are
/// to be sealed. The namespace is the last: until it is sealed, the operator touches nothing in it, and does not
/// take an unsealed Secret for a missing one, whose password it would replace. None, if the namespace does not
/// exist or was made by somebody else.
///
/// # Errors
/// The API server cannot be read.
pub async fn list_unsealed(
    town: TownObjects<'_>,
    name: &TownName,
) -> Result<Vec<(Kind, DynamicObject)>, Error> {
    let Some(namespace) = get_namespace(town.client, &name.namespace()).await? else {
        return Ok(Vec::new());
    };
    let data = serde_json::Value::Null;
    let namespace = DynamicObject { types: None, metadata: namespace.metadata, data };
    let claim = town.ownership(Kind::Namespace, namespace.meta());
    if claim == Ownership::Foreign {
        return Ok(Vec::new());
    }
    let selector = format!("{}=rathaus", labels::MANAGED_BY);
    let params = ListParams::default().labels(&selector);
    let found = list_kinds(town.client, &name.namespace(), &params).await?;
    let unsealed = found
        .into_iter()
        .filter(|(kind, object)| town.ownership(*kind, object.meta()) == Ownership::Unsealed);
    let last = (claim == Ownership::Unsealed).then_some((Kind::Namespace, namespace));
    Ok(unsealed.chain(last).collect())
}

/// Lists objects of all kinds in a namespace.
async fn list_kinds(
    client: &Client,
    namespace: &str,
    params: &ListParams,
) -> Result<Vec<(Kind, DynamicObject)>, Error> {
    let lists = KINDS.iter().filter(|kind| **kind != Kind::Namespace).map(|kind| async move {
        let resource = kind.api_resource();
        let api = dynamic_api(client, *kind, Some(namespace));
        let action = format!("list {} in {namespace}", resource.plural);
        let list = api.list(params).await.map_err(Error::from_kube(action))?;
        Ok::<_, Error>(list.items.into_iter().map(move |object| (*kind, object)))
    });
    Ok(try_join_all(lists).await?.into_iter().flatten().collect())
}

/// Writes the seal on an object. Nothing else of it is changed.
///
/// # Errors
/// The object was changed since it was listed, or the API server refuses.
pub async fn write_seal(town: TownObjects<'_>, kind: Kind, object: &DynamicObject) -> Result<(), Error> {
    let (name, namespace) = (object.name_any(), object.namespace());
    let action = format!("seal {kind:?} {name}");
    let api = dynamic_api(town.client, kind, namespace.as_deref());
    let mut live = api.get(&name).await.map_err(Error::from_kube(action.clone()))?;
    if live.meta().uid != object.meta().uid || town.ownership(kind, live.meta()) != Ownership::Unsealed {
        return Err(Error::Foreign { kind: format!("{kind:?}"), name });
    }
    let seal = town.key.seal(&format!("{kind:?}"), namespace.as_deref().unwrap_or_default(), &name, town.ars);
    live.annotations_mut().insert(SEAL.to_owned(), seal);
    live.metadata.managed_fields = None;
    api.replace(&name, &post_params(), &live).await.map(drop).map_err(Error::from_kube(action))
}
