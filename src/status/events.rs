// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::api::conditions::READY;

/// Kubernetes' limit for an event's note is 1,024 bytes; a character has at most four.
const LONGEST_NOTE: usize = 256;

/// An event to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Whether something is wrong.
    pub warning: bool,
    /// The condition's reason.
    pub reason: String,
    /// What it is about: the condition's type.
    pub action: String,
    /// The condition's message.
    pub note: String,
}

/// Reasons of things on their way: `kubectl get` shows them, and they are no news.
const ON_ITS_WAY: [&str; 6] = [
    "RollingOut",
    "NotYetAvailable",
    "GatewayPending",
    "RightsPropagating",
    "MunicipalityNotReady",
    "Deleting",
];

/// One event for each condition that says something new. `Ready` only when it comes true: what keeps
/// it from that is another condition's news.
pub fn announcements(before: &[Condition], after: &[Condition]) -> Vec<Announcement> {
    let said = |c: &Condition| {
        before.iter().any(|b| (&b.type_, &b.status, &b.reason) == (&c.type_, &c.status, &c.reason))
    };
    let repeated = |c: &Condition| {
        c.type_ == READY && after.iter().any(|other| other.type_ != READY && other.reason == c.reason)
    };
    after
        .iter()
        .filter(|c| !said(c) && !repeated(c) && !ON_ITS_WAY.contains(&c.reason.as_str()))
        .map(|condition| Announcement {
            warning: condition.status == "False",
            reason: condition.reason.clone(),
            action: condition.type_.clone(),
            note: condition.message.chars().take(LONGEST_NOTE).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn condition(kind: &str, status: &str, reason: &str) -> Condition {
        Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: "why".to_owned(),
            observed_generation: None,
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
        }
    }

    fn told(before: &[Condition], after: &[Condition]) -> Vec<(bool, String)> {
        announcements(before, after).into_iter().map(|news| (news.warning, news.reason)).collect()
    }

    #[test]
    fn each_difference_is_told_once() {
        let broken = [
            condition(READY, "False", "ClassNotFound"),
            condition("ClassAccepted", "False", "ClassNotFound"),
        ];
        let whole = [condition(READY, "True", "Ready"), condition("ClassAccepted", "True", "Accepted")];
        assert_eq!(told(&[], &broken), [(true, "ClassNotFound".to_owned())]);
        assert_eq!(told(&broken, &broken), []);
        assert_eq!(told(&broken, &whole), [(false, "Ready".to_owned()), (false, "Accepted".to_owned())]);
    }

    #[test]
    fn what_is_on_its_way_is_no_news() {
        assert_eq!(told(&[], &[condition("Deployed", "False", "RollingOut")]), []);
    }
}
