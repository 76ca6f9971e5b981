// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Black-box conformance tests for services that implement an open standard. A runner uses only the standard
//! and the base URL of the service, so that it can test the service of any vendor; rathaus tests its own with
//! it.
//!
//! `cargo xtask conformance e-payment URL …` runs the tests of XBezahldienste 1.0.0. [`e_payment::run`] is the
//! library function for the same.

pub mod e_payment;
pub mod form;
mod report;

pub use report::{CheckResult, Failure, Finding, Outcome, Report, Rule, RuleResult, Source};
