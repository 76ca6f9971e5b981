// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reconciles a Municipality: its namespace, access rights and isolation.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, CustomResourceExt, Resource, ResourceExt};

use super::context::Context;
use super::key::{ObjectKey, OwnKind};
use super::retry;
use crate::api::conditions::{ACCESS_READY, ISOLATED, MUNICIPALITY_CONDITIONS, NAMESPACE_READY, READY};
use crate::api::{Municipality, MunicipalityStatus};
use crate::cluster::{self, Applied, Children, FINALIZER};
use crate::desired::{self, town::Environment};
use crate::status::{self, Outcome, Report, Step};
use crate::tenant::{self, Ars, NamespaceClaim, Rejection, Town, TownName};

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
    let name = town.name.namespace();
    let namespace = cluster::get_namespace(client, &name).await.map_err(failed(NAMESPACE_READY))?;
    if let NamespaceClaim::Denied(rejection) = tenant::namespace_claim(raw, namespace.as_ref()) {
        return Err(rejection.into());
    }
    cluster::add_finalizer(&Api::all(client.clone()), raw).await.map_err(failed(READY))?;

    let inputs = Environment { counts_modules: ctx.counts_modules.load(Ordering::Relaxed) };
    let waves = desired::town::plan(&town, &inputs, &ctx.settings).into_waves();
    let none = Children::new();
    cluster::apply(client, vec![waves.namespace], &none, &mut applied)
        .await
        .map_err(failed(NAMESPACE_READY))?;
    steps.push(Step::ready(NAMESPACE_READY, "Created", format!("namespace {name} exists")));

    cluster::apply(client, vec![waves.operator], &none, &mut applied).await.map_err(failed(ACCESS_READY))?;
    if applied.changed {
        let message = "the operator waits until its new rights in the namespace take effect".to_owned();
        return Err(Step {
            condition: ACCESS_READY,
            outcome: Outcome::Waiting,
            reason: "RightsPropagating",
            message,
        });
    }
    let children = cluster::list_town_children(client, &town.name).await.map_err(failed(ACCESS_READY))?;
    cluster::apply(client, vec![waves.administrators], &children, &mut applied)
        .await
        .map_err(failed(ACCESS_READY))?;
    steps.push(Step::ready(ACCESS_READY, "Bound", "administrators and operator have their rights"));

    cluster::apply(client, waves.isolation, &children, &mut applied).await.map_err(failed(ISOLATED))?;
    cluster::prune(client, &children, &applied).await.map_err(failed(ISOLATED))?;
    steps.push(Step::ready(ISOLATED, "Enforced", "network policies, limits and quota are in force"));
    Ok(())
}

/// Checks a Municipality against the settings and against those that claim its ARS or host name, too.
pub(super) fn resolve_town(raw: &Municipality, ctx: &Context) -> Result<Town, Rejection> {
    let towns = ctx.readable_towns(ctx.index.claimants(&raw.spec.ars, &raw.spec.hostname));
    tenant::resolve_town(raw, towns.iter().filter_map(|town| town.0.as_ref().ok()), &ctx.settings)
}

/// Cleans up after a deleted Municipality. Returns `None` once the finalizer is removed and no status can be
/// written any more.
async fn clean_up(raw: &Municipality, ctx: &Context) -> Option<Report> {
    if !raw.finalizers().iter().any(|name| name == FINALIZER) {
        return None;
    }
    match remove_namespace(raw, ctx).await {
        Ok(true) => {
            let removed = cluster::remove_finalizer(&Api::all(ctx.client.clone()), raw).await;
            removed.err().map(|error| failure_report(&error))
        }
        Ok(false) => {
            let message = "the namespace and its modules are being removed".to_owned();
            Some(Report {
                steps: vec![Step {
                    condition: READY,
                    outcome: Outcome::Waiting,
                    reason: "Deleting",
                    message,
                }],
            })
        }
        Err(error) => Some(failure_report(&error)),
    }
}

fn failure_report(error: &cluster::Error) -> Report {
    Report { steps: vec![Step::failed(READY, error)] }
}

/// Deletes the town's namespace; returns true once it is gone or must stay. It must stay if the operator
/// did not create it for this town, or if the Municipality is deleted only because its
/// CustomResourceDefinition is.
async fn remove_namespace(raw: &Municipality, ctx: &Context) -> Result<bool, cluster::Error> {
    let Ok(name) = TownName::parse(&raw.name_any()) else { return Ok(true) };
    if cluster::is_crd_being_deleted(&ctx.client, Municipality::crd_name()).await? {
        return Ok(true);
    }
    let Some(namespace) = cluster::get_namespace(&ctx.client, &name.namespace()).await? else {
        return Ok(true);
    };
    if !tenant::is_made_for(namespace.meta(), &raw.spec.ars) {
        return Ok(true);
    }
    if namespace.meta().deletion_timestamp.is_none() {
        cluster::delete_namespace(&ctx.client, &namespace).await?;
    }
    Ok(false)
}

async fn write_status(
    object: &DeserializeGuard<Municipality>,
    report: &Report,
    ctx: &Context,
) -> Result<(), cluster::Error> {
    let raw = object.0.as_ref().ok();
    let before = raw.and_then(|raw| raw.status.clone()).unwrap_or_default();
    let generation = object.meta().generation;
    let namespace = format!("{}{}", TownName::NAMESPACE_PREFIX, object.name_any());
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
    if after == before {
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
    let modules = ctx.index.count_modules(&format!("{}{name}", TownName::NAMESPACE_PREFIX));
    if raw.status.as_ref().is_some_and(|status| status.modules == Some(modules)) {
        return Action::requeue(pause);
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
