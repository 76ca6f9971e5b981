// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: no cent is lost, booked twice or booked to the wrong place, while pods are killed at random
//! and the database server is stopped and started.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{DeleteParams, ListParams, LogParams, ObjectMeta, PostParams};
use rand::RngExt;
use rand::seq::IndexedRandom;
use reqwest::{Client, Response};
use serde_json::{Value, json};

use crate::cluster;
use crate::support::{TOKEN, Town, eventually, is_long_run};

/// A multiple of ten: one payment in ten is cancelled, one in ten fails.
const PAYMENTS: usize = 400;

/// After at most so many payments, a pod is killed.
const PAYMENTS_BETWEEN_KILLS: usize = 50;
const PAYMENTS_OF_A_LONG_RUN: usize = 2_000;
const CLIENTS: usize = 10;
/// For all payments; a call that fails is repeated until then.
const LIMIT: Duration = Duration::from_secs(400);

/// An online service and its citizens, who repeat what was not answered.
struct Service {
    http: Client,
    base: String,
    run: i64,
    deadline: Instant,
}

impl Service {
    /// Creates a payment and presses a button, often twice or after another one. Returns the
    /// transaction's id and its last answer.
    async fn pay(&self, number: usize) -> (String, Value) {
        let button = match number % 10 {
            3 => "cancel",
            7 => "fail",
            _ => "confirm",
        };
        let cents = 1 + number * 37 % 500_000;
        let request = request(&format!("R-{}-{number}", self.run), cents);
        let create = format!("{}/paymenttransaction/parkausweis/055990711711", self.base);
        let created =
            self.repeat_until(200, || self.http.post(&create).bearer_auth(TOKEN).json(&request)).await;
        let created: Value = created.json().await.unwrap();
        let id = created["paymentInformation"]["transactionId"].as_str().unwrap().to_owned();
        let page = format!("{}/pay/{id}", self.base);
        for _again in 0..=number % 2 {
            self.repeat_until(303, || self.http.post(&page).form(&[("decision", button)])).await;
        }
        if number.is_multiple_of(5) {
            self.repeat_until(303, || self.http.post(&page).form(&[("decision", "cancel")])).await;
        }
        let poll = format!("{create}/{id}");
        let polled = self.repeat_until(200, || self.http.get(&poll).bearer_auth(TOKEN)).await;
        (id, polled.json().await.unwrap())
    }

