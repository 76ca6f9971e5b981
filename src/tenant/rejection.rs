// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Why an object cannot be provisioned, in words for the person who wrote it.

/// What has to happen before the object can be provisioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Another object must be ready first. Provisioning continues without anyone's help.
    Waiting,
    /// The object itself is wrong and must be changed.
    Invalid,
    /// What the object asks for is taken by another object or not offered to it. A person must decide.
    Refused,
}

/// One reason why an object cannot be provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// What has to happen first.
    pub cause: Cause,
    /// Type of the condition that reports it, one of [`crate::api::conditions`].
    pub condition: &'static str,
    /// Reason of the condition, a CamelCase constant that is part of the API.
    pub reason: &'static str,
    /// One sentence that says what is wrong and what to do about it.
    pub message: String,
}

impl Rejection {
    /// A rejection that resolves itself once another object is ready.
    pub fn waiting(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self { cause: Cause::Waiting, condition, reason, message }
    }

    /// A rejection that the author of the object can resolve by changing it.
    pub(super) fn invalid(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self { cause: Cause::Invalid, condition, reason, message }
    }

    /// A rejection that needs a decision between this object and another one, or by state IT.
    pub(super) fn refused(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self { cause: Cause::Refused, condition, reason, message }
    }
}
