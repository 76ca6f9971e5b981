// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The sandbox provider: the citizen confirms or cancels on the module's own page, and no money moves.

use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::{Error, Payment, Provider, Started};
use crate::store::Pair;
use crate::transaction::Decision;

/// A stand-in for a provider, for tests and demonstrations.
pub struct Sandbox;

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        "Sandbox"
    }

    fn start<'a>(&'a self, _: &'a Payment) -> BoxFuture<'a, Result<Started, Error>> {
        ready(Ok(Started::OwnPage)).boxed()
    }

    /// Returns no decision: only the module's own page decides.
    fn look_up<'a>(&'a self, _: &'a Payment, _: &'a str) -> BoxFuture<'a, Result<Option<Decision>, Error>> {
        ready(Ok(None)).boxed()
    }

    fn check_availability<'a>(&'a self, _: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
        ready(Ok(())).boxed()
    }
}
