// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Why an object cannot be provisioned, in words for the person who wrote it.

/// Who has to do what before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Something else must come first; it goes on by itself.
    Waiting,
    /// The object must be changed.
    Invalid,
    /// Somebody else has what it asks for, or it is not offered; needs a decision.
    Refused,
}

/// One reason why an object cannot be provisioned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Who has to do what.
    pub cause: Cause,
    /// The condition that it belongs to, of [`crate::api::conditions`].
    pub condition: &'static str,
    /// CamelCase constant, part of the API.
    pub reason: &'static str,
    /// One sentence that says what to do.
    pub message: String,
}

impl Verdict {
    /// Something else must come first.
    pub fn waiting(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self { cause: Cause::Waiting, condition, reason, message }
    }

    pub(super) fn invalid(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self { cause: Cause::Invalid, condition, reason, message }
    }

    pub(super) fn refused(condition: &'static str, reason: &'static str, message: String) -> Self {
        Self { cause: Cause::Refused, condition, reason, message }
    }
}
