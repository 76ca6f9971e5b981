// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What every module image needs and none should write again: its place, its database, its probes,
//! its logs, its pages, its login, and a stop that loses nothing. Knows the module contract and nothing of Kubernetes.

mod connections;
mod database;
mod http_client;
pub mod oidc;
mod place;
pub mod seal;
mod secrets;
mod serve;
pub mod web;

use std::net::SocketAddr;
use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

pub use database::{connect, migrate};
pub use http_client::http_client;
pub use place::{Place, read};
pub use secrets::Secrets;
pub use serve::{Module, serve, stop_on_signal};

/// The command line of every module image: without a command it serves, with `migrate` it brings its
/// database up to date. `C` is what the image has beside.
#[derive(Debug, clap::Parser)]
pub struct Args<C: clap::Subcommand> {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command<C>>,
    /// Folder with `module.json` and `database/url`.
    #[arg(long, global = true, default_value = "/etc/rathaus")]
    pub config_dir: PathBuf,
    /// Where the public interface is served.
    #[arg(long, default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Where probes and metrics are served.
    #[arg(long, default_value = "0.0.0.0:9090")]
    pub admin_listen: SocketAddr,
}

/// What a module image does besides serving.
#[derive(Debug, clap::Subcommand)]
pub enum Command<C: clap::Subcommand> {
    /// Bring the database up to date; repeating it, or several at a time, does no harm.
    Migrate,
    /// A command of the module's own.
    #[command(flatten)]
    Module(C),
}

impl<C: clap::Subcommand> Args<C> {
    /// Starts logging: one JSON object a line; `RUST_LOG` sets the filter. On standard output, as the
    /// module contract says; on standard error where a command of the module's own prints there.
    pub fn start_logs(&self) {
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
