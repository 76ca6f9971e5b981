// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reconciles a ServiceModule: its database, its objects and its route.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};

use super::context::Context;
use super::key::{ObjectKey, OwnKind};
use super::turns::NEXT_TURN;
use super::{cleanup, retry, town};
use crate::api::conditions::{
    CLASS_ACCEPTED, DATABASE_READY, DEPLOYED, NAMESPACE_READY, READY, ROUTED, SERVICE_MODULE_CONDITIONS,
};
use crate::api::{Municipality, ServiceModule, ServiceModuleStatus};
use crate::cluster::{self, Applied, Children, TownObjects};
use crate::desired::module::{DatabaseAccess, Environment};
use crate::desired::{self, Kind};
use crate::status::{self, Isolation, Outcome, Report, Step};
use crate::tenant::{self, HOSTNAME_TAKEN, Module, ModuleContext, NamespaceClaim, Rejection, Town};

pub(super) async fn reconcile(
    object: Arc<DeserializeGuard<ServiceModule>>,
    ctx: Arc<Context>,
) -> Result<Action, Infallible> {
    ctx.wait_until_synced().await;
    let namespace = object.namespace().unwrap_or_default();
    let Some(_turn) = ctx.turns.take(&namespace) else { return Ok(Action::requeue(NEXT_TURN)) };
    let start = Instant::now();
    let key = ObjectKey::of(OwnKind::ServiceModule, &*object);
    ctx.retries.begin(&key, start);
    let municipality = ctx.find_municipality(&namespace);
    let town = municipality.as_ref().and_then(|town| town.0.as_ref().ok());
    let mut provisioned = None;
    let report = match &object.0 {
        // Deletion must always complete. An unreadable object has no deletion policy, so that all data stays.
        Err(_) if object.meta().deletion_timestamp.is_some() => {
            let api = Api::<DeserializeGuard<ServiceModule>>::namespaced(ctx.client.clone(), &namespace);
            let removed = cluster::remove_finalizer(&api, &object).await;
            removed.err().map(|error| Report { steps: vec![Step::failed(READY, &error)] })
        }
        Err(unreadable) => Some(Report::unreadable(&unreadable.error)),
        Ok(raw) if raw.meta().deletion_timestamp.is_some() => {
            ctx.with_timeout(cleanup::clean_up(raw, &ctx)).await
        }
        Ok(raw) if raw.spec.suspend => Some(Report::suspended("the module")),
        Ok(_) if town.is_some_and(|town| town.spec.suspend) => Some(Report::suspended("the municipality")),
        Ok(raw) => ctx.with_timeout(async { Some(provision(raw, town, &ctx, &mut provisioned).await) }).await,
    };
    let Some(report) = report else { return Ok(retry::forget_object(&ctx, &key)) };
    let status_written = write_status(&object, &report, provisioned.as_ref(), &ctx).await;
    Ok(retry::finish_run(&ctx, &key, &report, status_written, start.elapsed()))
}

/// Provisions a module. `provisioned` is set if all of it was applied, whether or not it runs already.
async fn provision(
    raw: &ServiceModule,
    town: Option<&Municipality>,
    ctx: &Context,
    provisioned: &mut Option<Module>,
) -> Report {
    let mut steps = Vec::new();
    let unfinished = run_pipeline(raw, town, ctx, provisioned, &mut steps).await.err();
    Report { steps: steps.into_iter().chain(unfinished).collect() }
}

/// Runs observe → resolve → desired → apply → report. Adds each completed step to `steps`, and returns
/// the first one that could not be completed as the error.
async fn run_pipeline(
    raw: &ServiceModule,
    municipality: Option<&Municipality>,
    ctx: &Context,
    provisioned: &mut Option<Module>,
    steps: &mut Vec<Step>,
) -> Result<(), Step> {
    let failed = |condition| move |error: cluster::Error| Step::failed(condition, &error);
    let namespace = raw.namespace().unwrap_or_default();
    // What the caches tell is checked first, so that a refused module costs no request.
    let town = resolve_isolated_town(&namespace, municipality, ctx);
    if let (Err(rejection), Some(municipality)) = (&town, municipality)
        && rejection.reason == HOSTNAME_TAKEN
    {
        detach_route(raw, municipality, ctx).await?;
    }
    let mut module = resolve_module(raw, town, ctx)?;
    if let Some(rejection) =
        check_namespace(municipality, &namespace, ctx).await.map_err(failed(CLASS_ACCEPTED))?
    {
        module = resolve_module(raw, Err(rejection), ctx)?;
    }
    steps.push(Step::ready(
        CLASS_ACCEPTED,
        "Accepted",
        format!("class {} {}", module.class.name, module.class.version),
    ));
    cluster::add_finalizer(&Api::namespaced(ctx.client.clone(), &namespace), raw)
        .await
        .map_err(failed(READY))?;

    let objects = ctx.objects(module.town.ars.as_str());
    // Of a module that was ready, something has changed that may not be all.
    let max_age = if is_ready(raw) { Duration::ZERO } else { ctx.unwatched_period() };
    ctx.unwatched.read(objects, &namespace, max_age).await.map_err(failed(DEPLOYED))?;
    let children = cluster::module_children(objects, &namespace, module.name.as_str());
    check_isolation(municipality, &children)?;
    let database = provision_database(objects, &module, ctx, steps).await?;
    check_named_secrets(raw, &module, max_age, ctx).await?;
    let authority = if module.callers.is_empty() {
        None
    } else {
        Some(ctx.token_authority().await.map_err(failed(DEPLOYED))?)
    };
    let inputs = Environment { database, authority, routed: is_routed_or_available(&children) };
    let mut applied = Applied::default();
    let plan = desired::module::plan(&module, &inputs, &ctx.settings);
    cluster::apply(objects, plan.into_objects(), &mut applied).await.map_err(failed(DEPLOYED))?;
    ctx.prune(objects, &namespace, &children, &applied, DEPLOYED).await?;
    let pods = if applied.rollout().is_some_and(|rollout| rollout.has_stalled(Timestamp::now())) {
        cluster::list_pods(&ctx.client, &namespace, module.name.as_str()).await.map_err(failed(DEPLOYED))?
    } else {
        Vec::new()
    };
    steps.extend(status::evaluate_module(&applied, &pods, module.class.shows_container_logs));
    *provisioned = Some(module);
    Ok(())
}

