// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! rathaus: a Kubernetes operator with which a state runs online services, such as e-payment, for its
//! municipalities. Each module is one stage of the pipeline: observe ([`cluster`]) → resolve ([`tenant`]) →
//! [`desired`] → apply ([`cluster`]) → report ([`status`]). [`reconcile`] runs the stages in this order.

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
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
mod fixtures;
