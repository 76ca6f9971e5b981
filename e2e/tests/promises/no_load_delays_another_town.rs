// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise (invariant 6): whatever is wrong in one town or with what all share, a change in another town is carried
//! out within five seconds after the API server has accepted it, and the operator's memory does not fill.

use std::future::Future;
use std::time::{Duration, Instant};

use e2e::process::{peak_memory, resident_memory};
use futures::future::{join, join_all, ready};
use futures::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Pod, ResourceQuota, Service};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use rathaus::api::{ModuleClass, ServiceModule};
use serde_json::json;

use crate::client;
use crate::support::{
    Town, delete, eventually, finally, is_long_run, json_of, leader, leader_other_than, merge, municipality,
    operator_process, publish_class, service_module,
};

/// What the promise allows.
const LIMIT: Duration = Duration::from_secs(5);

/// After which a change counts as never carried out.
const NEVER: Duration = Duration::from_secs(20);

/// Changes that a town makes one after the other under load.
const ROUNDS: usize = 4;

/// By how much the operator's memory may grow, and how large it may be at any time: half of its limit.
const GROWTH: u64 = 16 << 20;
const PEAK: u64 = 128 << 20;

/// Objects that are created at a time.
const CONCURRENCY: usize = 8;

/// A town that is well, and of which something is changed.
struct Bystander(Town);

