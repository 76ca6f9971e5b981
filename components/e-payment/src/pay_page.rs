// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The pay page, without JavaScript and cookies. It shows what the citizen pays to whom and the state of
//! the payment. In the sandbox it has three buttons that decide the payment; with any other provider it
//! only links to the provider's page.

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
use crate::store::{self, DecidedBy};
use crate::transaction::{Decision, PaymentMethod, Status, Transaction};
use crate::web_url::WebUrl;

/// The routes of the pay page.
pub fn routes() -> Router<App> {
    Router::new().route("/pay/{id}", routing::get(show).post(submit))
}

#[derive(Template)]
#[template(path = "pay.html")]
struct PayPage<'a> {
    config: &'a ModuleConfig,
    purpose: &'a str,
    description: &'a str,
    german_amount: &'a str,
    english_amount: &'a str,
    return_url: Option<&'a str>,
    status: Status,
    sandbox: bool,
    provider_url: Option<&'a str>,
    receipt_number: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "unknown.html")]
struct NotFoundPage<'a> {
    config: &'a ModuleConfig,
}

#[derive(Template)]
#[template(path = "unavailable.html")]
struct UnavailablePage<'a> {
    config: &'a ModuleConfig,
}

async fn show(State(app): State<App>, Path(id): Path<String>) -> Response {
    let response = async {
        match store::find(&app.pool, &id).await? {
            Some(transaction) => pay_page(&app, &transaction, StatusCode::OK),
            None => Ok(not_found_page(&app)),
        }
    };
    response.await.unwrap_or_else(|problem| unavailable_page(&app, &problem))
}

#[derive(Deserialize)]
struct DecisionForm {
    decision: Button,
}

/// The buttons on the pay page of the sandbox.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Button {
    Confirm,
    Cancel,
    /// Simulates a provider that fails, to test how an online service reacts.
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

async fn submit(
    State(app): State<App>,
    Path(id): Path<String>,
    Form(DecisionForm { decision: button }): Form<DecisionForm>,
) -> Response {
    let response = async {
        let Some(transaction) = store::find(&app.pool, &id).await? else { return Ok(not_found_page(&app)) };
        if !app.uses_own_pay_page() {
            return pay_page(&app, &transaction, StatusCode::FORBIDDEN);
        }
        app.decide(&transaction, &button.decision(), DecidedBy::PayPage).await?;
        let request = transaction.payment_request()?;
        // If the online service gave no URL to return to, the pay page shows the outcome.
        let next = return_url(&request).map_or_else(|| format!("/pay/{id}"), Url::to_string);
        Ok(Redirect::to(&next).into_response())
    };
    response.await.unwrap_or_else(|problem| unavailable_page(&app, &problem))
}

fn pay_page(app: &App, transaction: &Transaction, status: StatusCode) -> Result<Response, Problem> {
    let request = transaction.payment_request()?;
    let page = PayPage {
        config: &app.config,
        purpose: &request.purpose,
        description: &request.description,
        german_amount: &group_thousands(&request.gros_amount.to_string(), ".", ","),
        english_amount: &group_thousands(&request.gros_amount.to_string(), ",", "."),
        return_url: return_url(&request).map(Url::as_str),
        status: transaction.status,
        sandbox: app.uses_own_pay_page(),
        provider_url: transaction.provider_payment.as_ref().map(|payment| payment.url.as_str()),
        receipt_number: transaction.receipt_number.as_deref(),
    };
    // After the form, the browser is redirected to the online service, which may redirect it to any other
    // site. Chromium applies `form-action` of the Content-Security-Policy to each of these redirects.
    let form_targets = return_url(&request).map_or("", |url| match url.scheme() {
        "https" => "https:",
        _ => "https: http:",
    });
    Ok(web::render_page(status, &page, form_targets))
}

/// The URL at which the browser returns to the online service after the payment.
fn return_url(request: &PaymentRequest) -> Option<&Url> {
    request.redirect_url.as_ref().map(WebUrl::as_url)
}

fn not_found_page(app: &App) -> Response {
    web::render_page(StatusCode::NOT_FOUND, &NotFoundPage { config: &app.config }, "")
}

fn unavailable_page(app: &App, problem: &Problem) -> Response {
    web::render_page(problem.status(), &UnavailablePage { config: &app.config }, "")
}

/// Formats an amount such as `1234.56` with the separators of a language, such as `1.234,56` in German.
pub fn group_thousands(amount: &str, thousands: &str, decimal: &str) -> String {
    let (euros, cents) = amount.split_once('.').unwrap_or((amount, "00"));
    let groups: Vec<&str> = euros
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or_default())
        .collect();
    format!("{}{decimal}{cents}", groups.join(thousands))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_separators_of_the_language() {
        assert_eq!(group_thousands("1234.56", ",", "."), "1,234.56");
        let german = |amount| group_thousands(amount, ".", ",");
        let formatted = ["0.01", "28.80", "999.00", "1234.56", "999999.00"].map(german);
        assert_eq!(formatted, ["0,01", "28,80", "999,00", "1.234,56", "999.999,00"]);
    }
}
