// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use kube::core::Status;

/// Why the cluster could not be read or written: a variant for each thing that a person would do
/// differently.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object of that name is there, and somebody else made it.
    #[error("{kind} {name} exists and was not made by rathaus; remove or rename it")]
    Foreign {
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The operator lacks a right.
    #[error("the operator may not {what}: {message}")]
    Forbidden {
        /// What it tried.
        what: String,
        /// What the API server said.
        message: String,
    },
    /// The API server refuses an object: its policy or a quota does.
    #[error("the API server refuses to {what}: {message}")]
    Rejected {
        /// What was tried.
        what: String,
        /// What the API server said.
        message: String,
    },
    /// Nothing wrong with the object: the API server did not answer, or something got in between.
    #[error("cannot {what}: {message}")]
    Unavailable {
        /// What was tried.
        what: String,
        /// What went wrong.
        message: String,
    },
    /// The database server.
    #[error(transparent)]
    Database(#[from] super::database::Error),
}

impl Error {
    /// Sorts a client's error; `what` completes "cannot …".
    pub(super) fn of(what: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let what = what.into();
        move |error| match error {
            kube::Error::Api(status) => Self::of_status(what, *status),
            other => Self::Unavailable { what, message: other.to_string() },
        }
    }

    fn of_status(what: String, status: Status) -> Self {
        let message = status.message.clone();
        // Admission answers 403 as well, for a quota that is used up or a pod that is not restricted.
        let by_admission = ["exceeded quota", "violates PodSecurity", "ValidatingAdmissionPolicy"];
        match status.code {
            403 if by_admission.iter().any(|words| message.contains(words)) => {
                Self::Rejected { what, message }
            }
            401 | 403 => Self::Forbidden { what, message },
            400 | 422 => Self::Rejected { what, message },
            _ => Self::Unavailable { what, message },
        }
    }
}