/// A change, and how long it took until it was carried out.
type Delay = (&'static str, Duration);

impl Bystander {
    async fn admit(client: &Client, name: &str, number: &str) -> Self {
        let town = Town::admit(client, name, number).await;
        town.opt_in("e-payment").await;
        town.module_ready("e-payment").await;
        Self(town)
    }

    /// Makes changes of the town, of its module and of an object of it.
    async fn delays(&self) -> Vec<Delay> {
        let mut delays = Vec::new();
        for round in 1..=ROUNDS {
            delays.push(("a deleted Service is back", self.restore_service().await));
            delays.push(("a quota is changed", self.change_quota(round).await));
        }
        delays.push(("a module is changed", self.change_module().await));
        println!("{delays:?}");
        delays
    }

    async fn restore_service(&self) -> Duration {
        let services = self.0.api::<Service>();
        // It did not come back after the last time.
        let Some(lost) = services.get_opt("e-payment").await.unwrap() else { return NEVER };
        services.delete("e-payment", &DeleteParams::default()).await.unwrap();
        time_until(|| async {
            let found = services.get_opt("e-payment").await.unwrap();
            found.is_some_and(|service| service.uid() != lost.uid())
        })
        .await
    }

    async fn change_quota(&self, round: usize) -> Duration {
        // An odd number, which the API server does not write as Gi.
        let number = jiff::Timestamp::now().as_second() % 10_000 * 10 + round as i64;
        let storage = format!("{}Mi", 2 * number + 1001);
        self.0.change(json!({"spec": {"quota": {"storage": storage}}})).await;
        let quotas = self.0.api::<ResourceQuota>();
        time_until(|| async { json_of(&quotas.get("rathaus").await.unwrap()).to_string().contains(&storage) })
            .await
    }

    async fn change_module(&self) -> Duration {
        let originator = format!("at-{}", jiff::Timestamp::now().as_second());
        let clients =
            json!([{"name": "online-dienste", "secret": "online-dienste", "originators": [originator]}]);
        merge(&self.0.modules(), "e-payment", json!({"spec": {"ePayment": {"clients": clients}}})).await;
        let configurations = self.0.api::<ConfigMap>();
        time_until(|| async {
            let found = configurations.list(&ListParams::default()).await.unwrap();
            found.items.iter().any(|map| json_of(map).to_string().contains(&originator))
        })
        .await
    }
}

/// The time until a condition is fulfilled, at most [`NEVER`].
async fn time_until<F: Future<Output = bool>>(is_done: impl Fn() -> F) -> Duration {
    let start = Instant::now();
    while !is_done().await && start.elapsed() < NEVER {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    start.elapsed()
}

fn assert_prompt(when: &str, delays: &[Delay]) {
    let late: Vec<_> = delays.iter().filter(|(_, delay)| *delay > LIMIT).collect();
    assert!(late.is_empty(), "{when}, not within {LIMIT:?}: {late:?}");
}

/// Waits until each of these modules fulfils a condition.
async fn all_modules(town: &Town, what: &str, count: usize, fulfils: impl Fn(&ServiceModule) -> bool) {
    eventually(&format!("{count} modules of {}: {what}", town.name), || async {
        let found = town.modules().list(&ListParams::default()).await.map_err(|error| error.to_string())?;
        let done = found.items.iter().filter(|module| fulfils(module)).count();
        if done == count { Ok(()) } else { Err(format!("{done}")) }
    })
    .await;
}

pub async fn refused_modules_with_large_annotations_fill_no_memory_and_delay_nobody() {
    let (count, size) = if is_long_run() { (1000, 255 << 10) } else { (100, 200 << 10) };
    let client = client().await;
    let bystander = Bystander::admit(&client, "load-a", "931").await;
    let town = Town::admit(&client, "load-b", "932").await;
    town.ready().await;
    let first = leader(&client).await;
    let process = operator_process(&first);
    let before = resident_memory(process).unwrap();

    let annotation = "x".repeat(size);
    let flood = stream::iter(0..count).map(|number| {
        let mut module = service_module("load-b", &format!("refused-{number}"));
        module["spec"]["class"] = "nowhere".into();
        module["metadata"]["annotations"] = json!({"example.com/large": annotation});
        let module: ServiceModule = serde_json::from_value(module).unwrap();
        let modules = town.modules();
        async move {
            match modules.create(&PostParams::default(), &module).await {
                // More than the town's quota allows does not get as far as to the operator.
                Err(kube::Error::Api(status)) if status.message.contains("exceeded quota") => 0,
                answer => answer.map(|_| 1).unwrap(),
            }
        }
    });
    let made = flood.buffer_unordered(CONCURRENCY).fold(0, |sum, made| ready(sum + made));
    let (made, delays) = join(made, bystander.delays()).await;
    println!("{made} of {count} modules made");
    assert_prompt("while modules are made that are refused", &delays);
    all_modules(&town, "told that they are refused", made, |module| module.status.is_some()).await;
    assert_prompt("while there are refused modules", &bystander.delays().await);
    let after = resident_memory(process).unwrap();
    println!("resident memory: {} KiB, then {} KiB", before >> 10, after >> 10);
    assert!(after < before + GROWTH, "{before} B have become {after} B");

    // The next leader reads all of them at once.
    Api::<Pod>::namespaced(client.clone(), e2e::install::NAMESPACE)
        .delete(&first, &DeleteParams::default())
        .await
        .unwrap();
    let process = operator_process(&leader_other_than(&client, &first).await);
    assert!(bystander.restore_service().await < NEVER, "the next leader works");
    let (resident, peak) = (resident_memory(process).unwrap(), peak_memory(process).unwrap());
    println!("after a restart: {} KiB resident, {} KiB at the peak", resident >> 10, peak >> 10);
    assert!(resident < before + GROWTH, "{before} B have become {resident} B after a restart");
    assert!(peak < PEAK, "{peak} B at the peak after a restart");
    town.remove().await;
    bystander.0.remove().await;
}

pub async fn a_bad_version_of_a_class_delays_none_but_its_modules() {
    let (towns, modules) = if is_long_run() { (8, 8) } else { (2, 4) };
    let client = client().await;
    let bystander = Bystander::admit(&client, "load-c", "933").await;
    publish_class(&client, "load-class", |class| class["spec"]["plans"][0]["replicas"] = 1.into()).await;
    let mut users = Vec::new();
    for number in 0..towns {
        let town = Town::admit(&client, &format!("load-user-{number}"), &format!("94{number}")).await;
        for module in 0..modules {
            let mut module = service_module(&town.name, &format!("pay-{module}"));
            module["spec"]["class"] = "load-class".into();
            town.opt_in_with(module).await;
        }
        users.push(town);
    }
    for town in &users {
        for module in 0..modules {
            town.module_ready(&format!("pay-{module}")).await;
        }
    }

    let bad = json!({"spec": {"version": "9.9.9",
        "image": format!("registry.invalid/nothing@sha256:{}", "b".repeat(64))}});
    let classes = Api::<ModuleClass>::all(client.clone());
    merge(&classes, "load-class", bad).await;
    let rolled_out = join_all(users.iter().map(|town| async {
        eventually("the bad version is everywhere", || async {
            let deployments = town.api::<Deployment>().list(&ListParams::default()).await;
            let deployments = deployments.map_err(|error| error.to_string())?.items;
            let bad =
                deployments.iter().filter(|found| json_of(found).to_string().contains("registry.invalid"));
            if bad.count() == modules { Ok(()) } else { Err("not everywhere".to_owned()) }
        })
        .await;
    }));
    let (_, delays) = join(rolled_out, bystander.delays()).await;
    assert_prompt("while a bad version is rolled out", &delays);
    assert_prompt("while pods of a bad version do not start", &bystander.delays().await);
    for town in users.iter().chain([&bystander.0]) {
        town.remove().await;
    }
    delete(&classes, "load-class").await;
}

pub async fn a_database_server_that_is_down_or_silent_delays_nobody() {
    let modules = if is_long_run() { 8 } else { 4 };
    let client = client().await;
    let bystander = Bystander::admit(&client, "load-d", "934").await;
    let mut object = municipality("load-e", "935");
    object["spec"]["quota"] = json!({"modules": 2 * modules});
    let town = Town::admit_with(&client, "load-e", object).await;
    town.ready().await;
    let outages = async {
        e2e::database::stop().await.unwrap();
        opt_in_to(&town, "down", modules).await;
        let down = bystander.delays().await;
        e2e::database::start().await.unwrap();
        all_modules(&town, "have a database", modules, has_database).await;

        e2e::database::fall_silent().await.unwrap();
        opt_in_to(&town, "silent", modules).await;
        let silent = bystander.delays().await;
        e2e::database::answer().await.unwrap();
        all_modules(&town, "have a database", 2 * modules, has_database).await;
        assert_prompt("while the database server is down", &down);
        assert_prompt("while the database server is silent", &silent);
    };
    let restore = async {
        e2e::database::answer().await.unwrap();
        e2e::database::start().await.unwrap();
    };
    finally(outages, restore).await;
    town.remove().await;
    bystander.0.remove().await;
}

/// Opts in to modules that wait for a database, and then for a Secret that is missing, so that no pod starts.
async fn opt_in_to(town: &Town, prefix: &str, modules: usize) {
    for number in 0..modules {
        let mut module = service_module(&town.name, &format!("{prefix}-{number}"));
        module["spec"]["ePayment"]["clients"][0]["secret"] = "missing".into();
        town.opt_in_with(module).await;
    }
}

fn has_database(module: &ServiceModule) -> bool {
    let conditions = module.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|found| found.type_ == "DatabaseReady" && found.status == "True")
}
