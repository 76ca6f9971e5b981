// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Where a provider's pages send the browser back to, and where GiroCheckout tells what a payment came
//! to. What a browser brings is a reason to ask, never an answer.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;
use tokio::time::timeout;
use url::form_urlencoded;

use super::flow::{follow, settle, tell};
use super::{Error, Payment, below};
use crate::app::App;
use crate::problem::Problem;
use crate::store;
use crate::transaction::{Status, Transaction};
use crate::web_url::WebUrl;

/// Somebody sits before a browser. The poller asks again later.
const LOOK: Duration = Duration::from_secs(5);
const LARGEST_BODY: usize = 16 * 1024;

/// The routes of returning and of being told.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/return/{id}", get(back))
        .route("/giro/{id}/redirect", get(redirected))
        .route("/giro/{id}/notify", get(notified).post(notified))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
}

async fn back(State(app): State<App>, Path(id): Path<String>) -> Redirect {
    let Ok(Some(transaction)) = store::find(&app.pool, &id).await else { return to_page(&app, &id) };
    if let (Status::Initial, Some(at)) = (transaction.status, &transaction.provider_payment) {
        // Whatever comes of it, the browser goes on; what went wrong was logged.
        let _ = timeout(LOOK, follow(&app, &transaction, at)).await;
    }
    onward(&app, &transaction)
}

async fn redirected(State(app): State<App>, Path(id): Path<String>, RawQuery(query): RawQuery) -> Redirect {
    let Ok(Some(transaction)) = store::find(&app.pool, &id).await else { return to_page(&app, &id) };
    // As above.
    let _ = hear(&app, &transaction, query.unwrap_or_default().as_bytes()).await;
    onward(&app, &transaction)
}

/// 200: understood; 400: never tell this again; everything else: tell it again. So says the provider.
async fn notified(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> StatusCode {
    let told = if body.is_empty() { query.unwrap_or_default().into() } else { body };
    let heard = async {
        let found = store::find(&app.pool, &id).await.map_err(|problem| problem.status())?;
        hear(&app, &found.ok_or(StatusCode::BAD_REQUEST)?, &told).await
    };
    heard.await.err().unwrap_or(StatusCode::OK)
}

async fn hear(app: &App, transaction: &Transaction, told: &[u8]) -> Result<(), StatusCode> {
    let status = |problem: Problem| problem.status();
    let fields: Vec<(String, String)> = form_urlencoded::parse(told).into_owned().collect();
    let payment = Payment::try_from(transaction).map_err(status)?;
    let reference = transaction.provider_payment.as_ref().map(|at| at.reference.as_str());
    match app.provider.hear(&payment, reference, &fields) {
        Ok(Some(decision)) => settle(app, transaction, &decision).await.map_err(status),
        Ok(None) => Ok(()),
        Err(error) => {
            tell(transaction, &error);
            Err(match error {
                Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                Error::Refused { .. } | Error::Wrong(_) => StatusCode::BAD_REQUEST,
            })
        }
    }
}

/// To the online service, which asks for the outcome; without one, to the page that tells it.
fn onward(app: &App, transaction: &Transaction) -> Redirect {
    let request = transaction.payment_request().ok();
    match request.and_then(|request| request.redirect_url) {
        Some(url) => Redirect::to(WebUrl::as_url(&url).as_str()),
        None => to_page(app, &transaction.id),
    }
}

fn to_page(app: &App, id: &str) -> Redirect {
    Redirect::to(below(app.public_url(), &["pay", id]).as_str())
}
