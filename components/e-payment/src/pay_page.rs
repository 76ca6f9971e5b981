// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The page of a payment, without JavaScript and cookies: what is paid to whom, and how it stands. In
//! the sandbox it has three buttons that decide; for any other provider it only leads there.

use askama::Template;
use axum::extract::{Form, Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Router, routing};
use rathaus_contract::ModuleConfig;
use rathaus_kit::web;
use serde::Deserialize;
use url::Url;

use crate::app::App;
use crate::problem::Problem;
use crate::request::PaymentRequest;
use crate::store::{self, Source};
use crate::transaction::{Decision, PaymentMethod, Status, Transaction};
use crate::web_url::WebUrl;

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
    german_amount: &'a str,
    english_amount: &'a str,
    back: Option<&'a str>,
    status: Status,
    sandbox: bool,
    provider_url: Option<&'a str>,
    receipt_number: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct UnknownPage<'a> {
    config: &'a ModuleConfig,
}

#[derive(Template)]
#[template(path = "unavailable.html")]
struct UnavailablePage<'a> {
    config: &'a ModuleConfig,
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Response {
    let shown = async {
        match store::find(&app.pool, &id).await? {
            Some(transaction) => page(&app, &transaction, StatusCode::OK),
            None => Ok(unknown(&app)),
        }
    };
    shown.await.unwrap_or_else(|problem| unavailable(&app, &problem))
}

#[derive(Deserialize)]
struct Pressed {
    decision: Button,
}

/// What one does on the pay page of the sandbox.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Button {
    Confirm,
    Cancel,
    /// A provider that cannot, for trying out what an online service does then.
    Fail,
}

impl Button {
    fn decision(self) -> Decision {
        match self {
            Self::Confirm => {
                Decision::Payed { method: PaymentMethod::Other, detail: Some("Sandbox".to_owned()) }
            }
            Self::Cancel => Decision::Canceled(None),
            Self::Fail => Decision::Failed(None),
        }
    }
}

async fn decide(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(Pressed { decision }): Form<Pressed>,
) -> Response {
    let answered = async {
        let Some(transaction) = store::find(&app.pool, &id).await? else { return Ok(unknown(&app)) };
        if !app.pays_here() {
            return page(&app, &transaction, StatusCode::FORBIDDEN);
        }
        app.decide(&transaction, &decision.decision(), Source::Page).await?;
        let request = transaction.payment_request()?;
        // Without an online service to go back to, this page tells the outcome.
        let next = back(&request).map_or_else(|| format!("/pay/{id}"), Url::to_string);
        Ok(Redirect::to(&next).into_response())
    };
    answered.await.unwrap_or_else(|problem| unavailable(&app, &problem))
}

fn page(app: &App, transaction: &Transaction, answer: StatusCode) -> Result<Response, Problem> {
    let request = transaction.payment_request()?;
    let page = PayPage {
        config: &app.config,
        purpose: &request.purpose,
        description: &request.description,
        german_amount: &grouped(&request.gros_amount.to_string(), ".", ","),
        english_amount: &grouped(&request.gros_amount.to_string(), ",", "."),
        back: back(&request).map(Url::as_str),
        status: transaction.status,
        sandbox: app.pays_here(),
        provider_url: transaction.at_provider.as_ref().map(|at| at.url.as_str()),
        receipt_number: transaction.receipt_number.as_deref(),
    };
    // The browser goes on to the online service after the form, and from there to wherever that
    // leads it: Chromium holds each of these redirects against form-action, too.
    let target = back(&request).map_or("", |url| match url.scheme() {
        "https" => "https:",
        _ => "https: http:",
    });
    Ok(web::render_page(answer, &page, target))
}

fn back(request: &PaymentRequest) -> Option<&Url> {
    request.redirect_url.as_ref().map(WebUrl::understood)
}

fn unknown(app: &App) -> Response {
    web::render_page(StatusCode::NOT_FOUND, &UnknownPage { config: &app.config }, "")
}

fn unavailable(app: &App, problem: &Problem) -> Response {
    web::render_page(problem.status(), &UnavailablePage { config: &app.config }, "")
}

/// An amount as people write it, such as 1.234,56 in German.
pub fn grouped(amount: &str, thousands: &str, decimal: &str) -> String {
    let (euros, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let grouped: Vec<&str> = euros
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    format!("{}{decimal}{cents}", grouped.join(thousands))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped_as_people_write_them() {
        assert_eq!(grouped("1234.56", ",", "."), "1,234.56");
        let german = |amount| grouped(amount, ".", ",");
        let written = ["0.01", "28.80", "999.00", "1234.56", "999999.00"].map(german);
        assert_eq!(written, ["0,01", "28,80", "999,00", "1.234,56", "999.999,00"]);
    }
}
