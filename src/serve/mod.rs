// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Logs, metrics and probes.

mod freshness;
mod logs;
mod metrics;
mod probes;

pub use freshness::Freshness;
pub use logs::{LogFormat, init as init_logs};
pub use metrics::{Metrics, ObjectCounts};
pub use probes::{Health, serve as serve_probes};
