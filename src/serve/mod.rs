// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Logs, metrics and probes.

mod logs;
mod metrics;
mod probes;

pub use logs::{LogFormat, init as init_logs};
pub use metrics::Metrics;
pub use probes::{Health, serve as serve_probes};
