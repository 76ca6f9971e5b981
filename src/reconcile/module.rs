// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One look at one ServiceModule.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, CustomResourceExt, Resource, ResourceExt};

use super::context::{Context, readable};
use super::{Guarded, retry, town};
use crate::api::conditions::{
    CLASS_ACCEPTED, DATABASE_READY, DEPLOYED, ISOLATED, READY, SERVICE_MODULE_CONDITIONS,
};
use crate::api::{DeletionPolicy, Municipality, ServiceModule, ServiceModuleStatus};
use crate::cluster::{self, Applied, Children, FINALIZER};
use crate::desired::{self, Kind, module::Environment};
use crate::status::{self, Outcome, Report, Step};
use crate::tenant::{self, Module, ModuleContext, NamespaceClaim, Rejection, Town, TownName};

const KIND: &str = "servicemodule";

pub(super) async fn reconcile(
    object: Arc<Guarded<ServiceModule>>,
    ctx: Arc<Context>,
) -> Result<Action, Infallible> {
    ctx.synced().await;
    let start = Instant::now();
    let namespace = object.namespace().unwrap_or_default();
    let municipality = municipality(&namespace, &ctx);
    let town = municipality.as_ref().and_then(|town| town.0.as_ref().ok());
    let mut made_from = None;
    let report = match &object.0 {
        // Deletion always ends; what cannot be read says nothing about data, so that all of it stays.
        Err(_) if object.meta().deletion_timestamp.is_some() => {
            let api = Api::<Guarded<ServiceModule>>::namespaced(ctx.client.clone(), &namespace);
            let kept = cluster::remove_finalizer(&api, &object).await.err();
            kept.map(|error| Report { steps: vec![Step::failed(READY, &error)] })
        }
        Err(unreadable) => Some(Report::unreadable(&unreadable.error)),
        Ok(raw) if raw.meta().deletion_timestamp.is_some() => ctx.bounded(remove(raw, town, &ctx)).await,
        Ok(raw) if raw.spec.suspend => Some(Report::suspended("the module")),
        Ok(_) if town.is_some_and(|town| town.spec.suspend) => Some(Report::suspended("the municipality")),
        Ok(raw) => ctx.bounded(async { Some(provision(raw, town, &ctx, &mut made_from).await) }).await,
    };
    let name = format!("{namespace}/{}", object.name_any());
    let Some(report) = report else { return Ok(retry::forget(&ctx, KIND, &name)) };
    let written = write_status(&object, &report, made_from.as_ref(), &ctx).await;
    Ok(retry::settle(&ctx, KIND, &name, &report, written, start.elapsed()))
}

/// The municipality that a namespace should be of. What the namespace's labels say does not count.
fn municipality(namespace: &str, ctx: &Context) -> Option<Arc<Guarded<Municipality>>> {
    let name = TownName::from_namespace(namespace)?;
    ctx.towns.get(&ObjectRef::new(name.as_str()))
}

async fn provision(
    raw: &ServiceModule,
    town: Option<&Municipality>,
    ctx: &Context,
    made_from: &mut Option<Module>,
) -> Report {
    let mut steps = Vec::new();
    let stopped = pipeline(raw, town, ctx, made_from, &mut steps).await.err();
    Report { steps: steps.into_iter().chain(stopped).collect() }
}

