// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The pay page of the sandbox: a form of three buttons, without JavaScript and cookies.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::{Router, routing};
use rathaus_contract::ModuleConfig;
use serde::Deserialize;

use crate::app::App;
use crate::problem::Problem;
use crate::store;
use crate::transaction::{Decision, Status, Transaction};

/// The pay page's routes.
pub fn routes() -> Router<App> {
    Router::new().route("/pay/{id}", routing::get(show).post(decide))
}

#[derive(Template)]
#[template(path = "pay.html")]
struct PayPage<'a> {
    config: &'a ModuleConfig,
    purpose: &'a str,
    description: &'a str,
    amount: &'a str,
    back: &'a str,
    status: Status,
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct UnknownPage<'a> {
    config: &'a ModuleConfig,
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Problem> {
    match store::find(&app.pool, &id).await? {
        Some(transaction) => page(&app, &transaction),
        None => Ok(unknown(&app)),
    }
}

#[derive(Deserialize)]
struct Decided {
    decision: Decision,
}

async fn decide(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(decided): Form<Decided>,
) -> Result<Response, Problem> {
    if store::find(&app.pool, &id).await?.is_none() {
        return Ok(unknown(&app));
    }
    if store::decide(&app.pool, &id, decided.decision).await? {
        app.metrics.decided(decided.decision.status());
        tracing::info!(transaction = id, status = decided.decision.status().as_str(), "decided");
    }
    let Some(transaction) = store::find(&app.pool, &id).await? else { return Ok(unknown(&app)) };
    Ok(Redirect::to(transaction.payment_request()?.redirect_url.as_str()).into_response())
}

fn page(app: &App, transaction: &Transaction) -> Result<Response, Problem> {
    let request = transaction.payment_request()?;
    let page = PayPage {
        config: &app.config,
        purpose: &request.purpose,
        description: &request.description,
        amount: &german(&request.gros_amount.to_string()),
        back: request.redirect_url.as_str(),
        status: transaction.status,
    };
    // The browser goes on to the online service after the form: Chromium holds a redirect that
    // follows a form against form-action, too.
    let target = request.redirect_url.origin().ascii_serialization();
    Ok(html(StatusCode::OK, &page, &target))
}

fn unknown(app: &App) -> Response {
    html(StatusCode::NOT_FOUND, &UnknownPage { config: &app.config }, "")
}

fn html(status: StatusCode, page: &impl Template, form_target: &str) -> Response {
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {form_target}; frame-ancestors 'none'; base-uri 'none'"
    );
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// An amount as it is written in German: 1.234,56.
fn german(amount: &str) -> String {
    let (euros, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let grouped: Vec<&str> = euros
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    format!("{},{cents}", grouped.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_as_germans_write_them() {
        let written = ["0.01", "28.80", "999.00", "1234.56", "999999.00"].map(german);
        assert_eq!(written, ["0,01", "28,80", "999,00", "1.234,56", "999.999,00"]);
    }
}
