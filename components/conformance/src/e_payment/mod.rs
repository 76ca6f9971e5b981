// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Conformance tests for payment services that implement XBezahldienste 1.0.0 (FITKO).
//!
//! They use only the three calls of the standard, and with `--sandbox` the pay page at
//! `transactionRedirectUrl`. Where the standard leaves something open, every interpretation passes; the code
//! of each rule says what it accepts.

mod answers;
mod authentication;
mod errors;
mod expect;
mod idempotency;
mod options;
mod payment;
mod request;
mod session;
mod states;
mod sums;
mod transport;

pub use options::{Buttons, Credentials, Login, Options};

use crate::Report;
use session::Session;

/// Checks every rule in order and returns the report. `http` is [`Options::client`] or another client that
/// can reach the service; it must not follow redirects.
///
/// # Errors
/// Fails if the URL of the service cannot be called, if the credentials are incomplete, if the service does not
/// answer, or if no OAuth token can be fetched.
pub async fn run(options: &Options, http: reqwest::Client) -> anyhow::Result<Report> {
    let session = Session::start(options, http).await?;
    let mut report = Report::new(options.extensions);
    answers::check(&session, &mut report).await;
    request::check(&session, &mut report).await;
    sums::check(&session, &mut report).await;
    idempotency::check(&session, &mut report).await;
    states::check(&session, &mut report).await;
    errors::check(&session, &mut report).await;
    authentication::check(&session, &mut report).await;
    transport::check(&session, &mut report).await;
    Ok(report)
}
