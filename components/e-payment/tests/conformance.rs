// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The conformance runner passes the real program, and fails each of many seeded faults by its rule.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end so")]

#[path = "conformance/faults.rs"]
mod faults;
#[path = "conformance/proxy.rs"]
mod proxy;
mod support;

use std::collections::BTreeSet;

use clap::Parser;
use faults::Fault;
use futures::{StreamExt, stream};
use proxy::Proxy;
use rathaus_conformance::e_payment::{Options, run};
use rathaus_conformance::{Outcome, Report};
use serde_json::json;
use support::{ARS, Server, Service, TOKEN};

/// As many programs under test as a small machine bears.
const AT_ONCE: usize = 2;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

/// A town whose treasury needs a budget line.
async fn service() -> Service<'static> {
    let mut block = support::block();
    block["endPoints"][0]["bookingData"] = json!(["hhst"]);
    Service::start_with(Server::shared(), block).await
}

/// What `cargo xtask conformance e-payment` says of `url`.
async fn report(url: &str, words: &[&str]) -> Report {
    let always = ["", url, "--originator=parkausweis", "--end-point", ARS, "--booking-data=hhst=1.1100"];
    let options = Line::parse_from(always.iter().chain(words)).options;
    run(&options, options.client().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_keeps_every_rule_however_one_proves_who_one_is() {
    let service = service().await;
    let (token, password) = (format!("--token={TOKEN}"), format!("--password={TOKEN}"));
    let (secret, token_url) = (format!("--client-secret={TOKEN}"), service.url("/oauth/token"));
    let ways = [
        vec![token.as_str()],
        vec!["--user=portal", &password],
        vec!["--client-id=portal", &secret, "--token-url", &token_url],
    ];
    for way in ways {
        let report = report(&service.url(""), &[way, vec!["--sandbox", "--extensions"]].concat()).await;
        let passed = |outcome: &Outcome| *outcome == Outcome::Passed;
        assert!(report.results().iter().all(|judged| passed(&judged.outcome)), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_judged_is_told_and_never_left_out() {
    let service = service().await;
    let token = format!("--token={TOKEN}");
    let all = report(&service.url(""), &[&token, "--sandbox", "--extensions"]).await;
    let some = report(&service.url(""), &[&token]).await;
    let ids = |report: &Report| report.results().iter().map(|judged| judged.rule.id).collect::<Vec<_>>();
    assert_eq!(ids(&some), ids(&all));
    assert_eq!(BTreeSet::from_iter(ids(&all)).len(), ids(&all).len(), "each id is one rule");
    for judged in some.results() {
        let told = matches!(&judged.outcome, Outcome::NotApplicable { reason } if !reason.is_empty());
        assert!(judged.outcome == Outcome::Passed || told, "{judged:?}");
        assert_eq!(told, judged.rule.id.starts_with("states.") || !is_standard(judged.rule), "{judged:?}");
    }
}

fn is_standard(rule: rathaus_conformance::Rule) -> bool {
    matches!(rule.source, rathaus_conformance::Source::Standard(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_seeded_fault_is_found_by_its_rule() {
    let service = service().await;
    let found = stream::iter(Fault::ALL).map(|(fault, rule)| {
        let upstream = service.url("");
        async move {
            let proxy = Proxy::start(fault, upstream).await;
            let token = format!("--token={TOKEN}");
            let failed = report(&proxy.url, &[&token, "--sandbox", "--extensions"]).await.failed_rules();
            (fault, rule, failed)
        }
    });
    let found: Vec<_> = found.buffer_unordered(AT_ONCE).collect().await;
    let missed: Vec<_> = found.iter().filter(|(_, rule, failed)| !failed.contains(rule)).collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
    let sound = Proxy::start(Fault::None, service.url("")).await;
    let token = format!("--token={TOKEN}");
    let report = report(&sound.url, &[&token, "--sandbox", "--extensions"]).await;
    assert!(report.failed_rules().is_empty(), "the proxy itself is no fault: {report}");
}
