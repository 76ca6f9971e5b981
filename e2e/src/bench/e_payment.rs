// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Runs the benchmark of e-payment, which is in the folder of the component.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::{command, paths};

/// How long a benchmark may take. The first run builds the release version of the component, which takes
/// minutes.
const BENCH_LIMIT: Duration = Duration::from_secs(60 * 60);

/// Load and duration of a benchmark.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Simultaneous connections, of HTTP and of pgbench
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=64))]
    clients: u16,
    /// Length of each turn in seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Number of turns of HTTP, and of pgbench
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=20))]
    turns: u16,
}

/// Runs the benchmark of e-payment.
///
/// # Errors
/// Fails if the component cannot be built, or if the benchmark gets an answer other than 200.
pub async fn run(Options { clients, seconds, turns }: Options) -> Result<()> {
    let mut cargo = command::cargo();
    cargo.args(["bench", "--locked", "--package=e-payment", "--bench=create_and_poll", "--"]);
    cargo.args([format!("--clients={clients}"), format!("--seconds={seconds}"), format!("--turns={turns}")]);
    cargo.current_dir(paths::repository());
    command::run_showing_output(&mut cargo, BENCH_LIMIT).await
}
