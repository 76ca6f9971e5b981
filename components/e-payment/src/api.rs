// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The three calls of XBezahldienste 1.0.0.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing};
use futures::StreamExt;
use rathaus_contract::EndPoint;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::Caller;
use crate::problem::{Body, Code, Problem};
use crate::provider;
use crate::receipt;
use crate::request::{self, PaymentRequest};
use crate::store::{self, New, Pair};
use crate::transaction::PaymentTransaction;

/// 99 items with generous booking data are well below it.
const LARGEST_BODY: usize = 1024 * 1024;
/// What is read, and dropped, of a larger body: a gateway that cannot pass on all of it would tell the
/// client of a broken connection instead of our answer.
const LARGEST_DRAINED: usize = 16 * LARGEST_BODY;
/// An extension of ours: the header by which a client marks repetitions of one call.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const LONGEST_KEY: usize = 255;

/// The routes of the standard.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/paymenttransaction/{originatorId}/{endPointId}", routing::post(create))
        .route("/paymenttransaction/{originatorId}/{endPointId}/{transactionId}", routing::get(poll))
        .route("/status/{originatorId}/{endPointId}", routing::get(status))
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

/// Create a payment.
///
/// The same request again gets the first answer again; another one with its requestId is refused.
#[utoipa::path(
    post,
    path = "/paymenttransaction/{originatorId}/{endPointId}",
    operation_id = "initiatePaymentTransaction",
    params(
        ("originatorId" = String, Path, description = "Which online service asks", max_length = 36, pattern = r"^[\w\d-]+$"),
        ("endPointId" = String, Path, description = "Which authority gets the money", max_length = 36, pattern = r"^[\w\d-]+$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Marks repetitions of one call; an extension of XBezahldienste", max_length = 255),
    ),
    request_body = PaymentRequest,
    responses(
        (status = 200, description = "The payment, to be made at transactionRedirectUrl", body = PaymentTransaction),
        (status = 400, description = "VALIDATION_ERROR, CALCULATION_ERROR or BOOKING_DATA_MISSING", body = Body, content_type = "application/problem+json"),
        (status = 401, description = "FORBIDDEN: no credentials, or wrong ones", body = Body, content_type = "application/problem+json"),
        (status = 403, description = "FORBIDDEN or NO_VALID_ORIGINATOR_OR_ENDPOINT", body = Body, content_type = "application/problem+json"),
        (status = 409, description = "PAYMENT_EXISTS: the requestId was used for another request", body = Body, content_type = "application/problem+json"),
        (status = 413, description = "VALIDATION_ERROR: the body is larger than 1 MiB", body = Body, content_type = "application/problem+json"),
        (status = 422, description = "VALIDATION_ERROR: the Idempotency-Key was used for another request", body = Body, content_type = "application/problem+json"),
        (status = 503, description = "UNSPECIFIED: the database or the provider does not answer", body = Body, content_type = "application/problem+json"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    path: PairPath,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Json<PaymentTransaction>, Problem> {
    let Path((originator, end_point)) = path?;
    let (pair, end_point) = pair(&app, &caller, originator, end_point)?;
    let key = idempotency_key(&headers)?;
    let request = request::parse(&whole(body).await?)?;
    request.has_booking_data(&end_point.booking_data)?;
    let stored = serde_json::to_string(&request)
        .map_err(|wrong| Problem::field("the body", &format!("cannot be kept: {wrong}")))?;
    let new = New {
        client: &caller.0.name,
        pair: &pair,
        request_id: &request.request_id,
        request: &stored,
        key,
        receipts: &end_point.receipts,
    };
    let transaction = store::create(&app.pool, new).await?;
    tracing::info!(transaction = transaction.id, originator = pair.originator, "asked for");
    let transaction = provider::start_once(&app, transaction).await?;
    Ok(Json(transaction.when_created().answer(app.public_url())?))
}

/// Ask where a payment stands. Changes nothing.
#[utoipa::path(
    get,
    path = "/paymenttransaction/{originatorId}/{endPointId}/{transactionId}",
    operation_id = "getStatusByIds",
    params(
        ("originatorId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
        ("endPointId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
        ("transactionId" = String, Path, description = "transactionId of the answer to create"),
    ),
    responses(
        (status = 200, description = "Where it stands", body = PaymentTransaction),
        (status = 401, description = "FORBIDDEN: no credentials, or wrong ones", body = Body, content_type = "application/problem+json"),
        (status = 403, description = "FORBIDDEN or NO_VALID_ORIGINATOR_OR_ENDPOINT", body = Body, content_type = "application/problem+json"),
        (status = 404, description = "UNSPECIFIED: no such transaction of this originator and end point", body = Body, content_type = "application/problem+json"),
        (status = 503, description = "UNSPECIFIED: the database does not answer", body = Body, content_type = "application/problem+json"),
    ),
)]
pub async fn poll(
    State(app): State<App>,
    caller: Caller,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<PaymentTransaction>, Problem> {
    let Path((originator, end_point, id)) = path?;
    let (pair, _) = pair(&app, &caller, originator, end_point)?;
    match store::find(&app.pool, &id).await?.filter(|transaction| transaction.pair == pair) {
        Some(transaction) => Ok(Json(transaction.answer(app.public_url())?)),
        None => {
            let detail = format!("there is no transaction {id} of this originator and end point");
            Err(Problem::new(Code::Unspecified, detail).with_status(StatusCode::NOT_FOUND))
        }
    }
}

/// The pair can be paid.
#[derive(Serialize, ToSchema)]
pub struct Payable {
    /// Always `OK`.
    status: &'static str,
}

/// Ask whether a pair of originator and end point is configured and can be paid.
#[utoipa::path(
    get,
    path = "/status/{originatorId}/{endPointId}",
    operation_id = "getStatus",
    params(
        ("originatorId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
        ("endPointId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
    ),
    responses(
        (status = 200, description = "It can be paid", body = Payable),
        (status = 401, description = "FORBIDDEN: no credentials, or wrong ones", body = Body, content_type = "application/problem+json"),
        (status = 403, description = "FORBIDDEN or NO_VALID_ORIGINATOR_OR_ENDPOINT", body = Body, content_type = "application/problem+json"),
        (status = 503, description = "UNSPECIFIED: it cannot be paid at the moment; detail says why", body = Body, content_type = "application/problem+json"),
    ),
)]
pub async fn status(
    State(app): State<App>,
    caller: Caller,
    path: PairPath,
) -> Result<Json<Payable>, Problem> {
    let Path((originator, end_point)) = path?;
    let (pair, end_point) = pair(&app, &caller, originator, end_point)?;
    if receipt::is_used_up(&app.pool, &end_point.id, &end_point.receipts).await? {
        return Err(store::used_up(&end_point.id));
    }
    app.provider.check_availability(&pair).await?;
    Ok(Json(Payable { status: "OK" }))
}

/// The pair, if it is well formed, the end point is this municipality's, and the caller may use both.
fn pair<'a>(
    app: &'a App,
    Caller(client): &Caller,
    originator: String,
    end_point: String,
) -> Result<(Pair, &'a EndPoint), Problem> {
    request::id("originatorId", &originator)?;
    request::id("endPointId", &end_point)?;
    let found = app.end_point(&end_point).ok_or_else(|| {
        let known: Vec<&str> = app.block.end_points.iter().map(|known| known.id.as_str()).collect();
        let detail =
            format!("endPointId {end_point} is not one of this municipality's; it has {}", known.join(", "));
        Problem::new(Code::NoValidOriginatorOrEndpoint, detail)
    })?;
    let may = client.originators.contains(&originator)
        && (client.end_points.is_empty() || client.end_points.contains(&end_point));
    if !may {
        let detail = format!(
            "client {} may not use originatorId {originator} with endPointId {end_point}; the town's administrators can allow it",
            client.name
        );
        return Err(Problem::new(Code::Forbidden, detail));
    }
    Ok((Pair { originator, end_point }, found))
}

/// A body of at most [`LARGEST_BODY`].
async fn whole(body: axum::body::Body) -> Result<Vec<u8>, Problem> {
    let mut parts = body.into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(part) = parts.next().await {
        let part = part.map_err(|wrong| Problem::field("the body", &format!("cannot be read: {wrong}")))?;
        length += part.len();
        if length <= LARGEST_BODY {
            bytes.extend_from_slice(&part);
        } else if length > LARGEST_DRAINED {
            break;
        }
    }
    if length > LARGEST_BODY {
        let wrong = Problem::field("the body", &format!("must be at most {LARGEST_BODY} bytes"));
        return Err(wrong.with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(bytes)
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(sent) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = sent.to_str().ok().filter(|key| (1..=LONGEST_KEY).contains(&key.len()));
    key.map(Some)
        .ok_or_else(|| Problem::field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
}
