// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Leadership by Lease (coordination.k8s.io/v1), as client-go does it: optimistic concurrency, the
//! local monotonic clock only, and a leader that steps down before another may step up.
//!
//! Own code, since the crate for this version of the client keeps leading while the API server is
//! out of reach.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// How long a lease holds without being renewed.
const DURATION: Duration = Duration::from_secs(15);
/// After which a leader that cannot renew gives up; shorter, so that two never lead at a time.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(2);

/// One candidate for a lease.
pub struct Elector {
    /// Leases of the operator's namespace; of a client of their own, without retries that could hang.
    pub leases: Api<Lease>,
    /// The lease's name.
    pub name: String,
    /// The candidate's name: the pod's.
    pub identity: String,
}

/// The lease as last seen, and when it was first seen so.
type Seen = Option<(String, Instant)>;

impl Elector {
    /// Waits for the lease, leads until `lead` ends or the lease is lost, and gives it back.
    ///
    /// # Errors
    /// When the lease could not be renewed in time; the process should then end.
    pub async fn run<F, Fut>(&self, stop: &CancellationToken, lead: F) -> anyhow::Result<()>
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()>,
    {
        let mut seen = None;
        while !self.attempt(&mut seen, RENEW_DEADLINE).await {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(RETRY) => {}
            }
        }
        tracing::info!(identity = self.identity, "leading");
        let term = stop.child_token();
        let ended = tokio::select! {
            () = lead(term.clone()) => Ok(()),
            () = self.renew(&mut seen) => Err(anyhow::anyhow!("leadership lost: the lease could not be renewed for {} s", RENEW_DEADLINE.as_secs())),
        };
        term.cancel();
        if ended.is_ok() {
            self.release().await;
        }
        ended
    }

    /// Renews until that fails for too long.
    async fn renew(&self, seen: &mut Seen) {
        let mut renewed = Instant::now();
        while renewed.elapsed() < RENEW_DEADLINE {
            sleep(RETRY).await;
            let left = RENEW_DEADLINE.saturating_sub(renewed.elapsed());
            if self.attempt(seen, left).await {
                renewed = Instant::now();
            }
        }
    }

    /// Whether the lease is ours after one try.
    async fn attempt(&self, seen: &mut Seen, patience: Duration) -> bool {
        match timeout(patience, self.try_acquire(seen)).await {
            Ok(Ok(ours)) => ours,
            Ok(Err(error)) => {
                tracing::warn!(%error, "lease");
                false
            }
            Err(_) => {
                tracing::warn!("lease: no answer in time");
                false
            }
        }
    }

    async fn try_acquire(&self, seen: &mut Seen) -> kube::Result<bool> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            return accepted(self.leases.create(&PostParams::default(), &self.fresh()).await)
                .map(|new| new.is_some());
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if seen.as_ref().is_none_or(|(known, _)| *known != version) {
            *seen = Some((version, Instant::now()));
        }
        let unchanged_for = seen.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let lasts =
            Duration::from_secs(spec.lease_duration_seconds.unwrap_or(1).max(1).unsigned_abs().into());
        let mine = holder == self.identity;
        if !mine && !holder.is_empty() && unchanged_for <= lasts {
            return Ok(false);
        }
        let now = MicroTime(Timestamp::now());
        if !mine {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + 1);
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(DURATION.as_secs() as i32);
        spec.renew_time = Some(now);
        let written = accepted(self.leases.replace(&self.name, &PostParams::default(), &lease).await)?;
        if let Some(lease) = &written {
            *seen = lease.metadata.resource_version.clone().map(|version| (version, Instant::now()));
        }
        Ok(written.is_some())
    }

    fn fresh(&self) -> Lease {
        let now = MicroTime(Timestamp::now());
        Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..Default::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(DURATION.as_secs() as i32),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..Default::default()
            }),
        }
    }

    /// Gives the lease back, so that another need not wait for its end.
    async fn release(&self) {
        let Ok(Some(mut lease)) = self.leases.get_opt(&self.name).await else { return };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = None;
            if let Err(error) = self.leases.replace(&self.name, &PostParams::default(), &lease).await {
                tracing::warn!(%error, "lease not given back; it ends by itself");
            }
        }
    }
}

/// `None` where another candidate was quicker.
fn accepted(written: kube::Result<Lease>) -> kube::Result<Option<Lease>> {
    match written {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
        Err(error) => Err(error),
    }
}
