// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use crate::api::conditions::READY;
use crate::cluster;
use crate::tenant::{Cause, Rejection};

/// The outcome of a step or of a whole reconcile. Waiting is a separate outcome and not a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Everything is as desired.
    Ready,
    /// In progress; continues without anyone's help.
    Waiting,
    /// The object is wrong and must be changed.
    Invalid,
    /// What the object asks for is taken by another object or not allowed. A person must decide.
    Refused,
    /// An error occurred. The operator retries with an increasing delay.
    Failed,
    /// The operator changed nothing, because `spec.suspend` is true.
    Suspended,
}

/// The result of one step of a reconcile, which becomes one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// Type of the condition, one of [`crate::api::conditions`].
    pub condition: &'static str,
    /// Outcome of the step.
    pub outcome: Outcome,
    /// Reason of the condition, a CamelCase constant that is part of the API.
    pub reason: &'static str,
    /// One sentence that describes the state, and what to do if something is wrong.
    pub message: String,
}

impl Step {
    /// A step whose condition is true.
    pub fn ready(condition: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { condition, outcome: Outcome::Ready, reason, message: message.into() }
    }

    /// A step that failed with an error of the cluster or the database server.
    pub fn failed(condition: &'static str, error: &cluster::Error) -> Self {
        let (outcome, reason) = classify(error);
        Self { condition, outcome, reason, message: error.to_string() }
    }
}

impl From<Rejection> for Step {
    fn from(rejection: Rejection) -> Self {
        let outcome = match rejection.cause {
            Cause::Waiting => Outcome::Waiting,
            Cause::Invalid => Outcome::Invalid,
            Cause::Refused => Outcome::Refused,
        };
        Self { condition: rejection.condition, outcome, reason: rejection.reason, message: rejection.message }
    }
}

/// Maps an error to the outcome, which decides whether and when the operator retries, and to the reason
/// of the condition. This is the only place that does so.
fn classify(error: &cluster::Error) -> (Outcome, &'static str) {
    use cluster::Error as E;
    use cluster::database::Error as D;
    match error {
        E::Foreign { .. } => (Outcome::Refused, "ObjectForeign"),
        E::Unsealed { .. } => (Outcome::Refused, "UpgradeNeeded"),
        E::Terminating { .. } => (Outcome::Waiting, "ObjectTerminating"),
        E::Contested { .. } => (Outcome::Refused, "Contested"),
        E::SealKeyLost { .. } => (Outcome::Failed, "SealKeyLost"),
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

/// The result of one reconcile: the steps that it got to, in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// The steps; a reconcile stops at the first that is not ready, so that later conditions have none.
    pub steps: Vec<Step>,
}

impl Report {
    /// Returns the first step that is not ready. It decides the outcome of the whole reconcile.
    pub fn first_unready(&self) -> Option<&Step> {
        self.steps.iter().find(|step| step.outcome != Outcome::Ready)
    }

    /// Returns the outcome of the whole reconcile.
    pub fn outcome(&self) -> Outcome {
        self.first_unready().map_or(Outcome::Ready, |step| step.outcome)
    }

    /// A report for an object that is suspended; `subject` is whose `spec.suspend` is true, such as
    /// "the module".
    pub fn suspended(subject: &str) -> Self {
        let message = format!(
            "{subject} has spec.suspend: true, so that nothing is changed and what runs keeps running; set it to false to continue"
        );
        Self {
            steps: vec![Step { condition: READY, outcome: Outcome::Suspended, reason: "Suspended", message }],
        }
    }

    /// A report for an object that does not have the form of the current API version.
    pub fn unreadable(error: &str) -> Self {
        let message = format!(
            "the object cannot be read: {error}; write it again in the form that kubectl explain shows"
        );
        Self {
            steps: vec![Step { condition: READY, outcome: Outcome::Invalid, reason: "Unreadable", message }],
        }
    }
}
