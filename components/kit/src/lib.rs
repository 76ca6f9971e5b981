// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What every module image needs and none should write again: its place, its database, its probes,
//! its logs, and a stop that loses nothing. Knows the module contract and nothing of Kubernetes.

mod connections;
mod database;
mod place;
mod secrets;
mod serve;

use std::net::SocketAddr;
use std::path::PathBuf;

pub use database::{connect, migrate};
pub use place::{Place, read};
pub use secrets::Secrets;
pub use serve::{Module, serve, start_logs};

/// The command line of every module image: without a command it serves, with `migrate` it brings its
/// database up to date.
#[derive(Debug, clap::Parser)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Subcommand)]
pub enum Command {
    /// Bring the database up to date; repeating it, or several at a time, does no harm.
    Migrate,
}
