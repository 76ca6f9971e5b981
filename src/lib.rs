// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! rathaus: a Kubernetes operator with which a state lends its municipalities digital basis
//! components. The folders are the pipeline: observe ([`cluster`]) → resolve ([`tenant`]) →
//! [`desired`] → apply ([`cluster`]) → report ([`status`]), put in order by [`reconcile`].

pub mod api;
pub mod cli;
pub mod cluster;
pub mod desired;
pub mod reconcile;
pub mod serve;
pub mod settings;
pub mod status;
pub mod tenant;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may end so")]
mod fixtures;