/// observe → resolve → desired → apply → judge.
async fn pipeline(
    raw: &ServiceModule,
    town: Option<&Municipality>,
    ctx: &Context,
    made_from: &mut Option<Module>,
    steps: &mut Vec<Step>,
) -> Result<(), Step> {
    let at = |condition| move |error: cluster::Error| Step::failed(condition, &error);
    let namespace = raw.namespace().unwrap_or_default();
    let town = settle_town(&namespace, town, ctx).await.map_err(at(CLASS_ACCEPTED))?;
    let module = resolve(raw, town, ctx)?;
    steps.push(Step::ready(
        CLASS_ACCEPTED,
        "Accepted",
        format!("class {} {}", module.class.name, module.class.version),
    ));
    cluster::add_finalizer(&Api::namespaced(ctx.client.clone(), &namespace), raw).await.map_err(at(READY))?;

    let children = cluster::children_of_module(&ctx.client, &namespace, module.name.as_str())
        .await
        .map_err(at(DEPLOYED))?;
    let database = ctx.server.ensure(&module, known_url(&children).as_deref()).await;
    let database = database.map_err(|error| Step::failed(DATABASE_READY, &error.into()))?;
    let name = module.name.database_name(&module.town.name);
    steps.push(Step::ready(DATABASE_READY, "Provisioned", format!("database {name} with a role of its own")));

    secrets_are_there(&module, ctx).await?;
    let authority = if module.callers.is_empty() {
        None
    } else {
        Some(ctx.token_authority().await.map_err(at(DEPLOYED))?)
    };
    let around = Environment { database, authority, routed: was_available(&children) };
    let mut applied = Applied::default();
    let plan = desired::module::plan(&module, &around, &ctx.settings);
    cluster::apply(&ctx.client, plan.into_objects(), &children, &mut applied).await.map_err(at(DEPLOYED))?;
    cluster::prune(&ctx.client, &children, &applied).await.map_err(at(DEPLOYED))?;
    let pods = match applied.one::<Deployment>(Kind::Deployment) {
        Some(deployment) if status::is_available(&deployment) => Vec::new(),
        _ => cluster::pods(&ctx.client, &namespace, module.name.as_str()).await.map_err(at(DEPLOYED))?,
    };
    steps.extend(status::evaluate_module(&applied, &pods));
    *made_from = Some(module);
    Ok(())
}

/// Looks into the Secrets that the town names before anything is changed: pods would wait for one that
/// is missing, and say so nowhere that the town looks. What runs keeps running.
async fn secrets_are_there(module: &Module, ctx: &Context) -> Result<(), Step> {
    let namespace = module.town.name.namespace();
    for named in module.configuration.secrets() {
        let found = cluster::secret(&ctx.client, &namespace, &named.name).await;
        let found = found.map_err(|error| Step::failed(DEPLOYED, &error))?;
        named.check(&namespace, found.as_ref())?;
    }
    Ok(())
}

/// The town, if it can be served and the namespace is really its own.
async fn settle_town(
    namespace: &str,
    raw: Option<&Municipality>,
    ctx: &Context,
) -> Result<Result<Town, Rejection>, cluster::Error> {
    let Some(raw) = raw else {
        let message = format!("namespace {namespace} is no municipality's");
        return Ok(Err(Rejection::waiting(CLASS_ACCEPTED, "MunicipalityNotFound", message)));
    };
    let town = town::resolve(raw, ctx);
    let observed = cluster::namespace(&ctx.client, namespace).await?;
    if let NamespaceClaim::Denied(rejection) = tenant::namespace_claim(raw, observed.as_ref()) {
        return Ok(Err(rejection));
    }
    // Order, not authority: nothing runs in a namespace before its walls stand.
    let conditions = raw.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    if !status::is_condition_true(conditions, ISOLATED) {
        let message = format!("namespace {namespace} is being prepared");
        return Ok(town.and(Err(Rejection::waiting(CLASS_ACCEPTED, "NotIsolatedYet", message))));
    }
    Ok(town)
}

fn resolve(raw: &ServiceModule, town: Result<Town, Rejection>, ctx: &Context) -> Result<Module, Rejection> {
    let class = ctx.classes.get(&ObjectRef::new(&raw.spec.class));
    let modules = readable(&ctx.modules);
    let siblings: Vec<_> = modules
        .iter()
        .filter_map(|module| module.0.as_ref().ok())
        .filter(|module| module.namespace() == raw.namespace())
        .collect();
    let class = class.as_ref().and_then(|class| class.0.as_ref().ok());
    tenant::resolve_module(raw, ModuleContext { town, class, siblings: &siblings }, &ctx.settings)
}

/// The database URL that the module's Secret holds.
fn known_url(children: &Children) -> Option<String> {
    let secret: Secret = cluster::one(children, Kind::Secret)?;
    String::from_utf8(secret.data?.remove(desired::module::DATABASE_URL_KEY)?.0).ok()
}

/// Whether citizens may be sent here: the pods are available, or were before. A module that fails
/// later keeps its route: the gateway then says «unavailable», not «unknown».
fn was_available(children: &Children) -> bool {
    let available =
        || cluster::one::<Deployment>(children, Kind::Deployment).is_some_and(|d| status::is_available(&d));
    children.keys().any(|(kind, _)| *kind == Kind::HTTPRoute) || available()
}

