// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! No provider at all: one confirms or cancels on our own page, and no money moves.

use futures::FutureExt;
use futures::future::{BoxFuture, ready};

use super::{Error, Payment, Provider, Started};
use crate::store::Pair;
use crate::transaction::Decision;

/// For tests and demonstrations.
pub struct Sandbox;

impl Provider for Sandbox {
    fn name(&self) -> &'static str {
        "Sandbox"
    }

    fn start<'a>(&'a self, _: &'a Payment) -> BoxFuture<'a, Result<Started, Error>> {
        ready(Ok(Started::Here)).boxed()
    }

    /// Only the page decides.
    fn look<'a>(&'a self, _: &'a Payment, _: &'a str) -> BoxFuture<'a, Result<Option<Decision>, Error>> {
        ready(Ok(None)).boxed()
    }

    fn check<'a>(&'a self, _: &'a Pair) -> BoxFuture<'a, Result<(), Error>> {
        ready(Ok(())).boxed()
    }
}
