// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use super::*;
use crate::audit::Request;

fn tally(verb: &str, count: usize) -> Tally {
    let request = Request {
        user: String::new(),
        verb: verb.to_owned(),
        group: String::new(),
        resource: String::new(),
        subresource: String::new(),
        namespace: String::new(),
        name: String::new(),
        source: String::new(),
        code: 200,
        answered: Timestamp::UNIX_EPOCH,
    };
    Tally::of(&vec![request; count])
}

fn stage(seconds: f64, requests: Tally) -> Stage {
    Stage { seconds, requests, cpu: 1.25, peak_memory: 50_000_000 }
}

fn report() -> Report {
    Report {
        size: Size { towns: 100, modules: 4 },
        circumstances: "2026-11-24, 2 processors".to_owned(),
        objects: 3900,
        operator: Provisioned { objects: 27.0, databases: 15.0, ready: 80.0 },
        floor: Provisioned { objects: 22.5, databases: 12.0, ready: 75.0 },
        provisioning: stage(80.0, tally("create", 8000)),
        rest: stage(60.0, tally("watch", 12)),
        restart: stage(2.0, tally("list", 30)),
        deletion: stage(5.0, tally("delete", 32)),
        upgrade: stage(40.0, tally("update", 400)),
        removal: stage(30.0, tally("delete", 500)),
    }
}

#[test]
fn a_value_at_its_limit_meets_the_gate() {
    // 8,000 requests for 400 modules, and 32 − 12 × 10 / 60 for the deletion.
    let values = report().gates().map(|gate| (gate.value, gate.is_met()));
    assert_eq!(values, [(20.0, true), (30.0, true), (0.0, true)]);
}

#[test]
fn a_value_above_its_limit_misses_the_gate() {
    let report = Report {
        provisioning: stage(80.0, tally("create", 8001)),
        deletion: stage(5.0, tally("delete", 33)),
        restart: stage(2.0, tally("patch", 1)),
        ..report()
    };
    assert!(report.gates().iter().all(|gate| !gate.is_met()));
}

#[test]
fn aims_compare_with_the_floor_and_renewed_watches_are_allowed_at_rest() {
    let report = report();
    assert!(report.aims().iter().all(Check::is_met));
    let slow = Report { operator: Provisioned { ready: 90.0, ..report.operator }, ..report };
    let missed: Vec<&str> = slow.aims().iter().filter(|aim| !aim.is_met()).map(|aim| aim.name).collect();
    assert_eq!(missed, ["all Ready, times the floor's all available"]);
}

#[test]
fn the_report_is_markdown_with_a_row_for_each_stage() {
    let text = report().to_string();
    for line in [
        "### 100 towns with 4 modules each",
        "| 3,900 objects there, without routes | 27.0 | 22.5 | 1.20 |",
        "| provisioning | 80.0 | 8,000 | 20.0 | 80.0 | 8,000 | create 8,000 | 1.2 | 50 |",
        "| rest | 60.0 | 12 | 0.0 | 0.1 | 0 | watch 12 | 1.2 | 50 |",
        "- Gate: writes after a restart: 0 of at most 0, met",
        "- Aim: objects there, times the floor: 1.2 of at most 1.3, met",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn digits_are_grouped_by_three() {
    assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
}
