// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! One look at one ModuleClass: whether modules can be made from it, and how many are.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};

use super::context::{Context, readable};
use super::{Guarded, retry};
use crate::api::conditions::READY;
use crate::api::{ModuleClass, ModuleClassStatus};
use crate::cluster;
use crate::status::{self, Report};
use crate::tenant;

pub(super) async fn reconcile(
    object: Arc<Guarded<ModuleClass>>,
    ctx: Arc<Context>,
) -> Result<Action, Infallible> {
    ctx.synced().await;
    let start = Instant::now();
    let report = match &object.0 {
        Err(unreadable) => Report::unreadable(&unreadable.error),
        Ok(raw) => {
            Report { steps: tenant::resolve_class(raw, READY).err().map(Into::into).into_iter().collect() }
        }
    };
    let written = write_status(&object, &report, &ctx).await;
    Ok(retry::settle(&ctx, "moduleclass", &object.name_any(), &report, written, start.elapsed()))
}

async fn write_status(
    object: &Guarded<ModuleClass>,
    report: &Report,
    ctx: &Context,
) -> Result<(), cluster::Error> {
    let name = object.name_any();
    let before = object.0.as_ref().ok().and_then(|raw| raw.status.clone()).unwrap_or_default();
    let generation = object.meta().generation;
    let modules = readable(&ctx.modules);
    let users =
        modules.iter().filter(|module| module.0.as_ref().is_ok_and(|module| module.spec.class == name));
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
        users: i32::try_from(users.count()).unwrap_or(i32::MAX),
    };
    if after == before {
        return Ok(());
    }
    cluster::write_status(&Api::<ModuleClass>::all(ctx.client.clone()), &name, &after).await?;
    ctx.announce(&object.object_ref(&()), &before.conditions, &after.conditions).await;
    Ok(())
}
