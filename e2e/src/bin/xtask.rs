// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The project's commands: `cargo xtask demo` and `cargo xtask test`, and the parts of them.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use e2e::{agent, images, lock::Lock, node, prerequisites, progress::Progress, tools::Tools};

/// What one does with this repository
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the local cluster, or go on with the one that runs
    Up,
    /// Stop the local cluster and leave nothing behind
    Down,
    /// Write the project's images to dist/ as OCI archives
    Images {
        /// As state IT publishes them: optimised
        #[arg(long)]
        release: bool,
    },
    /// What the local cluster keeps running beside Kubernetes
    #[command(hide = true)]
    Agent {
        #[arg(long)]
        kubeconfig: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    match Args::parse().command {
        Command::Up => up().await,
        Command::Down => down().await,
        Command::Images { release } => pack(release).await,
        Command::Agent { kubeconfig } => agent::run(&kubeconfig).await,
    }
}

async fn up() -> Result<()> {
    let _lock = Lock::take().await?;
    let mut progress = Progress::default();
    prerequisites::node(&mut progress).await?;
    let tools = Tools::build(&mut progress).await?;
    let images = images::node(&mut progress, &tools).await?;
    node::up(&mut progress, &tools, &images).await?;
    print!("{}", progress.table());
    println!("export KUBECONFIG={}", node::admin_kubeconfig().display());
    Ok(())
}

async fn down() -> Result<()> {
    let lock = Lock::take().await?;
    let mut progress = Progress::default();
    progress.step("stopping the local cluster", node::down()).await?;
    lock.remove();
    Ok(())
}

async fn pack(release: bool) -> Result<()> {
    let mut progress = Progress::default();
    for image in images::own(&mut progress, release).await? {
        println!("{}  {} bytes  {}", image.reference(), image.size, image.archive.display());
    }
    Ok(())
}
