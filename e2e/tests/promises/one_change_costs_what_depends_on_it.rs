// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 12): one change costs requests in proportion to what depends on it. Counted at the API
//! server.

use std::time::{Duration, Instant};

use e2e::audit::{Mark, Request, mark, requests_since};
use futures::future::join_all;
use kube::Client;

use crate::support::{Town, at_rest, delete, service_module};
use crate::{OPERATOR, client};

/// Requests from the creation of a module until the operator is at rest.
const AT_MOST_TO_PROVISION: usize = 20;

/// Requests from the deletion of a module until the operator is at rest.
const AT_MOST_TO_DELETE: usize = 30;

/// How long a refused module must have cost nothing.
const QUIET: Duration = Duration::from_secs(15);

/// Refused modules of one town.
const FLOOD: usize = 10;

impl Town {
    /// Whether a request is about the town, its namespace or what is in it.
    fn is_subject_of(&self, request: &Request) -> bool {
        request.namespace == self.namespace()
            || request.name == self.namespace()
            || (request.resource == "municipalities" && request.name == self.name)
    }
}

/// The operator's requests, without those that it makes without end.
fn work_since(start: Mark) -> Vec<Request> {
    let mut requests = requests_since(start, OPERATOR).unwrap();
    requests.retain(|request| !request.is_lease() && request.verb != "watch");
    requests
}

/// A town whose modules are all refused.
async fn flooded_town(client: &Client) -> Town {
    let town = Town::admit(client, "share-flood", "926").await;
    town.ready().await;
    let mut module = service_module("share-flood", "refused");
    module["spec"]["class"] = "nowhere".into();
    for number in 0..FLOOD {
        module["metadata"]["name"] = format!("refused-{number}").into();
        town.opt_in_with(module.clone()).await;
    }
    let are_refused = (0..FLOOD).map(|number| format!("refused-{number}"));
    join_all(are_refused.map(async |name| town.module_says(&name, "Ready", "False", "").await)).await;
    town
}

pub async fn invariant_12_one_module_is_work_for_its_own_town_and_a_refused_one_for_nobody() {
    let client = client().await;
    let flooded = flooded_town(&client).await;
    let mut towns = Vec::new();
    for number in 1..=5 {
        let town = Town::admit(&client, &format!("share-{number}"), &format!("92{number}")).await;
        town.opt_in("e-payment").await;
        towns.push(town);
    }
    for town in &towns {
        town.module_ready("e-payment").await;
        town.ready().await;
    }
    at_rest().await;

    let start = mark().unwrap();
    towns[1].opt_in("second").await;
    towns[1].module_ready("second").await;
    at_rest().await;
    let work = work_since(start);
    assert!(work.len() <= AT_MOST_TO_PROVISION, "{} requests: {work:#?}", work.len());

    let (start, began) = (mark().unwrap(), Instant::now());
    delete(&towns[0].modules(), "e-payment").await;
    at_rest().await;
    let work = work_since(start);
    let others = &towns[1..];
    let of_others: Vec<_> =
        work.iter().filter(|request| others.iter().any(|town| town.is_subject_of(request))).collect();
    assert!(of_others.is_empty(), "for towns of which nothing changed: {of_others:#?}");
    let of_class: Vec<_> = work.iter().filter(|request| request.resource == "moduleclasses").collect();
    assert!(of_class.iter().all(|request| request.subresource == "status"), "{of_class:#?}");
    assert!(of_class.len() == 1, "its number of users is written once: {of_class:#?}");
    assert!(work.len() <= AT_MOST_TO_DELETE, "{} requests: {work:#?}", work.len());

    tokio::time::sleep(QUIET.saturating_sub(began.elapsed())).await;
    let work = work_since(start);
    let of_refused: Vec<_> = work.iter().filter(|request| flooded.is_subject_of(request)).collect();
    assert!(of_refused.is_empty(), "for modules that are refused: {of_refused:#?}");

    join_all(towns.iter().chain([&flooded]).map(Town::remove)).await;
}
