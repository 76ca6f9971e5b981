// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Counts requests of the operator.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use jiff::{SignedDuration, Timestamp};

use crate::audit::Request;

/// How long it must be quiet after a burst of requests.
const QUIET: SignedDuration = SignedDuration::from_secs(5);

/// Requests by verb. Those for Leases are counted apart: they depend on the time and on nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Number of requests by verb, without those for Leases.
    by_verb: BTreeMap<String, usize>,
    /// Number of requests for Leases.
    leases: usize,
}

impl Tally {
    /// Counts these requests.
    pub fn of(requests: &[Request]) -> Self {
        let mut tally = Self::default();
        for request in requests {
            if request.is_lease() {
                tally.leases += 1;
            } else {
                *tally.by_verb.entry(request.verb.clone()).or_default() += 1;
            }
        }
        tally
    }

    /// Returns the number of all requests, without those for Leases.
    pub fn requests(&self) -> usize {
        self.by_verb.values().sum()
    }

    /// Returns the number of requests that read.
    fn reads(&self) -> usize {
        ["get", "list", "watch"].iter().map(|verb| self.count(verb)).sum()
    }

    /// Returns the number of requests for a change, without those for Leases.
    pub fn writes(&self) -> usize {
        self.requests() - self.reads()
    }

    /// Returns the number of requests with this verb, without those for Leases.
    pub fn count(&self, verb: &str) -> usize {
        self.by_verb.get(verb).copied().unwrap_or_default()
    }

    /// Lists the verbs with their numbers, and the Leases.
    pub fn verbs(&self) -> String {
        let verbs = self.by_verb.iter().map(|(verb, count)| format!("{verb} {}", grouped(*count)));
        let leases = (self.leases > 0).then(|| format!("(Leases {})", grouped(self.leases)));
        verbs.chain(leases).collect::<Vec<_>>().join(", ")
    }
}

/// Returns when the first burst of requests ended: the time of the first request of a custom resource or later
/// after which at most `allowed` requests follow within five seconds. `None` if no custom resource was read.
///
/// Requests before are those of a candidate that waits for the lease.
pub fn end_of_burst(requests: &[Request], allowed: usize) -> Option<Timestamp> {
    let mut times: Vec<Timestamp> = requests.iter().filter(|r| !r.is_lease()).map(|r| r.answered).collect();
    times.sort_unstable();
    let first = requests.iter().filter(|request| request.group == "rathaus.dev").map(|r| r.answered).min()?;
    let later = times.iter().copied().enumerate().filter(|(_, time)| *time >= first);
    let mut quiet = later.filter(|(index, time)| {
        let within = times[index + 1..].iter().take_while(|next| next.duration_since(*time) <= QUIET);
        within.count() <= allowed
    });
    quiet.next().map(|(_, time)| time)
}

/// Returns when the operator has created the last object of one of the `resources` (plurals).
///
/// # Errors
/// Fails if it has created none, or one of a resource that is not among them: then the floor would be measured
/// with fewer objects.
pub fn last_creation(requests: &[Request], resources: &[String]) -> Result<Timestamp> {
    let created = requests.iter().filter(|request| request.code == 201 && is_object(request));
    let mut last = None;
    for request in created {
        if !resources.contains(&request.resource) {
            bail!("the operator creates {}, which the benchmark does not know", request.resource);
        }
        last = last.max(Some(request.answered));
    }
    match last {
        Some(last) => Ok(last),
        None => bail!("the operator has created no object"),
    }
}

/// Whether a request is about an object that the operator makes for a town, routes excepted.
fn is_object(request: &Request) -> bool {
    request.subresource.is_empty()
        && request.resource != "httproutes"
        && request.resource != "events"
        && request.group != "rathaus.dev"
        && !request.is_lease()
}

/// Returns a number with a comma between groups of three digits.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().filter_map(|group| std::str::from_utf8(group).ok()).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(verb: &str, group: &str, resource: &str, second: i64) -> Request {
        Request {
            user: String::new(),
            verb: verb.to_owned(),
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: String::new(),
            namespace: String::new(),
            name: String::new(),
            source: String::new(),
            code: if verb == "create" { 201 } else { 200 },
            answered: Timestamp::from_second(second).unwrap(),
        }
    }

    #[test]
    fn requests_are_counted_by_verb_and_leases_apart() {
        let tally = Tally::of(&[
            request("list", "", "secrets", 1),
            request("list", "", "configmaps", 1),
            request("create", "apps", "deployments", 1),
            request("update", "coordination.k8s.io", "leases", 1),
        ]);
        assert_eq!((tally.requests(), tally.writes(), tally.count("list")), (3, 1, 2));
        assert_eq!(tally.verbs(), "create 1, list 2, (Leases 1)");
    }

    #[test]
    fn a_burst_ends_before_five_quiet_seconds() {
        let mut requests: Vec<Request> =
            [20, 21, 22, 30].map(|at| request("list", "rathaus.dev", "", at)).into();
        assert_eq!(end_of_burst(&requests, 0), Timestamp::from_second(22).ok());
        assert_eq!(end_of_burst(&requests, 1), Timestamp::from_second(21).ok());
        // What comes before the lease is held, and the renewals of the lease, do not count.
        requests.push(request("get", "apiextensions.k8s.io", "", 1));
        requests.push(request("update", "coordination.k8s.io", "leases", 24));
        assert_eq!(end_of_burst(&requests, 0), Timestamp::from_second(22).ok());
        assert_eq!(end_of_burst(&requests[4..], 0), None);
    }

    #[test]
    fn the_last_creation_is_that_of_an_object_and_not_of_a_route_or_an_event() {
        let resources = ["deployments".to_owned()];
        let requests = [
            request("create", "apps", "deployments", 5),
            request("create", "gateway.networking.k8s.io", "httproutes", 9),
            request("create", "events.k8s.io", "events", 10),
            request("patch", "apps", "deployments", 11),
        ];
        assert_eq!(last_creation(&requests, &resources).unwrap(), Timestamp::from_second(5).unwrap());
        assert!(last_creation(&requests[1..], &resources).is_err());
        let unknown = [request("create", "batch", "cronjobs", 5)];
        assert!(last_creation(&unknown, &resources).unwrap_err().to_string().contains("cronjobs"));
    }
}
