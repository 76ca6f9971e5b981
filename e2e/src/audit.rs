// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads the audit log of the local API server: which requests it has answered.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
};

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

use crate::paths::{self, audit_log};

/// A position in the log.
#[derive(Debug, Clone, Copy)]
pub struct Mark(u64);

/// One request and the status of its answer. Reads are logged only for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The user, such as `system:serviceaccount:rathaus-system:rathaus`.
    pub user: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// The API group; empty for the core group.
    pub group: String,
    /// The resource in plural, such as `deployments`; empty for requests that are about none.
    pub resource: String,
    /// The subresource, such as `status`; empty for the object itself.
    pub subresource: String,
    /// The namespace; empty for cluster-wide requests.
    pub namespace: String,
    /// The name of the object; empty for lists.
    pub name: String,
    /// The address that the request came from: for a pod, its own.
    pub source: String,
    /// The HTTP status code of the answer.
    pub code: u16,
    /// When it was answered; for a watch, when the answer began.
    pub answered: Timestamp,
}

impl Request {
    /// Returns whether the request was for a change.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb.as_str(), "get" | "list" | "watch")
    }

    /// Returns whether the request was for a Lease. The leader renews its Lease all the time.
    pub fn is_lease(&self) -> bool {
        self.group == "coordination.k8s.io"
    }
}

/// Returns the current end of the log.
///
/// # Errors
/// Fails if the local node is not running.
pub fn mark() -> Result<Mark> {
    Ok(Mark(open_log()?.metadata()?.len()))
}

/// Returns every request of `user` that was answered since `mark`, each of them once.
///
/// # Errors
/// Fails if the local node is not running, or if a line of the log is no audit event.
pub fn requests_since(mark: Mark, user: &str) -> Result<Vec<Request>> {
    let mut file = open_log()?;
    // The byte before the mark tells whether the mark is the beginning of a line.
    file.seek(SeekFrom::Start(mark.0.saturating_sub(1)))?;
    let mut log = Vec::new();
    file.read_to_end(&mut log)?;
    parse_requests(complete_lines(&log), user)
}

/// Returns what is between the first and the last line break. The API server may be in the middle of a line when the
/// log is marked, and again when it is read.
fn complete_lines(log: &[u8]) -> &[u8] {
    let breaks = |byte: &u8| *byte == b'\n';
    match (log.iter().position(breaks), log.iter().rposition(breaks)) {
        (Some(first), Some(last)) if first < last => &log[first + 1..last],
        _ => &[],
    }
}

fn parse_requests(log: &[u8], user: &str) -> Result<Vec<Request>> {
    let lines = log.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let events = lines.map(|line| Ok(serde_json::from_slice::<Event>(line)?));
    let events = events.filter(|event: &Result<Event>| {
        event.as_ref().map_or(true, |event| event.user.username == user && !event.is_end_of_watch())
    });
    events.map(|event| Ok(event?.into())).collect()
}

fn open_log() -> Result<File> {
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
    #[serde(default, rename = "sourceIPs")]
    source_ips: Vec<String>,
    #[serde(default)]
    object_ref: Object,
    #[serde(default)]
    response_status: Status,
    #[serde(default)]
    stage: String,
    #[serde(default)]
    stage_timestamp: Timestamp,
}

impl Event {
    /// A watch is logged twice: when its answer begins and when it ends.
    fn is_end_of_watch(&self) -> bool {
        self.verb == "watch" && self.stage == "ResponseComplete"
    }
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
            source: event.source_ips.into_iter().next().unwrap_or_default(),
            code: event.response_status.code,
            answered: event.stage_timestamp,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_a_request() {
        let line = r#"{"kind":"Event","stage":"ResponseComplete","verb":"patch","user":{"username":"u","groups":[]},"sourceIPs":["10.88.0.7"],
            "objectRef":{"resource":"deployments","namespace":"n","name":"d","apiGroup":"apps","subresource":"status"},
            "responseStatus":{"metadata":{},"code":200}}"#;
        let request: Request = serde_json::from_str::<Event>(line).unwrap().into();
        assert_eq!((request.group.as_str(), request.subresource.as_str()), ("apps", "status"));
        assert!(request.is_write() && !request.is_lease());
        assert_eq!(request.source, "10.88.0.7");
    }

    #[test]
    fn a_watch_is_one_request_and_other_users_are_left_out() {
        let line = |user: &str, verb: &str, stage: &str| {
            format!(
                r#"{{"verb":"{verb}","stage":"{stage}","user":{{"username":"{user}"}},"stageTimestamp":"2026-11-24T10:00:00.250000Z"}}"#
            )
        };
        let log = [
            line("operator", "watch", "ResponseStarted"),
            line("operator", "watch", "ResponseComplete"),
            line("operator", "list", "ResponseComplete"),
            line("admin", "create", "ResponseComplete"),
        ];
        let requests = parse_requests(log.join("\n").as_bytes(), "operator").unwrap();
        let verbs: Vec<&str> = requests.iter().map(|request| request.verb.as_str()).collect();
        assert_eq!(verbs, ["watch", "list"]);
        assert_eq!(requests[0].answered, "2026-11-24T10:00:00.25Z".parse().unwrap());
    }

    #[test]
    fn a_line_that_is_written_while_the_log_is_marked_or_read_is_left_out() {
        assert_eq!(complete_lines(b"lf of one\ntwo\nthree\nhalf of fo"), b"two\nthree");
        assert_eq!(complete_lines(b"\ntwo\n"), b"two");
        assert_eq!(complete_lines(b"\nhalf of tw"), b"");
        assert_eq!(complete_lines(b""), b"");
    }

    #[test]
    fn a_request_without_an_object_is_read_too() {
        let line = r#"{"verb":"get","user":{"username":"u"},"requestURI":"/version"}"#;
        let request: Request = serde_json::from_str::<Event>(line).unwrap().into();
        assert!(!request.is_write() && request.resource.is_empty());
    }
}