/// Deletes the route of a module whose town may not have its host name and holds no other one, so that its citizens
/// are not led to two towns.
async fn detach_route(raw: &ServiceModule, town: &Municipality, ctx: &Context) -> Result<(), Step> {
    let (namespace, objects) = (raw.namespace().unwrap_or_default(), ctx.objects(&town.spec.ars));
    if cluster::holds_hostname(objects, &namespace) {
        return Ok(());
    }
    let mut routes = cluster::module_children(objects, &namespace, &raw.name_any());
    routes.retain(|(kind, _), _| *kind == Kind::HTTPRoute);
    ctx.prune(objects, &namespace, &routes, &Applied::default(), ROUTED).await
}

/// Whether the last run found the module ready, in its current generation.
fn is_ready(module: &ServiceModule) -> bool {
    let conditions = module.status.as_ref().map_or(&[][..], |status| &status.conditions);
    status::current_ready(conditions, module.metadata.generation).status == "True"
}

/// Provisions the module's database. While the server cannot be used, a module that has a database keeps its access
/// as it is, so that the rest of it is kept up to date and repaired.
///
/// Whether the Secret with the password is ours is checked first: a new password would cut off the pods that use
/// the one in it.
async fn provision_database(
    objects: TownObjects<'_>,
    module: &Module,
    ctx: &Context,
    steps: &mut Vec<Step>,
) -> Result<DatabaseAccess, Step> {
    let namespace = module.town.name.namespace();
    let current = cluster::read_database_access(objects, &namespace, module.name.as_str()).await;
    let current = current.map_err(|error| Step::failed(DEPLOYED, &error))?;
    let current_url = current.as_ref().map(|access| access.url.as_str());
    match ctx.server.provision(module, current_url).await {
        Ok(access) => {
            let name = module.name.database_name(&module.town.name);
            let message = format!("database {name} with a role of its own");
            steps.push(Step::ready(DATABASE_READY, "Provisioned", message));
            Ok(access)
        }
        Err(error) => {
            let failed = Step::failed(DATABASE_READY, &error.into());
            let Some(access) = current.filter(|_| failed.outcome == Outcome::Failed) else {
                return Err(failed);
            };
            steps.push(failed);
            Ok(access)
        }
    }
}

/// Checks the Secrets that the ServiceModule names before any object is changed. New pods would wait for a
/// missing Secret, and only their events would say so. Pods that run already keep running.
///
/// What was found within `max_age` is not read again.
async fn check_named_secrets(
    raw: &ServiceModule,
    module: &Module,
    max_age: Duration,
    ctx: &Context,
) -> Result<(), Step> {
    let (namespace, generation) = (module.town.name.namespace(), raw.metadata.generation);
    let key = ObjectKey::module(&namespace, module.name.as_str());
    if ctx.retries.has_checked_secrets(&key, generation, max_age, Instant::now()) {
        return Ok(());
    }
    for named in module.configuration.secrets() {
        let found = cluster::get_secret(&ctx.client, &namespace, &named.name).await;
        let found = found.map_err(|error| Step::failed(DEPLOYED, &error))?;
        named.check(&namespace, found.as_ref())?;
    }
    ctx.retries.note_secrets(&key, generation, Instant::now());
    Ok(())
}

/// Refuses to create a module while policies or routes of somebody else weaken the town's isolation. A module
/// that runs is kept up to date and repaired all the same: its own policies hold as before, and stopping its
/// repairs would only add an outage to the breach.
fn check_isolation(town: Option<&Municipality>, children: &Children) -> Result<(), Step> {
    let runs = children.keys().any(|(kind, _)| *kind == Kind::Deployment);
    if runs || status::isolation(list_conditions(town)) != Isolation::Weakened {
        return Ok(());
    }
    let message = "the municipality's namespace has network policies or routes that rathaus did not make; new modules are created once they are gone, ask state IT".to_owned();
    Err(Rejection::waiting(DEPLOYED, "MunicipalityNotReady", message).into())
}

