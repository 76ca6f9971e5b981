// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// Kubernetes' limit for an event's note is 1,024 bytes.
const LONGEST_NOTE: usize = 1000;

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

/// One event for each condition that says something else than before.
pub fn announcements(before: &[Condition], after: &[Condition]) -> Vec<Announcement> {
    let said = |c: &Condition| {
        before.iter().any(|b| (&b.type_, &b.status, &b.reason) == (&c.type_, &c.status, &c.reason))
    };
    after
        .iter()
        .filter(|condition| !said(condition))
        .map(|condition| Announcement {
            warning: condition.status == "False",
            reason: condition.reason.clone(),
            action: condition.type_.clone(),
            note: condition.message.chars().take(LONGEST_NOTE / 4).collect(),
        })
        .collect()
}
