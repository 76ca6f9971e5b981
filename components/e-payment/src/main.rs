// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The reference e-payment module: it implements XBezahldienste 1.0.0 and has a pay page of its own for
//! the sandbox.

mod api;
mod app;
mod auth;
mod book_metrics;
mod booking_data;
mod clerk;
mod cli;
mod confirmation;
mod erasure;
mod money;
mod oauth;
mod openapi;
mod pay_page;
mod problem;
mod provider;
mod receipt;
mod request;
mod settlement;
mod store;
mod transaction;
mod web_url;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use clap::Parser;
use rathaus_kit::{Args, Command, Module, ModuleFiles, Secrets, web};

use app::{App, Metrics};
use auth::Clients;
use book_metrics::BookMetrics;
use provider::ResilientProvider;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!();

// Two threads are enough: a plan scales by the number of pods, and small plans are short of memory.
#[tokio::main(worker_threads = 2)]
async fn main() -> ExitCode {
    let args = Args::parse();
    args.init_logging();
    match run(&args).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the program ended with an error");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args<cli::Command>) -> anyhow::Result<()> {
    let ModuleFiles { config, database_url } = rathaus_kit::read_config(&args.config_dir)?;
    if let Some(Command::Migrate) = args.command {
        return rathaus_kit::migrate(&database_url, &MIGRATIONS).await;
    }
    let pool = rathaus_kit::connect_lazy(&database_url)?;
    let settings = config
        .e_payment
        .clone()
        .context("module.json has no ePayment object; this image is for class type EPayment")?;
    if let Some(Command::Module(command)) = &args.command {
        return cli::run(command, &pool, &config.municipality, &settings).await;
    }
    let secrets = Secrets::in_config_dir(&args.config_dir);
    let provider = ResilientProvider::new(provider::from_config(&config, &settings, &secrets)?);
    let clients = Clients::new(&config, &settings.clients, secrets)?;
    let (metrics, book_metrics) = (Metrics::default(), BookMetrics::default());
    let mut registry = metrics.register();
    provider.register(&mut registry);
    book_metrics.register(&mut registry);
    let app = App {
        config: Arc::new(config),
        settings: Arc::new(settings),
        clients: Arc::new(clients),
        provider: Arc::new(provider),
        pool: pool.clone(),
        metrics,
    };
    let stop = rathaus_kit::stop_on_signal()?;
    tokio::spawn(erasure::run(pool.clone(), app.settings.payer_data_days, stop.clone()));
    tokio::spawn(book_metrics.run(pool.clone(), app.settings.clone(), stop.clone()));
    let desk = clerk::routes(app.config.clone(), Secrets::in_config_dir(&args.config_dir), pool.clone())?;
    let routes = Router::new()
        .merge(api::routes())
        .merge(oauth::routes())
        .merge(openapi::routes())
        .merge(pay_page::routes())
        .merge(provider::routes())
        .with_state(app.clone())
        .merge(web::static_routes())
        .merge(desk);
    let poller = tokio::spawn(provider::poller::run(app, stop.clone()));
    rathaus_kit::serve(args, Module { routes, pool, metrics: registry }, stop).await?;
    poller.await.context("the poller of the provider panicked")
}
