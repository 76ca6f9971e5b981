// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The pipeline's stage "report": turns the result of a reconcile into conditions, and changes of
//! conditions into events. All functions here are pure: they use no client, no clock and no disk.

mod conditions;
mod events;
mod foreign;
mod module;
mod removal;
mod report;

pub use conditions::{NOT_RECONCILED, current_ready, is_condition_true, merge_conditions};
pub use events::{ConditionEvent, condition_events};
pub use foreign::{Isolation, isolation, report_foreign};
pub use module::evaluate as evaluate_module;
pub use removal::describe_removal;
pub use report::{Outcome, Report, Step};