fn list_conditions(town: Option<&Municipality>) -> &[Condition] {
    town.and_then(|town| town.status.as_ref()).map(|status| status.conditions.as_slice()).unwrap_or_default()
}

/// Resolves the town to which the namespace belongs, once the operator has isolated the namespace for it.
/// The error says why the town cannot have modules yet.
fn resolve_isolated_town(
    namespace: &str,
    raw: Option<&Municipality>,
    ctx: &Context,
) -> Result<Town, Rejection> {
    let Some(raw) = raw else {
        let message = format!("namespace {namespace} belongs to no municipality");
        return Err(Rejection::waiting(CLASS_ACCEPTED, "MunicipalityNotFound", message));
    };
    let town = town::resolve_town(raw, ctx);
    // The condition only orders the work: no module may run in a namespace before its network policies and
    // quota are in force. It proves nothing, since others can write it, too.
    let conditions = list_conditions(Some(raw));
    if status::isolation(conditions) == Isolation::Absent {
        let refused = conditions.iter().find(|c| c.type_ == NAMESPACE_READY && c.status == "False");
        let message = match refused {
            Some(refused) => format!("namespace {namespace} cannot be prepared: {}", refused.message),
            None => format!("namespace {namespace} is being prepared"),
        };
        return town.and(Err(Rejection::waiting(CLASS_ACCEPTED, "NotIsolatedYet", message)));
    }
    town
}

/// Returns why the namespace cannot be used, unless the operator made it for the town.
async fn check_namespace(
    town: Option<&Municipality>,
    namespace: &str,
    ctx: &Context,
) -> Result<Option<Rejection>, cluster::Error> {
    let Some(town) = town else { return Ok(None) };
    if cluster::is_namespace_ready(ctx.objects(&town.spec.ars), namespace) {
        return Ok(None);
    }
    let observed = cluster::get_namespace(&ctx.client, namespace).await?;
    Ok(match tenant::namespace_claim(town, observed.as_ref(), &ctx.seal_key) {
        NamespaceClaim::Denied(rejection) => Some(rejection),
        NamespaceClaim::Free | NamespaceClaim::Ours => None,
    })
}

fn resolve_module(
    raw: &ServiceModule,
    town: Result<Town, Rejection>,
    ctx: &Context,
) -> Result<Module, Rejection> {
    let class = ctx.classes.get(&ObjectRef::new(&raw.spec.class));
    let modules = ctx.readable_modules(&raw.namespace().unwrap_or_default());
    let siblings: Vec<_> = modules.iter().filter_map(|module| module.0.as_ref().ok()).collect();
    let class = class.as_ref().and_then(|class| class.0.as_ref().ok());
    tenant::resolve_module(raw, ModuleContext { town, class, siblings: &siblings }, &ctx.settings)
}

/// Whether the module gets a route: its pods are available, or it has a route already. A module that fails
/// later keeps its route, so that the gateway answers 503 and not 404.
fn is_routed_or_available(children: &Children) -> bool {
    let has_route = children.keys().any(|(kind, _)| *kind == Kind::HTTPRoute);
    has_route || cluster::rollout(children).is_some_and(|rollout| rollout.is_complete)
}

async fn write_status(
    object: &DeserializeGuard<ServiceModule>,
    report: &Report,
    provisioned: Option<&Module>,
    ctx: &Context,
) -> Result<(), cluster::Error> {
    let before = match &object.0 {
        Ok(raw) => raw.status.clone().unwrap_or_default(),
        Err(_) => ServiceModuleStatus {
            conditions: cluster::read_conditions(&ctx.client, object).await?,
            ..ServiceModuleStatus::default()
        },
    };
    let generation = object.meta().generation;
    let url = provisioned
        .map(|module| module.public_url.as_str().trim_end_matches('/').to_owned())
        .or(before.url.clone());
    let ready_message = format!("citizens reach it at {}", url.as_deref().unwrap_or_default());
    let after = ServiceModuleStatus {
        observed_generation: generation,
        conditions: status::merge_conditions(
            &before.conditions,
            report,
            &SERVICE_MODULE_CONDITIONS,
            generation,
            &ready_message,
            Timestamp::now(),
        ),
        version: provisioned.map(|module| module.class.version.to_string()).or(before.version.clone()),
        image: provisioned.map(|module| module.class.image.to_string()).or(before.image.clone()),
        url,
    };
    // Of an unreadable object, only the conditions are known. It is written to only if they change.
    if after == before || object.0.is_err() && after.conditions == before.conditions {
        return Ok(());
    }
    let api = Api::<ServiceModule>::namespaced(ctx.client.clone(), &object.namespace().unwrap_or_default());
    cluster::write_status(&api, &object.name_any(), &after).await?;
    ctx.publish_events(&object.object_ref(&()), &before.conditions, &after.conditions).await;
    Ok(())
}
