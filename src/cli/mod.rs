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
    /// are shown as placeholders. Whether the Secrets exist that a ServiceModule names is not checked.
    Render(render::Args),
    /// Show all municipalities of a live cluster, with reasons.
    Status,
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
