// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::{READY, STALLED};

/// Upper limit for an event's note, in characters. Kubernetes allows 1,024 bytes, and a character has
/// at most four.
const MAX_NOTE_CHARS: usize = 256;

/// An event to be published because a condition changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConditionEvent {
    /// Whether the event has the type `Warning` and not `Normal`.
    pub warning: bool,
    /// Reason of the condition.
    pub reason: String,
    /// Type of the condition.
    pub action: String,
    /// Message of the condition, shortened to the length that Kubernetes allows.
    pub note: String,
}

/// Reasons that only say that work is in progress. No event is published for them; `kubectl get` shows
/// them.
const IN_PROGRESS_REASONS: [&str; 6] = [
    "RollingOut",
    "NotYetAvailable",
    "GatewayPending",
    "RightsPropagating",
    "MunicipalityNotReady",
    "Deleting",
];

/// Returns one event for each condition whose status or reason changed. `Ready` is left out if another
/// condition has the same reason, since that condition has an event already; so is `Stalled`, which repeats
/// the reason of `Ready`. Of conditions that became true, only `Ready` has one: each event is a request, and the
/// others are steps on the way to it.
pub fn condition_events(before: &[Condition], after: &[Condition]) -> Vec<ConditionEvent> {
    let is_unchanged = |c: &Condition| {
        before.iter().any(|b| (&b.type_, &b.status, &b.reason) == (&c.type_, &c.status, &c.reason))
    };
    let repeats_another = |c: &Condition| {
        let others = |other: &&Condition| ![READY, STALLED].contains(&other.type_.as_str());
        c.type_ == STALLED
            || (c.type_ == READY && after.iter().filter(others).any(|other| other.reason == c.reason))
    };
    let is_step = |c: &Condition| c.status == "True" && c.type_ != READY;
    let is_in_progress = |c: &Condition| IN_PROGRESS_REASONS.contains(&c.reason.as_str());
    after
        .iter()
        .filter(|c| !is_unchanged(c) && !repeats_another(c) && !is_step(c) && !is_in_progress(c))
        .map(|condition| ConditionEvent {
            warning: condition.status == "False",
            reason: condition.reason.clone(),
            action: condition.type_.clone(),
            note: condition.message.chars().take(MAX_NOTE_CHARS).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn condition(type_: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: type_.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: "why".to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    /// The events between two sets of conditions: whether each is a warning, and its reason.
    fn events(before: &[Condition], after: &[Condition]) -> Vec<(bool, String)> {
        condition_events(before, after).into_iter().map(|event| (event.warning, event.reason)).collect()
    }

    #[test]
    fn each_change_has_one_event() {
        let failed = [
            condition(READY, "False", "ClassNotFound"),
            condition("ClassAccepted", "False", "ClassNotFound"),
        ];
        let ready = [condition(READY, "True", "Ready"), condition("ClassAccepted", "True", "Accepted")];
        assert_eq!(events(&[], &failed), [(true, "ClassNotFound".to_owned())]);
        assert_eq!(events(&failed, &failed), []);
        assert_eq!(events(&failed, &ready), [(false, "Ready".to_owned())]);
    }

    #[test]
    fn a_stalled_object_has_one_event() {
        let stalled = condition(STALLED, "True", "ArsTaken");
        let taken = [condition(READY, "False", "ArsTaken"), stalled];
        assert_eq!(events(&[], &taken), [(true, "ArsTaken".to_owned())]);
    }

    #[test]
    fn work_in_progress_has_no_event() {
        assert_eq!(events(&[], &[condition("Deployed", "False", "RollingOut")]), []);
    }
}
