// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! XBezahldienste 1.0.0 (FITKO): whether a payment service keeps it, seen from outside.
//!
//! Only the three calls of the standard are used, and with `--sandbox` the pay page to which
//! `transactionRedirectUrl` leads. Where the standard leaves something open, every reading of it passes;
//! each rule says in its code what it accepts.

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

/// Judges the service by every rule, in order, asking by `http`: [`Options::client`], or one with another
/// way to the service. It must follow no redirect.
///
/// # Errors
/// The options are not such that a service can be asked at all, or no token can be fetched by them.
pub async fn run(options: &Options, http: reqwest::Client) -> anyhow::Result<Report> {
    let session = Session::start(options, http).await?;
    let mut report = Report::new(options.extensions);
    answers::judge(&session, &mut report).await;
    request::judge(&session, &mut report).await;
    sums::judge(&session, &mut report).await;
    idempotency::judge(&session, &mut report).await;
    states::judge(&session, &mut report).await;
    errors::judge(&session, &mut report).await;
    authentication::judge(&session, &mut report).await;
    transport::judge(&session, &mut report).await;
    Ok(report)
}