    async fn repeat_until(&self, status: u16, call: impl Fn() -> reqwest::RequestBuilder) -> Response {
        loop {
            let seen = match call().timeout(Duration::from_secs(15)).send().await {
                Ok(answer) if answer.status() == status => return answer,
                Ok(answer) if answer.status().is_client_error() => {
                    panic!("{}: {}", answer.status(), answer.text().await.unwrap_or_default())
                }
                Ok(answer) => answer.status().to_string(),
                Err(error) => error.to_string(),
            };
            assert!(Instant::now() < self.deadline, "not answered in time, last: {seen}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn request(id: &str, cents: usize) -> Value {
    let amount: serde_json::Number = format!("{}.{:02}", cents / 100, cents % 100).parse().unwrap();
    json!({
        "requestId": id, "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR",
        "grosAmount": amount, "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
        "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
            "totalNetAmount": amount, "totalTaxAmount": 0.00, "singleNetAmount": amount, "singleTaxAmount": 0.00}],
    })
}

/// Kills a pod at random every few seconds, and stops the database server once, half way through.
async fn disturb(pods: Api<Pod>, payments: usize, done: Arc<AtomicUsize>) -> usize {
    let (mut killed, mut stopped) = (0, false);
    while done.load(Ordering::Relaxed) < payments {
        let pause = Duration::from_millis(rand::rng().random_range(500..2500));
        let (start, before) = (Instant::now(), done.load(Ordering::Relaxed));
        // On a fast machine, all payments would end within a few pauses.
        while start.elapsed() < pause && done.load(Ordering::Relaxed) < before + PAYMENTS_BETWEEN_KILLS {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if !stopped && done.load(Ordering::Relaxed) > payments / 2 {
            stopped = true;
            e2e::database::stop().await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
            e2e::database::start().await.unwrap();
        }
        let list = pods.list(&ListParams::default().labels("rathaus.dev/module=e-payment")).await.unwrap();
        let victim = list.items.choose(&mut rand::rng()).cloned();
        if let Some(pod) = victim {
            let at_once = DeleteParams::default().grace_period(0);
            if pods.delete(pod.metadata.name.as_deref().unwrap(), &at_once).await.is_ok() {
                killed += 1;
            }
        }
    }
    assert!(stopped, "the payments ended before the database server was stopped");
    killed
}

/// Prints today's settlement with the image's own command, in a pod that is like the module's pods.
async fn settlement(town: &Town) -> String {
    let today = e2e::database::sql("SELECT (now() AT TIME ZONE 'Europe/Berlin')::date").await.unwrap();
    let deployment = town.api::<Deployment>().get("e-payment").await.unwrap();
    let template = deployment.spec.unwrap().template;
    let mut spec = template.spec.unwrap();
    let mut program = spec.init_containers.take().unwrap().remove(0);
    program.args = Some(["settlement", "--day", &today, "--format", "jsonl"].map(str::to_owned).into());
    program.name = "settlement".to_owned();
    (spec.containers, spec.restart_policy) = (vec![program], Some("Never".to_owned()));
    let metadata = ObjectMeta { name: Some("settlement".to_owned()), ..template.metadata.unwrap() };
    let pods = town.api::<Pod>();
    let pod = Pod { metadata, spec: Some(spec), status: None };
    pods.create(&PostParams::default(), &pod).await.unwrap();
    eventually("the settlement is written", || async {
        let phase = pods.get("settlement").await.map_err(|error| error.to_string())?;
        let phase = phase.status.and_then(|status| status.phase).unwrap_or_default();
        if phase == "Succeeded" { Ok(()) } else { Err(phase) }
    })
    .await;
    pods.logs("settlement", &LogParams::default()).await.unwrap()
}

pub async fn every_payment_ends_once_and_the_books_agree_to_the_cent_while_everything_is_killed() {
    let payments = if is_long_run() { PAYMENTS_OF_A_LONG_RUN } else { PAYMENTS };
    let cluster = cluster().await;
    let mut object = crate::support::municipality("cents-a", "711");
    object["spec"]["deletionPolicy"] = "Delete".into();
    let town = Town::admit_with(&cluster.client, "cents-a", object).await;
    let mut module = crate::support::service_module("cents-a", "e-payment");
    module["spec"]["ePayment"]["endPoints"] =
        json!([{"id": "055990711711", "receipts": {"prefix": "C-", "length": 12}}]);
    town.opt_in_with(module).await;
    town.module_ready("e-payment").await;

    let service = Service {
        http: cluster.citizen.clone(),
        base: "https://e-payment.cents-a.rathaus.example".to_owned(),
        run: jiff::Timestamp::now().as_second(),
        deadline: Instant::now() + LIMIT,
    };
    let (next, done) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let killer = tokio::spawn(disturb(town.api(), payments, done.clone()));
    let client = || async {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= payments {
                return seen;
            }
            seen.push(service.pay(number).await);
            done.fetch_add(1, Ordering::Relaxed);
        }
    };
    let start = Instant::now();
    let seen: BTreeMap<String, Value> =
        join_all((0..CLIENTS).map(|_| client())).await.into_iter().flatten().collect();
    let killed = killer.await.unwrap();
    println!("{payments} payments in {:?}, {killed} pods killed", start.elapsed());
    assert!(killed > 1, "nothing was disturbed");
    assert_eq!(seen.len(), payments, "each request made one transaction");

    // The online services read that each paid transaction has a receipt number of its own.
    let information =
        |polled: &Value, field: &str| polled["paymentInformation"][field].as_str().map(str::to_owned);
    let paid: BTreeMap<String, &Value> = seen
        .values()
        .filter(|polled| information(polled, "status").as_deref() == Some("PAYED"))
        .map(|polled| (information(polled, "transactionReference").unwrap(), polled))
        .collect();
    let states: Vec<_> = seen.values().filter_map(|polled| information(polled, "status")).collect();
    let count = |state: &str| states.iter().filter(|status| *status == state).count();
    let (expected_paid, tenth) = (payments / 10 * 8, payments / 10);
    assert_eq!(
        (count("PAYED"), count("CANCELED"), count("FAILED")),
        (expected_paid, tenth, tenth),
        "{states:?}"
    );
    assert_eq!(paid.len(), expected_paid, "no number twice");
    let numbers: BTreeSet<String> = (1..=expected_paid).map(|number| format!("C-{number:010}")).collect();
    assert_eq!(paid.keys().cloned().collect::<BTreeSet<_>>(), numbers, "no number missing");

    // The treasury reads the same, to the cent.
    let lines: Vec<Value> =
        settlement(&town).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let cents = |amount: &Value| {
        let text = amount.as_str().map_or_else(|| amount.to_string(), str::to_owned);
        let (euros, cents) = text.split_once('.').unwrap_or((&text, "00"));
        euros.parse::<u64>().unwrap() * 100 + format!("{cents:0<2}").parse::<u64>().unwrap()
    };
    let settled: BTreeMap<String, u64> = lines
        .iter()
        .filter(|line| line["record"] == "PAYMENT")
        .map(|line| (line["receiptNumber"].as_str().unwrap().to_owned(), cents(&line["amount"])))
        .collect();
    let expected: BTreeMap<String, u64> = paid
        .iter()
        .map(|(number, polled)| (number.clone(), cents(&polled["paymentRequest"]["grosAmount"])))
        .collect();
    assert_eq!(settled, expected);
    let total = lines.iter().find(|line| line["record"] == "TOTAL").unwrap();
    assert_eq!(cents(&total["amount"]), expected.values().sum::<u64>());

    // And so does the log of events.
    let events = in_database(
        "cents-a_e-payment",
        "SELECT count(*) FILTER (WHERE effective AND status <> 'INITIAL'), \
                count(DISTINCT transaction_id) FILTER (WHERE effective AND status <> 'INITIAL'), \
                count(*) FILTER (WHERE status = 'INITIAL'), \
                (100 * sum(amount) FILTER (WHERE effective AND status = 'PAYED'))::bigint FROM events",
    )
    .await;
    assert_eq!(events, format!("{payments}|{payments}|{payments}|{}", expected.values().sum::<u64>()));
    town.remove().await;
}

async fn in_database(database: &str, statement: &str) -> String {
    e2e::database::sql(&format!("\\connect \"{database}\"\n{statement}")).await.unwrap()
}
