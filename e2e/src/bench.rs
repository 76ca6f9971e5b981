// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Measurements. What is measured lives with the component; here is how to ask for it.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{command, paths};

/// The first time, the program is built as state IT publishes it, which takes minutes.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// How long it is measured.
#[derive(Clone, Copy, Debug, Args)]
pub struct Turns {
    /// Connections at a time, of HTTP and of pgbench
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: u16,
    /// Length of each turn
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Turns of each
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    turns: u16,
}

/// Measures e-payment.
///
/// # Errors
/// It cannot be built, or an answer was not 200.
pub async fn e_payment(Turns { clients, seconds, turns }: Turns) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["bench", "--locked", "--package=e-payment", "--bench=create_and_poll", "--"]);
    cargo.args([format!("--clients={clients}"), format!("--seconds={seconds}"), format!("--turns={turns}")]);
    cargo.current_dir(paths::repository());
    command::shown_live(&mut cargo, LIMIT).await
}
