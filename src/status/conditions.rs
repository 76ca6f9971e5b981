// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::report::{Outcome, Report, Step};
use crate::api::conditions::{READY, STALLED};

/// Upper limit for a condition's message, in characters. Kubernetes allows 32,768 bytes, which is far
/// too long for the table that `kubectl get` prints.
const MAX_MESSAGE_CHARS: usize = 1024;

/// Returns the conditions after a reconcile: `Ready`, then those of `types`, then `Stalled` if it is true.
///
/// A condition that the report has no step for keeps its previous value. `Ready` is false if a step of the
/// report is not ready; otherwise it is true with the message `success`. `Stalled` is there if that step needs
/// a person, since a retry alone cannot succeed. `lastTransitionTime` changes only
/// together with the status, so that a reconcile without news returns the previous conditions unchanged.
pub fn merge_conditions(
    previous: &[Condition],
    report: &Report,
    types: &[&'static str],
    generation: Option<i64>,
    success: &str,
    now: Timestamp,
) -> Vec<Condition> {
    let find_step = |type_: &str| report.steps.iter().find(|step| step.condition == type_);
    let find_previous = |type_: &str| previous.iter().find(|condition| condition.type_ == type_);
    let with_status = |step: &Step, type_: &str, status: &str| {
        let unchanged_since = find_previous(type_)
            .filter(|old| old.status == status)
            .map(|old| old.last_transition_time.clone());
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: step.reason.to_owned(),
            message: shorten(&step.message),
            observed_generation: generation,
            last_transition_time: unchanged_since.unwrap_or(Time(now)),
        }
    };
    let from_step = |step: &Step, type_: &str| {
        let status = match step.outcome {
            Outcome::Ready => "True",
            Outcome::Suspended => "Unknown",
            _ => "False",
        };
        with_status(step, type_, status)
    };
    let first_unready = report.first_unready();
    let stalled = first_unready
        .filter(|step| matches!(step.outcome, Outcome::Invalid | Outcome::Refused))
        .map(|step| with_status(step, STALLED, "True"));
    let summary = match first_unready {
        Some(step) => from_step(step, READY),
        None => from_step(&Step::ready(READY, "Ready", success), READY),
    };
    let others = types.iter().filter_map(|type_| match find_step(type_) {
        Some(step) => Some(from_step(step, type_)),
        None => find_previous(type_).cloned(),
    });
    std::iter::once(summary).chain(others).chain(stalled).collect()
}

fn shorten(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        Some((end, _)) => format!("{}…", &message[..end]),
        None => message.to_owned(),
    }
}

/// Whether the condition of this type exists and has the status `True`.
pub fn is_condition_true(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
}

/// Reason of [`current_ready`] for an object whose current generation has not been reconciled.
pub const NOT_RECONCILED: &str = "NotReconciled";

