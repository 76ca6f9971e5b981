// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Leader election by Lease (coordination.k8s.io/v1), with the algorithm of client-go: optimistic
//! concurrency, only the local monotonic clock, and a leader that steps down before another candidate
//! may take the lease.
//!
//! Not a crate: the one that works with this version of the client keeps leading while the API server
//! is unreachable.

use std::future::Future;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{ObjectMeta, PostParams};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::cluster::Term;

/// How long a lease is valid without being renewed.
const LEASE_DURATION: Duration = Duration::from_secs(15);
/// A leader that could not renew the lease for this time steps down. Shorter than [`LEASE_DURATION`], so
/// that there are never two leaders.
const RENEW_DEADLINE: Duration = Duration::from_secs(10);
/// Pause between two attempts to acquire or renew the lease.
const RETRY_PERIOD: Duration = Duration::from_secs(2);

/// One candidate for a lease.
pub struct Elector {
    /// Leases of the operator's namespace, by a client without retries: they could outlast the lease.
    pub leases: Api<Lease>,
    /// Name of the lease.
    pub name: String,
    /// Name of the candidate: the name of the pod.
    pub identity: String,
    /// Until when this candidate leads; it is set with each renewal.
    pub term: Term,
}

/// The last observed resource version of the lease, and when it was first observed.
type ObservedLease = Option<(String, Instant)>;

impl Elector {
    /// Waits for the lease, runs `lead` until it ends or the lease is lost, and releases the lease.
    ///
    /// # Errors
    /// The lease could not be renewed within [`RENEW_DEADLINE`]. The process must then end.
    pub async fn run<F, Fut>(&self, stop: &CancellationToken, lead: F) -> anyhow::Result<()>
    where
        F: FnOnce(CancellationToken) -> Fut,
        Fut: Future<Output = ()>,
    {
        let mut observed = None;
        let acquired = loop {
            if let Some(sent) = self.acquire_or_renew_within(RENEW_DEADLINE, &mut observed).await {
                break sent;
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                () = sleep(RETRY_PERIOD) => {}
            }
        };
        tracing::info!(identity = self.identity, "leading");
        let term = stop.child_token();
        let ended = tokio::select! {
            () = lead(term.clone()) => Ok(()),
            () = self.renew_until_lost(acquired, &mut observed) => Err(anyhow::anyhow!("leadership lost: the lease could not be renewed for {} s", RENEW_DEADLINE.as_secs())),
        };
        term.cancel();
        if ended.is_ok() {
            self.release().await;
        }
        ended
    }

    /// Renews the lease again and again; returns when it could not be renewed for [`RENEW_DEADLINE`]. The time
    /// counts from when the last successful request was sent: an answer can be late, and other candidates
    /// count from when the API server wrote the lease. `renewed` is when the lease was acquired.
    async fn renew_until_lost(&self, mut renewed: Instant, observed: &mut ObservedLease) {
        let left = |renewed: Instant| RENEW_DEADLINE.saturating_sub(renewed.elapsed());
        while !left(renewed).is_zero() {
            sleep(RETRY_PERIOD.min(left(renewed))).await;
            if let Some(sent) = self.acquire_or_renew_within(left(renewed), observed).await {
                renewed = sent;
            }
        }
    }

    /// Makes one attempt; returns when it was sent if this candidate holds the lease now. Errors are only
    /// logged.
    async fn acquire_or_renew_within(
        &self,
        limit: Duration,
        observed: &mut ObservedLease,
    ) -> Option<Instant> {
        let sent = Instant::now();
        match timeout(limit, self.acquire_or_renew(observed)).await {
            Ok(Ok(true)) => {
                self.term.set_end((sent + RENEW_DEADLINE).into_std());
                Some(sent)
            }
            Ok(Ok(false)) => None,
            Ok(Err(error)) => {
                tracing::warn!(%error, "cannot acquire or renew the lease");
                None
            }
            Err(_) => {
                tracing::warn!("cannot acquire or renew the lease: the API server did not answer in time");
                None
            }
        }
    }