/// Ends what was made for the module; `None` once nothing is left to say.
async fn remove(raw: &ServiceModule, town: Option<&Municipality>, ctx: &Context) -> Option<Report> {
    if !raw.finalizers().iter().any(|name| name == FINALIZER) {
        return None;
    }
    let api = Api::<ServiceModule>::namespaced(ctx.client.clone(), &raw.namespace().unwrap_or_default());
    let step = match clean_up(raw, town, ctx).await {
        Ok(true) => Step::failed(READY, &cluster::remove_finalizer(&api, raw).await.err()?),
        Ok(false) => {
            let message = "pods and routes are being removed".to_owned();
            Step { condition: READY, outcome: Outcome::Waiting, reason: "Deleting", message }
        }
        Err(error) => Step::failed(READY, &error),
    };
    Some(Report { steps: vec![step] })
}

/// True once the pods are gone and the database is locked or dropped, as the town's policy says.
///
/// Nothing is touched where the object goes only with its definition, or where its namespace is not
/// a municipality's: then nothing was made.
async fn clean_up(
    raw: &ServiceModule,
    town: Option<&Municipality>,
    ctx: &Context,
) -> Result<bool, cluster::Error> {
    let (namespace, name) = (raw.namespace().unwrap_or_default(), raw.name_any());
    let Some(town) = town else { return Ok(true) };
    if cluster::is_terminating_crd(&ctx.client, ServiceModule::crd_name()).await? {
        return Ok(true);
    }
    let observed = cluster::namespace(&ctx.client, &namespace).await?;
    if !observed.as_ref().is_some_and(|observed| tenant::is_made_for(observed.meta(), &town.spec.ars)) {
        return Ok(true);
    }
    // A namespace that goes takes everything in it along, first of all the operator's rights.
    if observed.is_some_and(|observed| observed.meta().deletion_timestamp.is_none()) {
        let children = cluster::children_of_module(&ctx.client, &namespace, &name).await?;
        cluster::prune(&ctx.client, &children, &Applied::default()).await?;
        if !children.is_empty() {
            return Ok(false);
        }
    }
    release_database(town, &name, ctx).await?;
    Ok(true)
}

async fn release_database(town: &Municipality, module: &str, ctx: &Context) -> Result<(), cluster::Error> {
    let names = (TownName::parse(&town.name_any()), tenant::ModuleName::parse(module));
    let (Ok(town_name), Ok(module_name)) = names else { return Ok(()) };
    let owner = cluster::database::owner_comment(&town.spec.ars, module);
    let drop_data = town.spec.deletion_policy == DeletionPolicy::Delete;
    match ctx.server.release(&module_name.database_name(&town_name), &owner, drop_data).await {
        Ok(()) => Ok(()),
        Err(error) if drop_data => Err(error.into()),
        // Data that stays must not keep its town from leaving: the lock is a precaution.
        Err(error) => {
            tracing::warn!(%error, town = %town_name, module, "retained database not locked");
            Ok(())
        }
    }
}

async fn write_status(
    object: &Guarded<ServiceModule>,
    report: &Report,
    made_from: Option<&Module>,
    ctx: &Context,
) -> Result<(), cluster::Error> {
    let before = object.0.as_ref().ok().and_then(|raw| raw.status.clone()).unwrap_or_default();
    let generation = object.meta().generation;
    let url = made_from
        .map(|module| module.public_url.as_str().trim_end_matches('/').to_owned())
        .or(before.url.clone());
    let success = format!("citizens reach it at {}", url.as_deref().unwrap_or_default());
    let after = ServiceModuleStatus {
        observed_generation: generation,
        conditions: status::merge_conditions(
            &before.conditions,
            report,
            &SERVICE_MODULE_CONDITIONS,
            generation,
            &success,
            Timestamp::now(),
        ),
        version: made_from.map(|module| module.class.version.to_string()).or(before.version.clone()),
        image: made_from.map(|module| module.class.image.to_string()).or(before.image.clone()),
        url,
    };
    if after == before {
        return Ok(());
    }
    let api = Api::<ServiceModule>::namespaced(ctx.client.clone(), &object.namespace().unwrap_or_default());
    cluster::write_status(&api, &object.name_any(), &after).await?;
    ctx.announce(&object.object_ref(&()), &before.conditions, &after.conditions).await;
    Ok(())
}
