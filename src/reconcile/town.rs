// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reconciles a Municipality: its namespace, access rights and isolation.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, CustomResourceExt, Resource, ResourceExt};

use super::context::Context;
use super::key::{ObjectKey, OwnKind};
use super::retry;
use crate::api::conditions::{ACCESS_READY, ISOLATED, MUNICIPALITY_CONDITIONS, NAMESPACE_READY, READY};
use crate::api::{Municipality, MunicipalityStatus, ServiceModule};
use crate::cluster::{self, Applied, FINALIZER, TownObjects};
use crate::desired::{self, AdditiveKind};
use crate::status::{self, Outcome, Report, Step};
use crate::tenant::{self, Ars, NamespaceClaim, Ownership, Rejection, Town, TownName};

/// Delay after the number of modules could not be written.
const COUNT_RETRY: Duration = Duration::from_secs(5);

pub(super) async fn reconcile(
    object: Arc<DeserializeGuard<Municipality>>,
    ctx: Arc<Context>,
) -> Result<Action, Infallible> {
    ctx.wait_until_synced().await;
    let start = Instant::now();
    let key = ObjectKey::of(OwnKind::Municipality, &*object);
    let pause = ctx.retries.begin(&key, start);
    if let (Some(pause), Ok(raw)) = (pause, &object.0) {
        // Nothing changed that the town is made from: it was only woken to count its modules.
        return Ok(count_modules(raw, pause, &ctx).await);
    }
    let report = match &object.0 {
        // Deletion must always complete. An unreadable object has no deletion policy, so that all data stays.
        Err(_) if object.meta().deletion_timestamp.is_some() => {
            let api = Api::<DeserializeGuard<Municipality>>::all(ctx.client.clone());
            cluster::remove_finalizer(&api, &object).await.err().map(|error| failure_report(&error))
        }
        Err(unreadable) => Some(Report::unreadable(&unreadable.error)),
        Ok(raw) if raw.meta().deletion_timestamp.is_some() => ctx.with_timeout(clean_up(raw, &ctx)).await,
        Ok(raw) if raw.spec.suspend => Some(Report::suspended("the municipality")),
        Ok(raw) => ctx.with_timeout(async { Some(provision(raw, &ctx).await) }).await,
    };
    let Some(report) = report else { return Ok(retry::forget_object(&ctx, &key)) };
    let status_written = write_status(&object, &report, &ctx).await;
    Ok(retry::finish_run(&ctx, &key, &report, status_written, start.elapsed()))
}

async fn provision(raw: &Municipality, ctx: &Context) -> Report {
    let mut steps = Vec::new();
    let unfinished = run_pipeline(raw, ctx, &mut steps).await.err();
    Report { steps: steps.into_iter().chain(unfinished).collect() }
}

/// Runs observe → resolve → desired → apply, wave by wave. Adds each completed step to `steps`, and
/// returns the first one that could not be completed as the error.
async fn run_pipeline(raw: &Municipality, ctx: &Context, steps: &mut Vec<Step>) -> Result<(), Step> {
    let failed = |condition| move |error: cluster::Error| Step::failed(condition, &error);
    let (client, mut applied) = (&ctx.client, Applied::default());
    let town = resolve_town(raw, ctx)?;
    let objects = ctx.objects(town.ars.as_str());
    let name = town.name.namespace();
    if !cluster::is_namespace_ready(objects, &name) {
        let namespace = cluster::get_namespace(client, &name).await.map_err(failed(NAMESPACE_READY))?;
        let claim = tenant::namespace_claim(raw, namespace.as_ref(), &ctx.seal_key);
        if let NamespaceClaim::Denied(rejection) = claim {
            return Err(rejection.into());
        }
    }
    cluster::add_finalizer(&Api::all(client.clone()), raw).await.map_err(failed(READY))?;

    let waves = desired::town::plan(&town, &ctx.settings).into_waves();
    cluster::apply(objects, vec![waves.namespace], &mut applied).await.map_err(failed(NAMESPACE_READY))?;
    steps.push(Step::ready(NAMESPACE_READY, "Created", format!("namespace {name} exists")));

    cluster::apply(objects, vec![waves.operator], &mut applied).await.map_err(failed(ACCESS_READY))?;
    if applied.has_changed {
        let message = "the operator waits until its new rights in the namespace take effect".to_owned();
        return Err(Step {
            condition: ACCESS_READY,
            outcome: Outcome::Waiting,
            reason: "RightsPropagating",
            message,
        });
    }
    cluster::apply(objects, vec![waves.administrators], &mut applied).await.map_err(failed(ACCESS_READY))?;
    let bindings =
        find_foreign(objects, &name, AdditiveKind::RoleBinding).await.map_err(failed(ACCESS_READY))?;
    let bound = || Step::ready(ACCESS_READY, "Bound", "administrators and operator have their rights");
    // What somebody else made is reported, and the run goes on: the town needs its isolation all the more.
    steps.push(bindings.unwrap_or_else(bound));

    cluster::apply(objects, waves.isolation, &mut applied).await.map_err(failed(ISOLATED))?;
    let children = cluster::town_children(objects, &town.name);
    ctx.prune(objects, &name, &children, &applied, ISOLATED).await?;
    let policies =
        find_foreign(objects, &name, AdditiveKind::NetworkPolicy).await.map_err(failed(ISOLATED))?;
    let routes = find_foreign(objects, &name, AdditiveKind::HTTPRoute).await.map_err(failed(ISOLATED))?;
    let enforced = || Step::ready(ISOLATED, "Enforced", "network policies, limits and quota are in force");
    steps.push(policies.or(routes).unwrap_or_else(enforced));
    Ok(())
}

