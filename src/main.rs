// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The `rathaus` program: operator and command line.

use std::process::ExitCode;

use clap::Parser;
use rathaus::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match Cli::parse().execute().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rathaus: {error:#}");
            ExitCode::FAILURE
        }
    }
}
