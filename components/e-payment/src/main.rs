// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The reference e-payment module: XBezahldienste 1.0.0 with a hosted pay page for trying it out.

mod api;
mod app;
mod auth;
mod booking_data;
mod money;
mod oauth;
mod openapi;
mod pay_page;
mod problem;
mod receipt;
mod request;
mod store;
mod transaction;
mod web_url;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use clap::Parser;
use rathaus_kit::{Args, Command, Module, Place, Secrets};

use app::{App, Metrics};
use auth::Clients;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

// Two threads: there are as many pods as a plan says, and memory is what a small plan has least of.
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    rathaus_kit::start_logs();
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "ended");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let Place { config, database_url } = rathaus_kit::read(&args.config_dir)?;
    if args.command == Some(Command::Migrate) {
        return rathaus_kit::migrate(&database_url, &MIGRATIONS).await;
    }
    let pool = rathaus_kit::connect(&database_url)?;
    let block = config
        .e_payment
        .clone()
        .context("module.json has no ePayment block; this image is for class type EPayment")?;
    let clients = Clients::new(&config, &block.clients, Secrets::below(&args.config_dir))?;
    let metrics = Metrics::default();
    let registry = metrics.register();
    let app = App {
        config: Arc::new(config),
        block: Arc::new(block),
        clients: Arc::new(clients),
        pool: pool.clone(),
        metrics,
    };
    let routes = Router::new()
        .merge(api::routes())
        .merge(oauth::routes())
        .merge(openapi::routes())
        .merge(pay_page::routes())
        .with_state(app);
    rathaus_kit::serve(args, Module { routes, pool, metrics: registry }).await
}
