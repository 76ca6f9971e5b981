// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The three calls of XBezahldienste 1.0.0.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, PathRejection};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Json, Router, routing};
use serde::Serialize;

use crate::app::App;
use crate::problem::{Code, Problem};
use crate::request;
use crate::store::{self, Pair};
use crate::transaction::PaymentTransaction;

/// 99 items with generous booking data are well below it.
const LARGEST_BODY: usize = 1024 * 1024;

/// The routes of the standard.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/paymenttransaction/{originator}/{end_point}", routing::post(create))
        .route("/paymenttransaction/{originator}/{end_point}/{id}", routing::get(poll))
        .route("/status/{originator}/{end_point}", routing::get(status))
        .layer(axum::extract::DefaultBodyLimit::max(LARGEST_BODY))
        .method_not_allowed_fallback(|| async {
            let detail = "payments are created by POST and polled by GET";
            Problem::new(Code::Unspecified, detail).with_status(StatusCode::METHOD_NOT_ALLOWED)
        })
        .fallback(|| async {
            let detail = "there are /paymenttransaction/… and /status/…, as XBezahldienste 1.0.0 has them";
            Problem::new(Code::Unspecified, detail).with_status(StatusCode::NOT_FOUND)
        })
}

type PairPath = Result<Path<(String, String)>, PathRejection>;

async fn create(
    State(app): State<App>,
    path: PairPath,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<PaymentTransaction>, Problem> {
    let Path((originator, end_point)) = path?;
    let pair = pair(&app, originator, end_point)?;
    let request = request::parse(&body?)?;
    let stored = serde_json::to_string(&request)
        .map_err(|wrong| Problem::field("the body", &format!("cannot be kept: {wrong}")))?;
    let transaction = store::create(&app.pool, &pair, &request.request_id, &stored).await?;
    tracing::info!(transaction = transaction.id, originator = pair.originator, "asked for");
    Ok(Json(transaction.answer(app.public_url())?))
}

async fn poll(
    State(app): State<App>,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<PaymentTransaction>, Problem> {
    let Path((originator, end_point, id)) = path?;
    let pair = pair(&app, originator, end_point)?;
    match store::find(&app.pool, &id).await?.filter(|transaction| transaction.pair == pair) {
        Some(transaction) => Ok(Json(transaction.answer(app.public_url())?)),
        None => {
            let detail = format!("there is no transaction {id} of this originator and end point");
            Err(Problem::new(Code::Unspecified, detail).with_status(StatusCode::NOT_FOUND))
        }
    }
}

/// The pair can be paid.
#[derive(Serialize)]
struct Payable {
    status: &'static str,
}

async fn status(State(app): State<App>, path: PairPath) -> Result<Json<Payable>, Problem> {
    let Path((originator, end_point)) = path?;
    pair(&app, originator, end_point)?;
    sqlx::query("SELECT 1").execute(&app.pool).await?;
    Ok(Json(Payable { status: "OK" }))
}

/// The pair, if it is well formed and the end point is this municipality's.
fn pair(app: &App, originator: String, end_point: String) -> Result<Pair, Problem> {
    request::id("originatorId", &originator)?;
    request::id("endPointId", &end_point)?;
    let ars = &app.config.municipality.ars;
    if end_point != *ars {
        let detail = format!("endPointId {end_point} is not one of this municipality's; it has {ars}");
        return Err(Problem::new(Code::NoValidOriginatorOrEndpoint, detail));
    }
    Ok(Pair { originator, end_point })
}
