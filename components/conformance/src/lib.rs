// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Black-box conformance runners. Each knows an open standard and a base URL, nothing of what is behind
//! it: any vendor can be judged by it, and ours is.
//!
//! `cargo xtask conformance e-payment URL …` runs the one for XBezahldienste 1.0.0; [`e_payment::run`] is
//! the same as a library.

pub mod e_payment;
pub mod form;
mod report;

pub use report::{Failure, Finding, Judged, Outcome, Report, Rule, Source, Verdict};