    async fn acquire_or_renew(&self, observed: &mut ObservedLease) -> kube::Result<bool> {
        let Some(mut lease) = self.leases.get_opt(&self.name).await? else {
            return none_if_conflict(self.leases.create(&PostParams::default(), &self.new_lease()).await)
                .map(|created| created.is_some());
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if observed.as_ref().is_none_or(|(last, _)| *last != version) {
            *observed = Some((version, Instant::now()));
        }
        let unchanged_for = observed.as_ref().map(|(_, since)| since.elapsed()).unwrap_or_default();
        let spec = lease.spec.get_or_insert_default();
        let holder = spec.holder_identity.clone().unwrap_or_default();
        let valid_for =
            Duration::from_secs(spec.lease_duration_seconds.unwrap_or(1).max(1).unsigned_abs().into());
        let is_held = holder == self.identity;
        if !is_held && !holder.is_empty() && unchanged_for <= valid_for {
            return Ok(false);
        }
        let now = MicroTime(Timestamp::now());
        if !is_held {
            spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0) + 1);
            spec.acquire_time = Some(now.clone());
        }
        spec.holder_identity = Some(self.identity.clone());
        spec.lease_duration_seconds = Some(LEASE_DURATION.as_secs() as i32);
        spec.renew_time = Some(now);
        let written =
            none_if_conflict(self.leases.replace(&self.name, &PostParams::default(), &lease).await)?;
        if let Some(lease) = &written {
            *observed = lease.metadata.resource_version.clone().map(|version| (version, Instant::now()));
        }
        Ok(written.is_some())
    }

    /// The lease as it is created, held by this candidate.
    fn new_lease(&self) -> Lease {
        let now = MicroTime(Timestamp::now());
        Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..Default::default() },
            spec: Some(LeaseSpec {
                holder_identity: Some(self.identity.clone()),
                lease_duration_seconds: Some(LEASE_DURATION.as_secs() as i32),
                acquire_time: Some(now.clone()),
                renew_time: Some(now),
                lease_transitions: Some(0),
                ..Default::default()
            }),
        }
    }

    /// Releases the lease, so that the next leader need not wait until it expires.
    async fn release(&self) {
        let Ok(Some(mut lease)) = self.leases.get_opt(&self.name).await else { return };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(&self.identity) {
            spec.holder_identity = None;
            if let Err(error) = self.leases.replace(&self.name, &PostParams::default(), &lease).await {
                tracing::warn!(%error, "cannot release the lease; it will expire");
            }
        }
    }
}

/// `None` if another candidate has written the lease in the meantime.
fn none_if_conflict(written: kube::Result<Lease>) -> kube::Result<Option<Lease>> {
    match written {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::Client;
    use kube::client::Body;

    use super::*;

    /// A candidate whose API server grants each request after this delay.
    fn elector(delay: Duration) -> Elector {
        let server = tower::service_fn(move |_: Request<Body>| async move {
            sleep(delay).await;
            let lease = serde_json::json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": "rathaus", "resourceVersion": "1"},
                "spec": {"holderIdentity": "this", "leaseDurationSeconds": 15}});
            Ok::<_, std::convert::Infallible>(Response::new(Body::from(lease.to_string().into_bytes())))
        });
        Elector {
            leases: Api::namespaced(Client::new(server, "default"), "rathaus-system"),
            name: "rathaus".to_owned(),
            identity: "this".to_owned(),
            term: Term::default(),
        }
    }

    #[tokio::test]
    async fn a_renewal_counts_from_when_it_was_sent_and_not_from_its_answer() {
        let delay = Duration::from_millis(200);
        let start = Instant::now();
        let elector = elector(delay);
        let sent = elector.acquire_or_renew_within(RENEW_DEADLINE, &mut None).await.unwrap();
        let end = (sent + RENEW_DEADLINE).into_std();
        assert!(elector.term.is_running(end - delay) && !elector.term.is_running(end));
        // The lease is read and written, each with the delay.
        assert!(start.elapsed() >= 2 * delay);
        assert!(sent - start < delay, "counted from {:?} after the start", sent - start);
    }

    #[tokio::test]
    async fn a_leader_steps_down_ten_seconds_after_its_last_renewal_was_sent() {
        let (start, left) = (Instant::now(), Duration::from_millis(300));
        let silent = elector(Duration::from_secs(3600));
        // The pause between two attempts is longer than what is left, and must not delay the end.
        silent.renew_until_lost(start + left - RENEW_DEADLINE, &mut None).await;
        let passed = start.elapsed();
        assert!(passed >= left && passed < RETRY_PERIOD, "{passed:?}");
    }
}