/// Returns the step that reports objects of somebody else; `None` if there are none.
async fn find_foreign(
    objects: TownObjects<'_>,
    namespace: &str,
    kind: AdditiveKind,
) -> Result<Option<Step>, cluster::Error> {
    let names = cluster::list_foreign(objects, namespace, kind).await?;
    Ok(status::report_foreign(kind, namespace, &names))
}

/// Checks a Municipality against the settings and against those that claim its ARS, or claim or hold its host name.
pub(super) fn resolve_town(raw: &Municipality, ctx: &Context) -> Result<Town, Rejection> {
    let ars_of = |town: &TownName| {
        let town = ctx.towns.get(&ObjectRef::new(town.as_str()))?;
        town.0.as_ref().ok().map(|town| town.spec.ars.clone())
    };
    let hostname = &raw.spec.hostname;
    let held = cluster::held_hostnames(&ctx.ledger, &ctx.seal_key, hostname, ars_of);
    let mut concerned = ctx.index.claimants(&raw.spec.ars, hostname);
    concerned.extend(held.keys().map(|name| ObjectKey::town(name)));
    let towns = ctx.readable_towns(concerned);
    tenant::resolve_town(raw, towns.iter().filter_map(|town| town.0.as_ref().ok()), &held, &ctx.settings)
}

/// Cleans up after a deleted Municipality. Returns `None` once the finalizer is removed and no status can be
/// written any more.
async fn clean_up(raw: &Municipality, ctx: &Context) -> Option<Report> {
    if !raw.finalizers().iter().any(|name| name == FINALIZER) {
        return None;
    }
    if let Err(stale) = ctx.check_fresh(READY) {
        return Some(Report { steps: vec![stale] });
    }
    match remove_namespace(raw, ctx).await {
        Ok(None) => {
            let removed = cluster::remove_finalizer(&Api::all(ctx.client.clone()), raw).await;
            ctx.unwatched.forget(&TownName::namespace_of(&raw.name_any()));
            removed.err().map(|error| failure_report(&error))
        }
        Ok(Some(waiting)) => Some(Report { steps: vec![waiting] }),
        Err(error) => Some(failure_report(&error)),
    }
}

fn failure_report(error: &cluster::Error) -> Report {
    Report { steps: vec![Step::failed(READY, error)] }
}

/// Whether the namespace carries the town's seal. One that still waits for the upgrade is an error: whether it
/// is ours has not been decided, and nothing is deleted until then.
pub(super) fn is_ours(namespace: &Namespace, ars: &str, ctx: &Context) -> Result<bool, cluster::Error> {
    match tenant::ownership(&ctx.seal_key, "Namespace", namespace.meta(), ars) {
        Ownership::Ours => Ok(true),
        Ownership::Foreign => Ok(false),
        Ownership::Unsealed => {
            Err(cluster::Error::Unsealed { kind: "Namespace".to_owned(), name: namespace.name_any() })
        }
    }
}

