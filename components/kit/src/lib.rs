// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What all module images share: configuration, database, probes, metrics, logs, HTML pages, OpenID
//! Connect login, secrets and a graceful shutdown. The kit implements the module contract
//! (`docs/module-contract.md`) and does not depend on Kubernetes.

mod connections;
mod database;
mod http_client;
mod module_files;
pub mod oidc;
mod secrets;
mod serve;
pub mod signed_cookie;
pub mod web;

use std::net::SocketAddr;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

pub use database::{connect_lazy, migrate};
pub use http_client::http_client_builder;
pub use module_files::{ModuleFiles, read_config};
pub use secrets::Secrets;
pub use serve::{Module, serve, stop_on_signal};

/// The command line of every module image: it serves without a command and brings its database up to
/// date with `migrate`. `C` are the additional commands of one image.
#[derive(Debug, clap::Parser)]
pub struct Args<C: clap::Subcommand> {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command<C>>,
    /// Folder with `module.json` and `database/url`.
    #[arg(long, global = true, default_value = "/etc/rathaus")]
    pub config_dir: PathBuf,
    /// Address and port of the public interface.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Address and port of probes and metrics.
    #[arg(long, default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,
}

/// The commands of a module image.
#[derive(Debug, clap::Subcommand)]
pub enum Command<C: clap::Subcommand> {
    /// Bring the database up to date; it is safe to repeat this and to run several at a time.
    Migrate,
    /// A command that only this image has.
    #[command(flatten)]
    Module(C),
}

impl<C: clap::Subcommand> Args<C> {
    /// Starts logging as one JSON object per line; `RUST_LOG` sets the filter. Logs go to standard
    /// output, as the module contract demands. They go to standard error for the image's own commands,
    /// since these print their result on standard output.
    pub fn init_logging(&self) {
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,sqlx=warn"));
        let writer = match self.command {
            Some(Command::Module(_)) => BoxMakeWriter::new(std::io::stderr),
            None | Some(Command::Migrate) => BoxMakeWriter::new(std::io::stdout),
        };
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(writer)
            .json()
            .flatten_event(true)
            .init();
    }
}
