// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Tests of the module's web pages with the real program, a real browser and a real OpenID provider.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may end so")]

mod accessibility;
mod browser;
mod clerks;
mod issuer;
mod packages;
#[path = "../support/mod.rs"]
mod support;
