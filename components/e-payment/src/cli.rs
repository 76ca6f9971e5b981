// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The module's commands, with which administrators export settlements, import confirmations and erase
//! payer data without a browser.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use jiff::civil::Date;
use rathaus_contract::{EPayment, Municipality};
use sqlx::PgPool;

use crate::settlement::Format;
use crate::{confirmation, erasure, settlement};

/// Recorded with bookings that were imported on the command line, in place of a person's name.
const IMPORTED_BY: &str = "command line";

/// The commands of the e-payment module, in addition to those that every module has.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Print the settlement of a day.
    Settlement {
        /// The German day, such as 2026-11-24.
        #[arg(long)]
        day: Date,
        /// The format of the file.
        #[arg(long, value_enum, default_value = "csv")]
        format: Format,
    },
    /// Import a confirmation of the treasury and print a report. Fails if a line was refused.
    Confirm {
        /// The confirmation file; `-` is standard input.
        file: PathBuf,
    },
    /// Erase the payer data that is older than the configured number of days.
    Erase,
}

/// Runs a command. Files and reports are printed on standard output.
///
/// # Errors
/// Fails if a file or the database cannot be read or written, or if a line of a confirmation was refused.
pub async fn run(
    command: &Command,
    pool: &PgPool,
    municipality: &Municipality,
    settings: &EPayment,
) -> anyhow::Result<()> {
    match command {
        Command::Settlement { day, format } => {
            let file = settlement::export(pool, municipality, *day, *format).await?;
            io::stdout().write_all(&file).context("the settlement cannot be printed")
        }
        Command::Confirm { file } => confirm(pool, file).await,
        Command::Erase => {
            let erased = erasure::erase(pool, settings.payer_data_days).await?;
            tracing::info!(transactions = erased, days = settings.payer_data_days, "erased payer data");
            Ok(())
        }
    }
}

async fn confirm(pool: &PgPool, file: &Path) -> anyhow::Result<()> {
    let report = if file == Path::new("-") {
        confirmation::import(pool, io::stdin().lock(), IMPORTED_BY).await?
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()))?;
        confirmation::import(pool, opened, IMPORTED_BY).await?
    };
    serde_json::to_writer(io::stdout(), &report).context("the report cannot be printed")?;
    println!();
    let refused = report.refused.len();
    ensure!(refused == 0, "{refused} lines were refused; correct them and import the file again");
    Ok(())
}
