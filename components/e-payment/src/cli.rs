// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the image does on the command line, for those who run it: the treasury's files without a browser.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use jiff::civil::Date;
use rathaus_contract::{EPayment, Municipality};
use sqlx::PgPool;

use crate::settlement::Format;
use crate::{confirmation, erasure, settlement};

/// Who is told to have imported a confirmation.
const BY: &str = "command line";

/// The module's own commands.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the settlement of a day.
    Settlement {
        /// The German day, such as 2026-11-24.
        #[arg(long)]
        day: Date,
        /// How it is written.
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
    },
    /// Import what the treasury confirms as booked and print what that did; fails where a line was refused.
    Confirm {
        /// The file; `-` is standard input.
        file: PathBuf,
    },
    /// Forget the payers that are to be forgotten now.
    Erase,
}

/// Does what a command says.
///
/// # Errors
/// It could not be done, or not for every line.
pub async fn run(
    command: &Command,
    pool: &PgPool,
    town: &Municipality,
    config: &EPayment,
) -> anyhow::Result<()> {
    match command {
        Command::Settlement { day, format } => {
            let file = settlement::export(pool, town, *day, *format).await?;
            io::stdout().write_all(&file).context("the settlement cannot be printed")
        }
        Command::Confirm { file } => confirm(pool, file).await,
        Command::Erase => {
            let erased = erasure::erase(pool, config.payer_data_days).await?;
            tracing::info!(transactions = erased, days = config.payer_data_days, "payers forgotten");
            Ok(())
        }
    }
}

async fn confirm(pool: &PgPool, file: &Path) -> anyhow::Result<()> {
    let report = if file == Path::new("-") {
        confirmation::import(pool, io::stdin().lock(), BY).await?
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        confirmation::import(pool, opened, BY).await?
    };
    serde_json::to_writer(io::stdout(), &report).context("the report cannot be printed")?;
    println!();
    let refused = report.refused.len();
    ensure!(refused == 0, "{refused} lines were refused; correct them and import the file again");
    Ok(())
}
