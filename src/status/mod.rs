// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Report: what came out becomes conditions, and differences between conditions become events. Pure.

mod conditions;
mod events;
mod module;
mod report;

pub use conditions::{is_true, merge};
pub use events::{Announcement, announcements};
pub use module::{is_available, judge as judge_module};
pub use report::{Outcome, Report, Step};
