// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::time::Duration;

/// Why a module has no database. There is one variant for each way to resolve it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The file with the administrator's URL, or with the authority of the server's certificate, cannot be
    /// read or used.
    #[error(
        "the file {path} of the database administrator's Secret cannot be used: {message}; state IT must correct the Secret"
    )]
    Settings {
        /// Path of the file.
        path: String,
        /// What is wrong with it; never repeats the content, which contains a password.
        message: String,
    },
    /// The server does not answer, or the connection failed.
    #[error("the database server does not answer: {0}; the operator tries again")]
    Unreachable(String),
    /// The server rejects the administrator's login, or its role lacks a privilege.
    #[error(
        "the database server refuses access: {0}; state IT must check the administrator's role (CREATEDB, CREATEROLE) and password"
    )]
    Refused(String),
    /// A database or role of that name exists and does not belong to the module, or to the module of another
    /// installation.
    #[error(
        "database or role {0:?} exists on the server and was not made for this module by this installation; state IT must rename or remove it, or hand it over (docs/state-it.md, Database server)"
    )]
    Foreign(String),
    /// The module's role could connect to databases other than its own.
    #[error(
        "role {role:?} could connect to {databases}; state IT must run REVOKE CONNECT ON DATABASE {databases} FROM PUBLIC"
    )]
    NotConfined {
        /// The module's role.
        role: String,
        /// The databases, comma-separated.
        databases: String,
    },
    /// The server answered with another error.
    #[error("the database server failed: {0}; the operator tries again")]
    Failed(String),
}

impl Error {
    /// The error for a server that did not answer within this time.
    pub(super) fn no_answer(limit: Duration) -> Self {
        Self::Unreachable(format!("no answer within {} s", limit.as_secs_f32()))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // Classes 28 (authorization) and 42501 (privilege) of SQLSTATE, PostgreSQL appendix A.
            sqlx::Error::Database(db) if db.code().is_some_and(|c| c.starts_with("28") || c == "42501") => {
                Self::Refused(db.message().to_owned())
            }
            sqlx::Error::Database(db) => Self::Failed(db.message().to_owned()),
            _ => Self::Unreachable(error.to_string()),
        }
    }
}

/// What the functions of this module return.
pub(super) type Result<T> = std::result::Result<T, Error>;
