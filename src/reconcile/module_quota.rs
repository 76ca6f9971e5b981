// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! When the towns' ResourceQuotas may name ServiceModules.
//!
//! The quota controller of Kubernetes looks for new kinds every 30 s. As long as it does not know a kind that
//! a quota names, the API server refuses every object of that kind, and it computes such a quota again only
//! after five minutes. Therefore a quota names ServiceModules only when their definition is old enough.

use std::sync::atomic::Ordering;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::CustomResourceExt;
use tokio::time::sleep;

use super::context::Context;
use super::index::Wakes;
use super::triggers::Triggers;
use crate::api::ServiceModule;
use crate::cluster;

/// Age of the definition from which the quota controller knows the kind: its period, and a margin for its
/// caches and for clocks that differ.
const KNOWN_AFTER: Duration = Duration::from_secs(90);

const RETRY: Duration = Duration::from_secs(1);

/// Returns the time until the quota controller knows ServiceModules; zero if it does so already.
pub(super) async fn time_until_known(context: &Context) -> Duration {
    loop {
        match cluster::get_crd_creation(&context.client, ServiceModule::crd_name()).await {
            Ok(created) => return remaining(created, Timestamp::now()),
            Err(error) => tracing::warn!(%error, "trying again"),
        }
        sleep(RETRY).await;
    }
}

fn remaining(created: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = created.map_or(Duration::ZERO, |created| {
        // A creation that lies in the future is that of another clock.
        Duration::try_from(now.duration_since(created)).unwrap_or_default()
    });
    KNOWN_AFTER.saturating_sub(age)
}

/// Lets the quotas name ServiceModules after this time, and reconciles the towns that are there by then.
pub(super) async fn count_after(time: Duration, context: &Context, triggers: &Triggers) {
    sleep(time).await;
    context.counts_modules.store(true, Ordering::Relaxed);
    if !time.is_zero() {
        triggers.send(Wakes { objects: context.index.towns(), ..Wakes::default() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_definition_is_waited_for_and_an_old_one_is_not() {
        let time = |second| Timestamp::from_second(second).unwrap();
        for (created, now, seconds) in
            [(100, 100, 90), (100, 130, 60), (100, 190, 0), (100, 9000, 0), (100, 90, 90)]
        {
            assert_eq!(remaining(Some(time(created)), time(now)).as_secs(), seconds, "{created} {now}");
        }
        assert_eq!(remaining(None, time(0)), KNOWN_AFTER);
    }
}