/// Returns the condition `Ready` if it is about the object's current generation. Otherwise, returns one with
/// the status `Unknown`: what was true of an older spec says nothing about this one.
pub fn current_ready(conditions: &[Condition], generation: Option<i64>) -> Condition {
    let ready = conditions.iter().find(|condition| condition.type_ == READY);
    match ready {
        Some(ready) if ready.observed_generation.unwrap_or(0) >= generation.unwrap_or(0) => ready.clone(),
        _ => Condition {
            type_: READY.to_owned(),
            status: "Unknown".to_owned(),
            reason: NOT_RECONCILED.to_owned(),
            message:
                "the operator has not reconciled its current spec yet; check that it runs in rathaus-system"
                    .to_owned(),
            observed_generation: generation,
            last_transition_time: ready
                .map_or(Time(Timestamp::UNIX_EPOCH), |ready| ready.last_transition_time.clone()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPES: [&str; 2] = ["First", "Second"];

    fn time(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn report(outcome: Outcome) -> Report {
        let step = Step { condition: "Second", outcome, reason: "Why", message: "because".into() };
        Report { steps: vec![Step::ready("First", "Done", ""), step] }
    }

    #[test]
    fn ready_has_the_reason_of_the_first_step_that_is_not_ready() {
        let conditions = merge_conditions(&[], &report(Outcome::Invalid), &TYPES, Some(3), "", time(1));
        let summaries: Vec<_> =
            conditions.iter().map(|c| (c.type_.as_str(), c.status.as_str(), c.reason.as_str())).collect();
        assert_eq!(
            summaries,
            [
                ("Ready", "False", "Why"),
                ("First", "True", "Done"),
                ("Second", "False", "Why"),
                ("Stalled", "True", "Why")
            ]
        );
        assert!(conditions.iter().all(|c| c.observed_generation == Some(3)));
    }

    #[test]
    fn invariant_1_a_reconcile_without_news_changes_nothing() {
        let first = merge_conditions(&[], &report(Outcome::Ready), &TYPES, Some(1), "fine", time(1));
        assert_eq!(
            merge_conditions(&first, &report(Outcome::Ready), &TYPES, Some(1), "fine", time(9)),
            first
        );
    }

    #[test]
    fn ready_of_an_older_generation_is_unknown() {
        let conditions = merge_conditions(&[], &report(Outcome::Invalid), &TYPES, Some(3), "", time(1));
        let current = |conditions: &[Condition], generation| {
            let ready = current_ready(conditions, Some(generation));
            (ready.status, ready.reason)
        };
        let unknown = || ("Unknown".to_owned(), "NotReconciled".to_owned());
        assert_eq!(current(&conditions, 3), ("False".to_owned(), "Why".to_owned()));
        assert_eq!(current(&conditions, 4), unknown());
        assert_eq!(current(&[], 1), unknown());
    }

    #[test]
    fn transition_time_changes_only_with_the_status() {
        let first = merge_conditions(&[], &report(Outcome::Ready), &TYPES, Some(1), "", time(1));
        let second = merge_conditions(&first, &report(Outcome::Failed), &TYPES, Some(1), "", time(9));
        let times: Vec<_> = second.iter().map(|c| c.last_transition_time.0.as_second()).collect();
        assert_eq!(times, [9, 1, 9]);
    }

    #[test]
    fn stalled_is_there_only_while_a_person_must_act() {
        let mut conditions = Vec::new();
        for (outcome, stalled) in [
            (Outcome::Invalid, true),
            (Outcome::Refused, true),
            (Outcome::Waiting, false),
            (Outcome::Refused, true),
            (Outcome::Failed, false),
            (Outcome::Suspended, false),
            (Outcome::Ready, false),
        ] {
            conditions = merge_conditions(&conditions, &report(outcome), &TYPES, Some(1), "", time(1));
            assert_eq!(is_condition_true(&conditions, STALLED), stalled, "{outcome:?}");
            assert_eq!(conditions.len(), if stalled { 4 } else { 3 }, "{outcome:?}");
        }
    }

    #[test]
    fn what_waits_first_does_not_stall() {
        let waiting = Step { outcome: Outcome::Waiting, ..Step::ready("First", "Pending", "") };
        let refused = Step { outcome: Outcome::Refused, ..Step::ready("Second", "RouteRejected", "") };
        let report = Report { steps: vec![waiting, refused] };
        let conditions = merge_conditions(&[], &report, &TYPES, Some(1), "", time(1));
        assert!(!is_condition_true(&conditions, STALLED));
    }

    #[test]
    fn a_condition_without_a_step_keeps_its_previous_value() {
        let first = merge_conditions(&[], &report(Outcome::Ready), &TYPES, Some(1), "", time(1));
        let broken =
            Report { steps: vec![Step { outcome: Outcome::Failed, ..Step::ready("First", "Broken", "") }] };
        let second = merge_conditions(&first, &broken, &TYPES, Some(2), "", time(2));
        assert!(is_condition_true(&second, "Second") && !is_condition_true(&second, "Ready"));
        assert_eq!(second[2].observed_generation, Some(1));
    }
}
