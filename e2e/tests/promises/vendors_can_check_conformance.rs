// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: the deployed e-payment keeps every rule of XBezahldienste 1.0.0, as any vendor can check from
//! outside, through the gateway.

use clap::Parser;
use rathaus_conformance::e_payment::{Options, run};
use rathaus_conformance::{Outcome, Report};

use crate::cluster;
use crate::support::{TOKEN, Town};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    options: Options,
}

pub async fn the_deployed_e_payment_keeps_every_rule_through_the_gateway() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "conf-a", "983").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let words = [
        "conformance",
        "https://e-payment.conf-a.rathaus.example",
        "--originator=parkausweis",
        "--end-point=055990983983",
        "--token",
        TOKEN,
        "--sandbox",
        "--extensions",
    ];
    let options = Line::parse_from(words).options;
    let report: Report = run(&options, cluster.citizen).await.unwrap();
    assert!(report.failed().is_empty(), "{report}");
    for judged in report.judged() {
        // This town's treasury needs no bookingData.
        let judgeable = judged.rule.id != "errors.booking-data-missing";
        assert_eq!(judged.outcome == Outcome::Passed, judgeable, "{judged:?}");
    }
    town.remove().await;
}