/// Deletes the town's namespace, and returns what it waits for; `None` once the namespace is gone or must
/// stay. It must stay if the operator did not create it for this town, or if the Municipality is deleted only
/// because its CustomResourceDefinition is.
async fn remove_namespace(raw: &Municipality, ctx: &Context) -> Result<Option<Step>, cluster::Error> {
    let Ok(name) = TownName::parse(&raw.name_any()) else { return Ok(None) };
    if cluster::is_crd_being_deleted(&ctx.client, Municipality::crd_name()).await? {
        return Ok(None);
    }
    let Some(namespace) = cluster::get_namespace(&ctx.client, &name.namespace()).await? else {
        return Ok(None);
    };
    if !is_ours(&namespace, &raw.spec.ars, ctx)? {
        return Ok(None);
    }
    remove_foreign_finalizers(&name.namespace(), ctx).await?;
    if namespace.meta().deletion_timestamp.is_none() {
        cluster::delete_namespace(&ctx.client, &namespace).await?;
    }
    let modules = ctx.readable_modules(&name.namespace());
    let remaining = modules.iter().filter_map(|module| module.0.as_ref().ok());
    Ok(Some(status::describe_removal(&namespace, remaining)))
}

/// Removes the finalizers of others from the objects that a town can write, since they would keep its
/// namespace for ever. It happens before the namespace is deleted, because the operator's rights on Secrets go
/// with the namespace's RoleBindings, and again until the namespace is gone. Meanwhile the admission policy
/// rathaus-finalizers-guard lets no town add one.
async fn remove_foreign_finalizers(namespace: &str, ctx: &Context) -> Result<(), cluster::Error> {
    cluster::remove_foreign_finalizers::<ServiceModule>(&ctx.client, namespace).await?;
    match cluster::remove_foreign_finalizers::<Secret>(&ctx.client, namespace).await {
        // The RoleBinding is gone or was never there. The namespace goes all the same, and its conditions tell
        // what remains.
        Err(error @ cluster::Error::Forbidden { .. }) => {
            tracing::debug!(%error, namespace, "finalizers of Secrets not read");
            Ok(())
        }
        result => result,
    }
}

async fn write_status(
    object: &DeserializeGuard<Municipality>,
    report: &Report,
    ctx: &Context,
) -> Result<(), cluster::Error> {
    let raw = object.0.as_ref().ok();
    let before = match &object.0 {
        Ok(raw) => raw.status.clone().unwrap_or_default(),
        Err(_) => MunicipalityStatus {
            conditions: cluster::read_conditions(&ctx.client, object).await?,
            ..MunicipalityStatus::default()
        },
    };
    let generation = object.meta().generation;
    let namespace = TownName::namespace_of(&object.name_any());
    let modules = ctx.index.count_modules(&namespace);
    let ready_message = format!("namespace {namespace} is ready for modules");
    let conditions = status::merge_conditions(
        &before.conditions,
        report,
        &MUNICIPALITY_CONDITIONS,
        generation,
        &ready_message,
        Timestamp::now(),
    );
    let after = MunicipalityStatus {
        observed_generation: generation,
        namespace: status::is_condition_true(&conditions, NAMESPACE_READY).then_some(namespace),
        conditions,
        ags: raw.and_then(|raw| Ars::parse(&raw.spec.ars).ok()).map(|ars| ars.ags()),
        modules: Some(modules),
    };
    // Of an unreadable object, only the conditions are known. It is written to only if they change.
    if after == before || object.0.is_err() && after.conditions == before.conditions {
        return Ok(());
    }
    let api = Api::<Municipality>::all(ctx.client.clone());
    cluster::write_status(&api, &object.name_any(), &after).await?;
    ctx.publish_events(&object.object_ref(&()), &before.conditions, &after.conditions).await;
    Ok(())
}

/// Writes the number of the town's modules if it changed; `pause` is the time until the town itself is
/// reconciled.
async fn count_modules(raw: &Municipality, pause: Duration, ctx: &Context) -> Action {
    let name = raw.name_any();
    let modules = ctx.index.count_modules(&TownName::namespace_of(&name));
    if raw.status.as_ref().is_some_and(|status| status.modules == Some(modules)) {
        return Action::requeue(pause);
    }
    let key = ObjectKey::town(&name);
    if let Some(until_next) = ctx.retries.wait_before_count(&key, Instant::now()) {
        return Action::requeue(until_next.min(pause));
    }
    let api = Api::<Municipality>::all(ctx.client.clone());
    match cluster::write_module_count(&api, &name, modules).await {
        Ok(()) => Action::requeue(pause),
        Err(error) => {
            tracing::warn!(town = name, %error, "cannot write the number of modules");
            Action::requeue(COUNT_RETRY.min(pause))
        }
    }
}
