// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use kube::core::ApiResource;

/// After this time without a sign of the API server, a watch is stale. The API server sends a bookmark
/// about every minute, so that two have been missed.
const STALE_AFTER: Duration = Duration::from_secs(180);

/// When the operator last received an event, a bookmark or a complete list of each kind that it watches.
///
/// A cache says nothing about its own age: a watch can be open and silent for hours, and a list can fail
/// again and again, while all controllers keep deciding on what they saw last.
#[derive(Debug, Default)]
pub struct Freshness(Mutex<Watches>);

#[derive(Debug, Default)]
struct Watches {
    /// When the watches were started; `None` on a replica that does not lead, which watches nothing.
    started: Option<Instant>,
    /// By plural, which is what a request to the API server names.
    kinds: BTreeMap<String, Watch>,
}

#[derive(Debug)]
struct Watch {
    kind: String,
    /// `None` until the first list is complete.
    last_event: Option<Instant>,
}

impl Watch {
    fn age(&self, started: Option<Instant>, now: Instant) -> Duration {
        self.last_event.or(started).map(|last| now.saturating_duration_since(last)).unwrap_or_default()
    }
}

impl Freshness {
    /// A record for the kinds that will be watched.
    pub fn new(kinds: impl IntoIterator<Item = ApiResource>) -> Self {
        let kinds = kinds
            .into_iter()
            .map(|resource| (resource.plural, Watch { kind: resource.kind, last_event: None }));
        Self(Mutex::new(Watches { started: None, kinds: kinds.collect() }))
    }

    fn watches(&self) -> MutexGuard<'_, Watches> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that the watches are started. Before, nothing is stale.
    pub fn start(&self, now: Instant) {
        self.watches().started = Some(now);
    }

    /// Records a complete list of a kind, given by its plural.
    pub fn record_list(&self, plural: &str, now: Instant) {
        if let Some(watch) = self.watches().kinds.get_mut(plural) {
            watch.last_event = Some(now);
        }
    }

    /// Records an event or a bookmark of a kind, given by its plural. It is ignored before the first complete
    /// list: until then, the cache lacks objects.
    pub fn record_event(&self, plural: &str, now: Instant) {
        if let Some(last_event) =
            self.watches().kinds.get_mut(plural).and_then(|watch| watch.last_event.as_mut())
        {
            *last_event = now;
        }
    }

    /// Returns the time since the last event, bookmark or complete list of each kind; since the start if there
    /// has been none, and zero before the start.
    pub fn ages(&self, now: Instant) -> Vec<(String, Duration)> {
        let watches = self.watches();
        watches.kinds.values().map(|watch| (watch.kind.clone(), watch.age(watches.started, now))).collect()
    }

    /// Whether all kinds have been listed, and none is stale.
    pub fn is_fresh(&self, now: Instant) -> bool {
        self.complaints(now).is_empty()
    }

    /// Returns one phrase for each kind that has not been listed yet or is stale, such as "HTTPRoute: no
    /// event, bookmark or list for 190 s". Empty before the start.
    pub fn complaints(&self, now: Instant) -> Vec<String> {
        let watches = self.watches();
        if watches.started.is_none() {
            return Vec::new();
        }
        let complaint = |watch: &Watch| {
            let (kind, age) = (&watch.kind, watch.age(watches.started, now));
            match watch.last_event {
                None => Some(format!("{kind}: not listed yet after {} s", age.as_secs())),
                Some(_) if age >= STALE_AFTER => {
                    Some(format!("{kind}: no event, bookmark or list for {} s", age.as_secs()))
                }
                Some(_) => None,
            }
        };
        watches.kinds.values().filter_map(complaint).collect()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use k8s_openapi::api::core::v1::Service;

    use super::*;

    fn after(start: Instant, seconds: u64) -> Instant {
        start + Duration::from_secs(seconds)
    }

    /// A record of two kinds whose watches were started at the returned instant.
    fn started() -> (Freshness, Instant) {
        let start = Instant::now();
        let freshness =
            Freshness::new([ApiResource::erase::<Deployment>(&()), ApiResource::erase::<Service>(&())]);
        assert!(freshness.is_fresh(start), "a replica that does not lead is fresh");
        freshness.start(start);
        (freshness, start)
    }

    #[test]
    fn a_kind_is_fresh_once_it_has_been_listed() {
        let (freshness, start) = started();
        freshness.record_list("deployments", start);
        freshness.record_event("services", start);
        assert_eq!(freshness.complaints(after(start, 7)), ["Service: not listed yet after 7 s"]);
        freshness.record_list("services", after(start, 8));
        assert!(freshness.is_fresh(after(start, 8)));
    }

    #[test]
    fn a_watch_that_is_open_and_silent_is_stale_after_three_minutes() {
        let (freshness, start) = started();
        freshness.record_list("deployments", start);
        freshness.record_list("services", start);
        freshness.record_event("deployments", after(start, 170));
        assert!(freshness.is_fresh(after(start, 179)));
        assert_eq!(
            freshness.complaints(after(start, 181)),
            ["Service: no event, bookmark or list for 181 s"]
        );
        freshness.record_event("services", after(start, 182));
        assert!(freshness.is_fresh(after(start, 182)));
    }

    #[test]
    fn ages_are_known_for_every_kind_from_the_start() {
        let (freshness, start) = started();
        freshness.record_list("services", after(start, 4));
        let ages: Vec<_> =
            freshness.ages(after(start, 10)).into_iter().map(|(kind, age)| (kind, age.as_secs())).collect();
        assert_eq!(ages, [("Deployment".to_owned(), 10), ("Service".to_owned(), 6)]);
    }
}
