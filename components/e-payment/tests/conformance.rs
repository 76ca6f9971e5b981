// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The conformance runner passes the real program and detects each of many faults by the right rule.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing test panics")]

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

/// How many faults are tested concurrently. A small machine cannot take more.
const CONCURRENT_RUNS: usize = 2;

/// The command line of the conformance runner.
#[derive(Parser)]
struct CommandLine {
    #[command(flatten)]
    options: Options,
}

/// Starts the program for a municipality whose treasury requires a budget line (Haushaltsstelle).
async fn service() -> Service<'static> {
    let mut settings = support::settings();
    settings["endPoints"][0]["bookingData"] = json!(["hhst"]);
    Service::start_with(Server::shared(), settings).await
}

/// The report of `cargo xtask conformance e-payment` about the service at `url`.
async fn report(url: &str, arguments: &[&str]) -> Report {
    let common = ["", url, "--originator=parkausweis", "--end-point", ARS, "--booking-data=hhst=1.1100"];
    let options = CommandLine::parse_from(common.iter().chain(arguments)).options;
    run(&options, options.client().unwrap()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_passes_every_rule_with_each_kind_of_credentials() {
    let service = service().await;
    let (token, password) = (format!("--token={TOKEN}"), format!("--password={TOKEN}"));
    let (secret, token_url) = (format!("--client-secret={TOKEN}"), service.url("/oauth/token"));
    let credentials = [
        vec![token.as_str()],
        vec!["--user=portal", &password],
        vec!["--client-id=portal", &secret, "--token-url", &token_url],
    ];
    for arguments in credentials {
        let report = report(&service.url(""), &[arguments, vec!["--sandbox", "--extensions"]].concat()).await;
        let passed = |outcome: &Outcome| *outcome == Outcome::Passed;
        assert!(report.results().iter().all(|result| passed(&result.outcome)), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rules_that_cannot_be_checked_are_reported_as_not_applicable() {
    let service = service().await;
    let token = format!("--token={TOKEN}");
    let all = report(&service.url(""), &[&token, "--sandbox", "--extensions"]).await;
    let some = report(&service.url(""), &[&token]).await;
    let ids = |report: &Report| report.results().iter().map(|result| result.rule.id).collect::<Vec<_>>();
    assert_eq!(ids(&some), ids(&all));
    assert_eq!(BTreeSet::from_iter(ids(&all)).len(), ids(&all).len(), "each id is one rule");
    for result in some.results() {
        let has_reason = matches!(&result.outcome, Outcome::NotApplicable { reason } if !reason.is_empty());
        assert!(result.outcome == Outcome::Passed || has_reason, "{result:?}");
        assert_eq!(
            has_reason,
            result.rule.id.starts_with("states.") || !is_standard(result.rule),
            "{result:?}"
        );
    }
}

fn is_standard(rule: rathaus_conformance::Rule) -> bool {
    matches!(rule.source, rathaus_conformance::Source::Standard(_))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_is_detected_by_its_rule() {
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
    let found: Vec<_> = found.buffer_unordered(CONCURRENT_RUNS).collect().await;
    let missed: Vec<_> = found.iter().filter(|(_, rule, failed)| !failed.contains(rule)).collect();
    assert!(missed.is_empty(), "not detected: {missed:#?}");
    let faultless = Proxy::start(Fault::None, service.url("")).await;
    let token = format!("--token={TOKEN}");
    let report = report(&faultless.url, &[&token, "--sandbox", "--extensions"]).await;
    assert!(report.failed_rules().is_empty(), "the proxy itself fails rules: {report}");
}
