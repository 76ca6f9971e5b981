// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the local API server was asked for, from its audit log.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::paths::{self, audit_log};

/// A place in the log.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

/// One request and how it was answered. Reads are logged for the operator only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Who asked, as `system:serviceaccount:rathaus-system:rathaus`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// Empty for the core group.
    pub group: String,
    /// Plural.
    pub resource: String,
    /// Such as `status`; empty for the object itself.
    pub subresource: String,
    /// Empty for what has none.
    pub namespace: String,
    /// Empty for lists.
    pub name: String,
    /// HTTP status.
    pub code: u16,
}

impl Request {
    /// Whether it asked for a change.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Whether it is about leadership, which writes without end.
    pub fn is_lease(&self) -> bool {
        self.group == "coordination.k8s.io"
    }
}

/// The end of the log as it is now.
///
/// # Errors
/// The local node does not run.
pub fn mark() -> Result<Mark> {
    Ok(Mark(open()?.metadata()?.len()))
}

/// Every request of `user` answered since `mark`.
///
/// # Errors
/// The local node does not run.
pub fn requests_since(mark: Mark, user: &str) -> Result<Vec<Request>> {
    let mut file = open()?;
    file.seek(SeekFrom::Start(mark.0))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let requests = whole.lines().map(|line| Ok(serde_json::from_str::<Event>(line)?.into()));
    let requests: Result<Vec<Request>> = requests.collect();
    Ok(requests?.into_iter().filter(|request| request.user == user).collect())
}

fn open() -> Result<File> {
    let file = audit_log();
    File::open(&file).with_context(|| {
        format!(
            "{}: start the node with `cargo xtask up`",
            file.strip_prefix(paths::STATE).unwrap_or(&file).display()
        )
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    verb: String,
    user: User,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
}

#[derive(Deserialize)]
struct User {
    username: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Object {
    api_group: String,
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Status {
    code: u16,
}

impl From<Event> for Request {
    fn from(event: Event) -> Self {
        let Object { api_group, resource, subresource, namespace, name } = event.object_ref;
        Self {
            user: event.user.username,
            verb: event.verb,
            group: api_group,
            resource,
            subresource,
            namespace,
            name,
            code: event.response_status.code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_a_request() {
        let line = r#"{"kind":"Event","stage":"ResponseComplete","verb":"patch","user":{"username":"u","groups":[]},
            "objectRef":{"resource":"deployments","namespace":"n","name":"d","apiGroup":"apps","subresource":"status"},
            "responseStatus":{"metadata":{},"code":200}}"#;
        let request: Request = serde_json::from_str::<Event>(line).unwrap().into();
        assert_eq!((request.group.as_str(), request.subresource.as_str()), ("apps", "status"));
        assert!(request.is_write() && !request.is_lease());
    }

    #[test]
    fn a_request_without_an_object_is_read_too() {
        let line = r#"{"verb":"get","user":{"username":"u"},"requestURI":"/version"}"#;
        let request: Request = serde_json::from_str::<Event>(line).unwrap().into();
        assert!(!request.is_write() && request.resource.is_empty());
    }
}
