// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::report::{Outcome, Report, Step};
use crate::api::conditions::READY;

/// Kubernetes' limit for a condition's message is 32,768 bytes; a table wants far less.
const LONGEST_MESSAGE: usize = 1024;

/// The conditions after a run: what it judged, what earlier runs last saw of the rest, and `Ready`,
/// which is true when all of `kinds` are. Times move only where a status does, so that a run which
/// finds nothing new gives back exactly what it was given.
pub fn merge(
    previous: &[Condition],
    report: &Report,
    kinds: &[&'static str],
    generation: Option<i64>,
    success: &str,
    now: Timestamp,
) -> Vec<Condition> {
    let judged = |kind: &str| report.steps.iter().find(|step| step.condition == kind);
    let earlier = |kind: &str| previous.iter().find(|condition| condition.type_ == kind);
    let of_step = |step: &Step, kind: &str| {
        let status = match step.outcome {
            Outcome::Ready => "True",
            Outcome::Suspended => "Unknown",
            _ => "False",
        };
        let since =
            earlier(kind).filter(|old| old.status == status).map(|old| old.last_transition_time.clone());
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: step.reason.to_owned(),
            message: shorten(&step.message),
            observed_generation: generation,
            last_transition_time: since.unwrap_or(Time(now)),
        }
    };
    let summary = match report.decisive() {
        Some(step) => of_step(step, READY),
        None => of_step(&Step::ready(READY, "Ready", success), READY),
    };
    let rest = kinds.iter().filter_map(|kind| match judged(kind) {
        Some(step) => Some(of_step(step, kind)),
        None => earlier(kind).cloned(),
    });
    std::iter::once(summary).chain(rest).collect()
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// Whether a condition is true.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == kind && condition.status == "True")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [&str; 2] = ["First", "Second"];

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(outcome: Outcome) -> Report {
        let step = Step { condition: "Second", outcome, reason: "Why", message: "because".into() };
        Report { steps: vec![Step::ready("First", "Done", ""), step] }
    }

    #[test]
    fn ready_is_the_first_thing_that_is_wrong() {
        let conditions = merge(&[], &report(Outcome::Invalid), &KINDS, Some(3), "", at(1));
        let told: Vec<_> =
            conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str())).collect();
        assert_eq!(told, [("Ready", "False", "Why"), ("First", "True", "Done"), ("Second", "False", "Why")]);
        assert!(conditions.iter().all(|c| c.observed_generation == Some(3)));
    }

    #[test]
    fn invariant_1_a_run_that_finds_nothing_new_changes_nothing() {
        let first = merge(&[], &report(Outcome::Ready), &KINDS, Some(1), "fine", at(1));
        assert_eq!(merge(&first, &report(Outcome::Ready), &KINDS, Some(1), "fine", at(9)), first);
    }

    #[test]
    fn time_moves_when_the_status_flips() {
        let first = merge(&[], &report(Outcome::Ready), &KINDS, Some(1), "", at(1));
        let second = merge(&first, &report(Outcome::Failed), &KINDS, Some(1), "", at(9));
        let times: Vec<_> = second.iter().map(|c| c.last_transition_time.0.as_second()).collect();
        assert_eq!(times, [9, 1, 9]);
    }

    #[test]
    fn what_a_run_did_not_come_to_is_carried_forward() {
        let first = merge(&[], &report(Outcome::Ready), &KINDS, Some(1), "", at(1));
        let broken =
            Report { steps: vec![Step { outcome: Outcome::Failed, ..Step::ready("First", "Broken", "") }] };
        let second = merge(&first, &broken, &KINDS, Some(2), "", at(2));
        assert!(is_true(&second, "Second") && !is_true(&second, "Ready"));
        assert_eq!(second[2].observed_generation, Some(1));
    }
}
