// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads the observed state, from the ledger or from the API server.

use k8s_openapi::api::core::v1::{Namespace, Pod, Secret};
use kube::api::{ListParams, ObjectMeta};
use kube::core::DeserializeGuard;
use kube::{Api, Client, Resource, ResourceExt};

use super::Error;
use super::apply::{Children, TownObjects, dynamic_api};
use super::ledger::{Ledger, Row, RowKey};
use super::observed::Observed;
use crate::api::{Municipality, ServiceModule};
use crate::desired::{AdditiveKind, labels};
use crate::tenant::{HeldHostnames, Ownership, SealKey, TownName};

/// Returns the objects that the operator made for a town, without those of its modules, as the ledger knows them.
/// No label is read: one that was removed or forged decides nothing.
pub fn town_children(town: TownObjects<'_>, name: &TownName) -> Children {
    sealed(town, town.ledger.of_town(&name.namespace()))
}

/// Returns the objects that the operator made for a module, which all have its name, as the ledger knows them.
pub fn module_children(town: TownObjects<'_>, namespace: &str, module: &str) -> Children {
    sealed(town, town.ledger.named(namespace, module))
}

fn sealed(town: TownObjects<'_>, rows: Vec<(RowKey, Row)>) -> Children {
    let ours = rows.into_iter().filter(|(key, row)| town.has_seal(key, row));
    ours.map(|(key, row)| ((key.kind, key.name), row)).collect()
}

/// Whether the namespace is the town's and can be written to, as the ledger knows it. If not, the namespace must
/// be read to learn why.
pub fn is_namespace_ready(town: TownObjects<'_>, namespace: &str) -> bool {
    let key = RowKey::namespace(namespace);
    town.ledger.get(&key).is_some_and(|row| !row.is_terminating && town.has_seal(&key, &row))
}

/// Whether the municipality holds a host name, as its namespace says with a seal.
pub fn holds_hostname(town: TownObjects<'_>, namespace: &str) -> bool {
    let row = town.ledger.get(&RowKey::namespace(namespace));
    matches!(row.map(|row| row.observed), Some(Observed::Namespace(held))
        if town.key.verify_hostname(namespace, &held.name, town.ars, &held.seal))
}

/// Returns the municipalities that hold host names which overlap with this one, as the ledger knows them. `ars_of`
/// returns the ARS of a municipality; what carries no seal for it is not held.
pub fn held_hostnames(
    ledger: &Ledger,
    key: &SealKey,
    hostname: &str,
    ars_of: impl Fn(&TownName) -> Option<String>,
) -> HeldHostnames {
    let held = ledger.holders(hostname).into_iter().filter_map(|(namespace, held)| {
        let town = TownName::from_namespace(&namespace)?;
        let is_proven = key.verify_hostname(&namespace, &held.name, &ars_of(&town)?, &held.seal);
        is_proven.then(|| (town.to_string(), held.name))
    });
    held.collect()
}

/// Returns the names of the objects of a kind in a namespace that somebody else made. The API server is asked
/// only if the ledger knows one without the town's seal: it may be one that still waits for the upgrade.
pub async fn list_foreign(
    town: TownObjects<'_>,
    namespace: &str,
    kind: AdditiveKind,
) -> Result<Vec<String>, Error> {
    let kind = kind.kind();
    if town.ledger.of_kind(namespace, kind).iter().all(|(key, row)| town.has_seal(key, row)) {
        return Ok(Vec::new());
    }
    let resource = kind.api_resource();
    let action = format!("list {} in {namespace}", resource.plural);
    let api = dynamic_api(town.client, kind, Some(namespace));
    let list = api.list_metadata(&ListParams::default()).await.map_err(Error::from_kube(action))?;
    let is_foreign = |meta: &ObjectMeta| town.ownership(kind, meta) == Ownership::Foreign;
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
