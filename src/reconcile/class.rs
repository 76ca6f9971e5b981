// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reconciles a ModuleClass: checks whether it is valid, and counts the modules that use it.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::jiff::Timestamp;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};

use super::context::Context;
use super::key::{ObjectKey, OwnKind};
use super::retry;
use crate::api::conditions::READY;
use crate::api::{ModuleClass, ModuleClassStatus};
use crate::cluster;
use crate::status::{self, Report};
use crate::tenant;

pub(super) async fn reconcile(
    object: Arc<DeserializeGuard<ModuleClass>>,
    ctx: Arc<Context>,
) -> Result<Action, Infallible> {
    ctx.wait_until_synced().await;
    let start = Instant::now();
    let key = ObjectKey::of(OwnKind::ModuleClass, &*object);
    ctx.retries.begin(&key, start);
    let report = match &object.0 {
        Err(unreadable) => Report::unreadable(&unreadable.error),
        Ok(raw) => {
            Report { steps: tenant::resolve_class(raw, READY).err().map(Into::into).into_iter().collect() }
        }
    };
    let written = write_status(&object, &report, &key, &ctx).await;
    let (status_written, until_count) = match written {
        Ok(until_count) => (Ok(()), until_count),
        Err(error) => (Err(error), None),
    };
    let next = retry::finish_run(&ctx, &key, &report, status_written, start.elapsed());
    Ok(until_count.map_or(next, Action::requeue))
}

/// Writes the status if it changed. If only the number of users did, and was written a moment ago, returns how long
/// to wait instead.
async fn write_status(
    object: &DeserializeGuard<ModuleClass>,
    report: &Report,
    key: &ObjectKey,
    ctx: &Context,
) -> Result<Option<Duration>, cluster::Error> {
    let name = object.name_any();
    let before = match &object.0 {
        Ok(raw) => raw.status.clone().unwrap_or_default(),
        Err(_) => ModuleClassStatus {
            conditions: cluster::read_conditions(&ctx.client, object).await?,
            ..ModuleClassStatus::default()
        },
    };
    let generation = object.meta().generation;
    let after = ModuleClassStatus {
        observed_generation: generation,
        conditions: status::merge_conditions(
            &before.conditions,
            report,
            &[],
            generation,
            "modules can be made from it",
            Timestamp::now(),
        ),
        users: i32::try_from(ctx.index.count_users(&name)).unwrap_or(i32::MAX),
    };
    // Of an unreadable object, only the conditions are known. It is written to only if they change.
    if after == before || object.0.is_err() && after.conditions == before.conditions {
        return Ok(None);
    }
    let is_count = before == ModuleClassStatus { users: before.users, ..after.clone() };
    if is_count && let Some(until_next) = ctx.retries.wait_before_count(key, Instant::now()) {
        return Ok(Some(until_next));
    }
    cluster::write_status(&Api::<ModuleClass>::all(ctx.client.clone()), &name, &after).await?;
    ctx.publish_events(&object.object_ref(&()), &before.conditions, &after.conditions).await;
    Ok(None)
}
