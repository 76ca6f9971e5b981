// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use crate::api::conditions::READY;
use crate::cluster;
use crate::tenant::{Cause, Verdict};

/// How something came out. Success is never an error, and neither is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// As desired.
    Ready,
    /// On its way; goes on by itself.
    Waiting,
    /// The object must be changed.
    Invalid,
    /// Somebody else has what it asks for, or does not allow it; needs a decision.
    Refused,
    /// Something broke; tried again by itself, ever more slowly.
    Failed,
    /// Not looked at, because a person said so.
    Suspended,
}

/// One condition, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which condition, of [`crate::api::conditions`].
    pub condition: &'static str,
    /// How it came out.
    pub outcome: Outcome,
    /// CamelCase constant, part of the API.
    pub reason: &'static str,
    /// One sentence that says what is, or what to do.
    pub message: String,
}

impl Step {
    /// A condition that is as desired.
    pub fn ready(condition: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { condition, outcome: Outcome::Ready, reason, message: message.into() }
    }

    /// A condition that failed in the cluster.
    pub fn failed(condition: &'static str, error: &cluster::Error) -> Self {
        let (outcome, reason) = sort(error);
        Self { condition, outcome, reason, message: error.to_string() }
    }
}

impl From<Verdict> for Step {
    fn from(verdict: Verdict) -> Self {
        let outcome = match verdict.cause {
            Cause::Waiting => Outcome::Waiting,
            Cause::Invalid => Outcome::Invalid,
            Cause::Refused => Outcome::Refused,
        };
        Self { condition: verdict.condition, outcome, reason: verdict.reason, message: verdict.message }
    }
}

/// The one place where an error gets its reason and decides whether it is tried again.
fn sort(error: &cluster::Error) -> (Outcome, &'static str) {
    use cluster::Error as E;
    use cluster::database::Error as D;
    match error {
        E::Foreign { .. } => (Outcome::Refused, "ObjectForeign"),
        E::Forbidden { .. } => (Outcome::Failed, "RightsMissing"),
        E::Rejected { .. } => (Outcome::Failed, "ObjectRejected"),
        E::Unavailable { .. } => (Outcome::Failed, "ClusterUnavailable"),
        E::Database(D::Settings { .. }) => (Outcome::Failed, "DatabaseSettingsInvalid"),
        E::Database(D::Unreachable(_)) => (Outcome::Failed, "DatabaseUnreachable"),
        E::Database(D::Refused(_)) => (Outcome::Failed, "DatabaseRefused"),
        E::Database(D::Foreign(_)) => (Outcome::Refused, "DatabaseForeign"),
        E::Database(D::NotConfined { .. }) => (Outcome::Refused, "DatabaseNotConfined"),
        E::Database(D::Failed(_)) => (Outcome::Failed, "DatabaseFailed"),
    }
}

/// What one run found out: the conditions that it came to judge, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// Its findings.
    pub steps: Vec<Step>,
}

impl Report {
    /// The step that decides how the whole came out: the first that is not as desired.
    pub fn decisive(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.outcome != Outcome::Ready)
    }

    /// How the whole came out.
    pub fn outcome(&self) -> Outcome {
        self.decisive().map_or(Outcome::Ready, |step| step.outcome)
    }

    /// A report that says only why nothing was done.
    pub fn suspended(whose: &str) -> Self {
        let message = format!(
            "{whose} has spec.suspend: true, so that nothing is changed and what runs keeps running; set it to false to go on"
        );
        Self {
            steps: vec![Step { condition: READY, outcome: Outcome::Suspended, reason: "Suspended", message }],
        }
    }

    /// A report on an object that cannot even be read.
    pub fn unreadable(error: &str) -> Self {
        let message = format!(
            "the object cannot be read: {error}; write it anew in the form that kubectl explain shows"
        );
        Self {
            steps: vec![Step { condition: READY, outcome: Outcome::Invalid, reason: "Unreadable", message }],
        }
    }
}
