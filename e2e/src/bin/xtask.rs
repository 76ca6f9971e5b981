// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The project's commands: `cargo xtask demo` and `cargo xtask test`, and the parts of them.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use e2e::{
    agent, bench, checks, demo, images, install, lock::Lock, node, paths, prerequisites, progress::Progress,
    target::Target,
};

/// What one does with this repository
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show it all: cluster, operator, the towns of Kreis Borken, and one paid fee
    Demo(Named),
    /// Check everything: format, lints, licences, unit tests, and the promises on a fresh cluster
    Test {
        /// Kill and count at full size, which takes half an hour longer
        #[arg(long)]
        long: bool,
    },
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
    /// Judge a service of any vendor by its open standard, from outside
    #[command(subcommand)]
    Conformance(Conformance),
    /// Measure the operator or a component on this machine
    #[command(subcommand)]
    Bench(Bench),
    /// What the local cluster keeps running beside Kubernetes
    #[command(hide = true)]
    Agent {
        #[arg(long)]
        kubeconfig: PathBuf,
    },
}

#[derive(Subcommand)]
enum Conformance {
    /// XBezahldienste 1.0.0; ends with 0 only if no rule failed
    ///
    /// Creates some hundred payments of up to 999999 euros each: point it at a test system. What each
    /// rule means stands in docs/conformance.md.
    EPayment {
        #[command(flatten)]
        options: Box<rathaus_conformance::e_payment::Options>,
        /// Print a line of JSON for each rule instead of the table
        #[arg(long)]
        json: bool,
    },
}

#[derive(Subcommand)]
enum Bench {
    /// Payments created and polled over HTTP, and the same statements by pgbench, by turns
    EPayment(bench::e_payment::Options),
    /// Many towns with modules on a real control plane with simulated nodes, and the same objects by plain writes
    ///
    /// Replaces the local cluster, and leaves none behind. What is measured stands in docs/scale.md.
    Provision(bench::provision::Options),
}

#[derive(Args)]
struct Named {
    /// A cluster of yours, to be used as it is; without it, a local one is started
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Registry and path from which that cluster pulls the images of dist/
    #[arg(long)]
    images: Option<String>,
    /// Helm values that say where that cluster's gateway, DNS and database are
    #[arg(long)]
    values: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo(named) => demo(named).await,
        Command::Test { long } => test(long).await,
        Command::Up => up().await,
        Command::Down => down().await,
        Command::Images { release } => pack(release).await,
        Command::Conformance(Conformance::EPayment { options, json }) => conformance(&options, json).await,
        Command::Bench(Bench::EPayment(turns)) => bench::e_payment::run(turns).await,
        Command::Bench(Bench::Provision(options)) => provision(options).await,
        Command::Agent { kubeconfig } => agent::run(&kubeconfig).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn demo(named: Named) -> Result<()> {
    let target = Target::new(named.kubeconfig, named.images, named.values)?;
    let _lock = match target {
        Target::Local => Some(Lock::take().await?),
        Target::Existing { .. } => None,
    };
    demo::run(&target).await
}

/// The last lines are those of `cargo test`, so that whoever reads the end sees the result.
async fn test(long: bool) -> Result<()> {
    let _lock = Lock::take().await?;
    let mut progress = Progress::default();
    let tools = Target::Local.build_tools(&mut progress).await?;
    prerequisites::ensure_test_packages(&mut progress).await?;
    checks::lint(&mut progress, &tools).await?;
    checks::unit_tests().await?;
    node::down().await?;
    let own = images::build_project_images(&mut progress, false).await?;
    let client = Target::Local.start(&mut progress, &tools, &own).await?;
    let installed = install::install(&client, &Target::Local, &tools, &own);
    progress.step("installing rathaus", installed).await?;
    print!("{}", progress.table());
    let outcome = checks::end_to_end_tests(long).await;
    node::down().await?;
    outcome
}

async fn up() -> Result<()> {
    let _lock = Lock::take().await?;
    let mut progress = Progress::default();
    let tools = Target::Local.build_tools(&mut progress).await?;
    Target::Local.start(&mut progress, &tools, &[]).await?;
    print!("{}", progress.table());
    println!("export KUBECONFIG={}", paths::admin_kubeconfig().display());
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
    for image in images::build_project_images(&mut progress, release).await? {
        println!("{}  {} bytes  {}", image.reference(), image.size, image.archive.display());
    }
    Ok(())
}

async fn provision(options: bench::provision::Options) -> Result<()> {
    let lock = Lock::take().await?;
    bench::provision::run(options).await?;
    lock.remove();
    Ok(())
}

async fn conformance(options: &rathaus_conformance::e_payment::Options, json: bool) -> Result<()> {
    let report = rathaus_conformance::e_payment::run(options, options.client()?).await?;
    if json {
        print!("{}", report.json_lines()?);
    } else {
        print!("{report}");
    }
    match report.failed_rules().len() {
        0 => Ok(()),
        failed => bail!("{} fails {failed} of {} rules", options.url, report.results().len()),
    }
}
