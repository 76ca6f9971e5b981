// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Cleans up after a deleted ServiceModule: removes its objects, and locks or drops its database.

use kube::{Api, CustomResourceExt, Resource, ResourceExt};

use super::context::Context;
use super::town;
use crate::api::conditions::READY;
use crate::api::{Municipality, ServiceModule};
use crate::cluster::{self, Applied, Children, FINALIZER};
use crate::status::{Outcome, Report, Step};
use crate::tenant::{self, DataFate, DeletionEvidence, TownName};

/// Cleans up after a deleted ServiceModule. Returns `None` once the finalizer is removed and no status can
/// be written any more.
pub(super) async fn clean_up(raw: &ServiceModule, ctx: &Context) -> Option<Report> {
    if !raw.finalizers().iter().any(|name| name == FINALIZER) {
        return None;
    }
    if let Err(stale) = ctx.check_fresh(READY) {
        return Some(Report { steps: vec![stale] });
    }
    let api = Api::<ServiceModule>::namespaced(ctx.client.clone(), &raw.namespace().unwrap_or_default());
    let step = match delete_children_and_database(raw, ctx).await {
        Ok(true) => Step::failed(READY, &cluster::remove_finalizer(&api, raw).await.err()?),
        Ok(false) => {
            let message = "pods and routes are being removed".to_owned();
            Step { condition: READY, outcome: Outcome::Waiting, reason: "Deleting", message }
        }
        Err(error) => Step::failed(READY, &error),
    };
    Some(Report { steps: vec![step] })
}

/// Returns true once all objects of the module are gone and its database is locked or dropped, as
/// [`DeletionEvidence::data_fate`] decides.
async fn delete_children_and_database(raw: &ServiceModule, ctx: &Context) -> Result<bool, cluster::Error> {
    let (namespace, name) = (raw.namespace().unwrap_or_default(), raw.name_any());
    let children = find_known_children(&namespace, &name, ctx).await;
    if children.as_ref().is_ok_and(are_all_terminating) {
        return Ok(false);
    }
    let evidence = read_evidence(&namespace, &name, ctx).await?;
    let fate = evidence.data_fate(raw);
    let Some(town) = evidence.town.as_ref().filter(|_| fate != DataFate::Untouched) else { return Ok(true) };
    // If the namespace is being deleted, the API server deletes the children. The operator may have lost its
    // rights there already.
    if !evidence.namespace_goes() {
        let children = children?;
        let objects = ctx.objects(&town.spec.ars);
        cluster::prune(objects, &namespace, &children, &Applied::default()).await?;
        if !cluster::module_children(objects, &namespace, &name).is_empty() {
            return Ok(false);
        }
    }
    lock_or_drop_database(town, &name, fate == DataFate::Dropped, ctx).await?;
    Ok(true)
}

/// The children of a module by the ARS in the cache, which is immutable.
async fn find_known_children(namespace: &str, name: &str, ctx: &Context) -> Result<Children, cluster::Error> {
    let Some(town) = ctx.find_municipality(namespace) else { return Ok(Children::new()) };
    let Ok(town) = &town.0 else { return Ok(Children::new()) };
    let objects = ctx.objects(&town.spec.ars);
    ctx.unwatched.read(objects, namespace, ctx.unwatched_period()).await?;
    cluster::reread_terminating(objects, namespace, name).await?;
    Ok(cluster::module_children(objects, namespace, name))
}

/// Whether there is nothing to do but to wait for the children.
fn are_all_terminating(children: &Children) -> bool {
    !children.is_empty() && children.values().all(|child| child.is_terminating)
}

/// Reads from the API server what the decision about the data needs. What causes a deletion is read after
/// what it deletes, so that the cause is seen whenever the effect is: first the module, then its namespace,
/// its municipality, and the definitions.
async fn read_evidence(
    namespace: &str,
    name: &str,
    ctx: &Context,
) -> Result<DeletionEvidence, cluster::Error> {
    let client = &ctx.client;
    let Some(town) = TownName::from_namespace(namespace) else { return Ok(DeletionEvidence::default()) };
    let module = cluster::get_module_metadata(client, namespace, name).await?;
    let observed = cluster::get_namespace(client, namespace).await?;
    let town = cluster::get_municipality(client, town.as_str()).await?;
    let observed = match (observed, &town) {
        (Some(observed), Some(town)) => town::is_ours(&observed, &town.spec.ars, ctx)?.then_some(observed),
        _ => None,
    };
    let town_goes = town.as_ref().is_some_and(|town| town.meta().deletion_timestamp.is_some());
    Ok(DeletionEvidence {
        module,
        town,
        namespace: observed,
        module_definition_goes: cluster::is_crd_being_deleted(client, ServiceModule::crd_name()).await?,
        town_definition_goes: town_goes
            && cluster::is_crd_being_deleted(client, Municipality::crd_name()).await?,
    })
}

async fn lock_or_drop_database(
    town: &Municipality,
    module: &str,
    drop_data: bool,
    ctx: &Context,
) -> Result<(), cluster::Error> {
    let names = (TownName::parse(&town.name_any()), tenant::ModuleName::parse(module));
    let (Ok(town_name), Ok(module_name)) = names else { return Ok(()) };
    let owner = cluster::database::owner_comment(&town.spec.ars, module);
    match ctx.server.lock_or_drop(&module_name.database_name(&town_name), &owner, drop_data).await {
        Ok(()) => Ok(()),
        Err(error) if drop_data => Err(error.into()),
        // Locking is only a precaution: its failure must not block the deletion of the town.
        Err(error) => {
            tracing::warn!(%error, town = %town_name, module, "cannot lock the retained database");
            Ok(())
        }
    }
}
