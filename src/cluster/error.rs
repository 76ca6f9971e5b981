// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use kube::core::Status;

/// Why the cluster could not be read or written. There is one variant for each way to resolve it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object of that name exists and does not carry the seal: the operator did not make it.
    #[error("{kind} {name} exists and was not made by rathaus; remove or rename it")]
    Foreign {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
    },
    /// An object of that name was made by version 0.1.0, which made no seals.
    #[error(
        "{kind} {name} was made by version 0.1.0 and carries no seal; it is not changed until state IT has checked `rathaus upgrade --plan` and run `rathaus upgrade`"
    )]
    Unsealed {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
    },
    /// The object is being deleted. It is created again once it is gone.
    #[error(
        "{kind} {name} is being deleted and waits for its finalizers ({finalizers}); it is created again once it is gone"
    )]
    Terminating {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// The finalizers that are left, comma-separated.
        finalizers: String,
    },
    /// Another program changes the object back each time that the operator repairs it.
    #[error(
        "{kind} {name} is changed again and again by {manager:?} ({fields}); rathaus repairs it once an hour until that ends; stop that program, or name the fields in settings.tolerated if it fills them by right"
    )]
    Contested {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// The other program, as a field manager.
        manager: String,
        /// JSON pointers to the fields, comma-separated.
        fields: String,
    },
    /// There is no key for the seals, although there are seals.
    #[error(
        "Secret rathaus-seal in {namespace} is missing, although namespace {sealed} carries a seal; restore the Secret from the backup, or see docs/state-it.md, Backup and restore"
    )]
    SealKeyLost {
        /// The operator's namespace.
        namespace: String,
        /// A namespace that carries a seal.
        sealed: String,
    },
    /// The operator lacks a permission (RBAC or authentication).
    #[error("the operator may not {action}: {message}")]
    Forbidden {
        /// The action, as a verb with its object: `write Secret a`.
        action: String,
        /// Message of the API server.
        message: String,
    },
    /// The API server rejects the object: it is invalid, or an admission policy or a quota forbids it.
    #[error("the API server refuses to {action}: {message}")]
    Rejected {
        /// The action, as a verb with its object.
        action: String,
        /// Message of the API server.
        message: String,
    },
    /// The API server did not answer, answered with an error of its own, or reported a conflict. The
    /// object is not at fault, and a retry may succeed.
    #[error("cannot {action}: {message}")]
    Unavailable {
        /// The action, as a verb with its object.
        action: String,
        /// What went wrong.
        message: String,
    },
    /// The database server cannot provide what the module needs.
    #[error(transparent)]
    Database(#[from] super::database::Error),
}

impl Error {
    /// Classifies an error of the Kubernetes client; `action` completes "cannot …".
    pub(super) fn from_kube(action: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let action = action.into();
        move |error| match error {
            kube::Error::Api(status) => Self::from_status(action, *status),
            other => Self::Unavailable { action, message: other.to_string() },
        }
    }

    fn from_status(action: String, status: Status) -> Self {
        let message = status.message.clone();
        // Admission also answers 403, for an exceeded quota or a violated policy: that is no missing right.
        let admission_messages = ["exceeded quota", "violates PodSecurity", "ValidatingAdmissionPolicy"];
        match status.code {
            403 if admission_messages.iter().any(|text| message.contains(text)) => {
                Self::Rejected { action, message }
            }
            401 | 403 => Self::Forbidden { action, message },
            400 | 422 => Self::Rejected { action, message },
            _ => Self::Unavailable { action, message },
        }
    }
}
