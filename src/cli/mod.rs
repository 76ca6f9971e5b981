// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The command line. Each command has its own file.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand};

mod crds;
mod manual;
mod reference;
mod render;
mod run;
mod status;
mod upgrade;

pub use reference::api_reference;
pub use render::{Rendered, render};

/// Runs online services for municipalities on Kubernetes
///
/// Also works as a kubectl plug-in: linked as kubectl-rathaus it is found as «kubectl rathaus».
#[derive(Debug, Parser)]
#[command(name = "rathaus", version, about, long_about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the operator.
    Run(run::Args),
    /// Print the CustomResourceDefinitions as YAML.
    Crds,
    /// Print what the operator would apply for objects in files, without a cluster.
    ///
    /// Values that only the operator (passwords) or the API server (UIDs, issuer and keys of tokens) knows
    /// are shown as placeholders. The annotation rathaus.dev/seal is left out, since only the operator has the
    /// key. Whether the Secrets exist that a ServiceModule names is not checked.
    Render(render::Args),
    /// Show all municipalities of a live cluster, with reasons.
    Status,
    /// Seal the objects that version 0.1.0 made, so that this version knows them for its own.
    ///
    /// Until then, the operator does not change them, and reports UpgradeNeeded. To be run with the operator's
    /// identity: kubectl -n rathaus-system exec deployment/rathaus -- /rathaus upgrade --plan
    Upgrade(upgrade::Args),
    /// Print the API reference as Markdown.
    Reference,
    /// Print the completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages into a folder.
    Man {
        /// The folder; it must exist.
        folder: PathBuf,
    },
}

impl Cli {
    /// Executes the command.
    ///
    /// # Errors
    /// The command failed; the error is written for the person at the terminal.
    pub async fn execute(self) -> anyhow::Result<()> {
        match self.command {
            Command::Run(args) => run::execute(args).await,
            Command::Crds => crds::execute(),
            Command::Render(args) => render::execute(&args),
            Command::Status => status::execute().await,
            Command::Upgrade(args) => upgrade::execute(&args).await,
            Command::Reference => {
                print!("{}", api_reference());
                Ok(())
            }
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Self::command(), "rathaus", &mut std::io::stdout());
                Ok(())
            }
            Command::Man { folder } => manual::write_pages(Self::command(), &folder),
        }
    }
}
