// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The URLs to which a provider's pages send the browser back, and to which GiroCheckout sends its
//! notifications. A returning browser only triggers a lookup; a payment is decided by the provider's answer
//! or by a message that the provider signed.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;
use tokio::time::timeout;
use url::form_urlencoded;

use super::flow::{apply_decision, log_error, look_up};
use super::{Error, Payment, join_path};
use crate::app::App;
use crate::problem::Problem;
use crate::store;
use crate::transaction::{Status, Transaction};

/// Limit of a lookup while a citizen waits in front of the browser. If it times out, the poller repeats it.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_BODY_BYTES: usize = 16 * 1024;

/// The routes for returning browsers and for notifications.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/return/{id}", get(handle_return))
        .route("/giro/{id}/redirect", get(handle_giro_redirect))
        .route("/giro/{id}/notify", get(handle_giro_notification).post(handle_giro_notification))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
}

async fn handle_return(State(app): State<App>, Path(id): Path<String>) -> Redirect {
    let Ok(Some(transaction)) = store::find(&app.pool, &id).await else {
        return redirect_to_pay_page(&app, &id);
    };
    if let (Status::Initial, Some(at)) = (transaction.status, &transaction.provider_payment) {
        // The browser is redirected even if the lookup fails; failures are logged and the poller retries.
        let _ = timeout(LOOKUP_TIMEOUT, look_up(&app, &transaction, at)).await;
    }
    redirect_after_payment(&app, &transaction)
}

/// GiroCheckout's redirect carries the same signed fields as its notification.
async fn handle_giro_redirect(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Redirect {
    let Ok(Some(transaction)) = store::find(&app.pool, &id).await else {
        return redirect_to_pay_page(&app, &id);
    };
    // The browser is redirected even if the message is invalid, which is logged.
    let _ = process_notification(&app, &transaction, query.unwrap_or_default().as_bytes()).await;
    redirect_after_payment(&app, &transaction)
}

/// Answers with the status codes that GiroCheckout's documentation defines: 200 means processed, 400 means
/// that this notification must not be repeated, and all others ask for a repetition.
async fn handle_giro_notification(
    State(app): State<App>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> StatusCode {
    let form = if body.is_empty() { query.unwrap_or_default().into() } else { body };
    let processed = async {
        let found = store::find(&app.pool, &id).await.map_err(|problem| problem.status())?;
        process_notification(&app, &found.ok_or(StatusCode::BAD_REQUEST)?, &form).await
    };
    processed.await.err().unwrap_or(StatusCode::OK)
}

/// Parses a notification and applies its decision. `form` is URL-encoded.
async fn process_notification(app: &App, transaction: &Transaction, form: &[u8]) -> Result<(), StatusCode> {
    let status = |problem: Problem| problem.status();
    let fields: Vec<(String, String)> = form_urlencoded::parse(form).into_owned().collect();
    let payment = Payment::try_from(transaction).map_err(status)?;
    let reference = transaction.provider_payment.as_ref().map(|at| at.reference.as_str());
    match app.provider.parse_notification(&payment, reference, &fields) {
        Ok(Some(decision)) => apply_decision(app, transaction, &decision).await.map_err(status),
        Ok(None) => Ok(()),
        Err(error) => {
            log_error(transaction, &error);
            Err(match error {
                Error::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
                Error::Refused { .. } | Error::Invalid(_) => StatusCode::BAD_REQUEST,
            })
        }
    }
}

/// Redirects to the online service, which polls the outcome, or to the pay page, which shows it, if the
/// online service gave no `redirectUrl`.
fn redirect_after_payment(app: &App, transaction: &Transaction) -> Redirect {
    let request = transaction.payment_request().ok();
    match request.and_then(|request| request.redirect_url) {
        Some(url) => Redirect::to(url.as_url().as_str()),
        None => redirect_to_pay_page(app, &transaction.id),
    }
}

fn redirect_to_pay_page(app: &App, id: &str) -> Redirect {
    Redirect::to(join_path(app.public_url(), &["pay", id]).as_str())
}
