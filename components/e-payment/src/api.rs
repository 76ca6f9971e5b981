// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The three operations of XBezahldienste 1.0.0: create a payment, poll it, and ask whether an originator
//! and an end point are ready for payments.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router, routing};
use futures::StreamExt;
use rathaus_contract::EndPoint;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::ApiClient;
use crate::problem::{Code, Problem, ProblemBody};
use crate::provider;
use crate::receipt;
use crate::request::{self, PaymentRequest};
use crate::store::{self, NewTransaction, Pair};
use crate::transaction::PaymentTransaction;

/// The largest request body that is accepted. 99 items with generous booking data are well below it.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How much of a larger body is read and discarded. A gateway that cannot forward the whole body reports a
/// broken connection to the client instead of the module's response.
const MAX_DRAINED_BYTES: usize = 16 * MAX_BODY_BYTES;
/// The header by which a client marks repetitions of one call, an extension of XBezahldienste.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
const MAX_IDEMPOTENCY_KEY_LENGTH: usize = 255;

/// The routes of XBezahldienste. Other methods and paths get a problem as the response, too.
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
            let detail =
                "the paths are /paymenttransaction/… and /status/…, as defined by XBezahldienste 1.0.0";
            Problem::new(Code::Unspecified, detail).with_status(StatusCode::NOT_FOUND)
        })
}

type PairPath = Result<Path<(String, String)>, PathRejection>;

/// Create a payment.
///
/// The same request sent again gets the first response again. Another request with the same requestId is refused.
#[utoipa::path(
    post,
    path = "/paymenttransaction/{originatorId}/{endPointId}",
    operation_id = "initiatePaymentTransaction",
    params(
        ("originatorId" = String, Path, description = "The online service that asks for the payment", max_length = 36, pattern = r"^[\w\d-]+$"),
        ("endPointId" = String, Path, description = "The authority that gets the money", max_length = 36, pattern = r"^[\w\d-]+$"),
        ("Idempotency-Key" = Option<String>, Header, description = "Marks repetitions of one call (an extension of XBezahldienste)", max_length = 255),
    ),
    request_body = PaymentRequest,
    responses(
        (status = 200, description = "The payment, which the citizen makes at transactionRedirectUrl", body = PaymentTransaction),
        (status = 400, description = "VALIDATION_ERROR, CALCULATION_ERROR or BOOKING_DATA_MISSING", body = ProblemBody, content_type = "application/problem+json"),
        (status = 401, description = "FORBIDDEN: no credentials, or wrong ones", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "FORBIDDEN or NO_VALID_ORIGINATOR_OR_ENDPOINT", body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, description = "PAYMENT_EXISTS: the requestId was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 413, description = "VALIDATION_ERROR: the body is larger than 1 MiB", body = ProblemBody, content_type = "application/problem+json"),
        (status = 422, description = "VALIDATION_ERROR: the Idempotency-Key was used for another request", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "UNSPECIFIED: the database or the provider does not answer", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    client: ApiClient,
    path: PairPath,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Json<PaymentTransaction>, Problem> {
    let Path((originator, end_point)) = path?;
    let (pair, end_point) = authorize_pair(&app, &client, originator, end_point)?;
    let idempotency_key = parse_idempotency_key(&headers)?;
    let request = request::parse(&read_body(body).await?)?;
    request.check_booking_data(&end_point.booking_data)?;
    let stored = serde_json::to_string(&request)
        .map_err(|error| Problem::invalid_field("the body", &format!("cannot be stored: {error}")))?;
    let new = NewTransaction {
        client: &client.0.name,
        pair: &pair,
        request_id: &request.request_id,
        request: &stored,
        idempotency_key,
        receipts: &end_point.receipts,
    };
    let transaction = store::create(&app.pool, new).await?;
    tracing::info!(transaction = transaction.id, originator = pair.originator, "payment requested");
    let transaction = provider::start_once(&app, transaction).await?;
    Ok(Json(transaction.into_created().to_response(app.public_url())?))
}

/// Get the state of a payment. Changes nothing.
#[utoipa::path(
    get,
    path = "/paymenttransaction/{originatorId}/{endPointId}/{transactionId}",
    operation_id = "getStatusByIds",
    params(
        ("originatorId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
        ("endPointId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
        ("transactionId" = String, Path, description = "transactionId of the response to creating the payment"),
    ),
    responses(
        (status = 200, description = "The state of the payment", body = PaymentTransaction),
        (status = 401, description = "FORBIDDEN: no credentials, or wrong ones", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "FORBIDDEN or NO_VALID_ORIGINATOR_OR_ENDPOINT", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "UNSPECIFIED: no such transaction of this originator and end point", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "UNSPECIFIED: the database does not answer", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn poll(
    State(app): State<App>,
    client: ApiClient,
    path: Result<Path<(String, String, String)>, PathRejection>,
) -> Result<Json<PaymentTransaction>, Problem> {
    let Path((originator, end_point, id)) = path?;
    let (pair, _) = authorize_pair(&app, &client, originator, end_point)?;
    match store::find(&app.pool, &id).await?.filter(|transaction| transaction.pair == pair) {
        Some(transaction) => Ok(Json(transaction.to_response(app.public_url())?)),
        None => {
            let detail = format!("there is no transaction {id} of this originator and end point");
            Err(Problem::new(Code::Unspecified, detail).with_status(StatusCode::NOT_FOUND))
        }
    }
}

/// The originator and the end point are ready for payments.
#[derive(Serialize, ToSchema)]
pub struct Payable {
    /// Always `OK`.
    status: &'static str,
}

/// Ask whether an originator and an end point are configured and ready for payments.
#[utoipa::path(
    get,
    path = "/status/{originatorId}/{endPointId}",
    operation_id = "getStatus",
    params(
        ("originatorId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
        ("endPointId" = String, Path, max_length = 36, pattern = r"^[\w\d-]+$"),
    ),
    responses(
        (status = 200, description = "Payments can be created", body = Payable),
        (status = 401, description = "FORBIDDEN: no credentials, or wrong ones", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "FORBIDDEN or NO_VALID_ORIGINATOR_OR_ENDPOINT", body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, description = "UNSPECIFIED: no payments can be created at the moment; detail gives the reason", body = ProblemBody, content_type = "application/problem+json"),
    ),
)]
pub async fn status(
    State(app): State<App>,
    client: ApiClient,
    path: PairPath,
) -> Result<Json<Payable>, Problem> {
    let Path((originator, end_point)) = path?;
    let (pair, end_point) = authorize_pair(&app, &client, originator, end_point)?;
    if receipt::is_used_up(&app.pool, &end_point.id, &end_point.receipts).await? {
        return Err(store::receipt_numbers_used_up(&end_point.id));
    }
    app.provider.check_availability(&pair).await?;
    Ok(Json(Payable { status: "OK" }))
}

/// Checks the ids in a request's path and that the client may use them; returns both with the
/// configuration of the end point.
///
/// # Errors
/// Fails with `VALIDATION_ERROR` if an id is malformed, with `NO_VALID_ORIGINATOR_OR_ENDPOINT` if the
/// municipality has no such end point, and with `FORBIDDEN` if the client may not use the ids.
fn authorize_pair<'a>(
    app: &'a App,
    ApiClient(client): &ApiClient,
    originator: String,
    end_point: String,
) -> Result<(Pair, &'a EndPoint), Problem> {
    request::check_id("originatorId", &originator)?;
    request::check_id("endPointId", &end_point)?;
    let configured = app.end_point(&end_point).ok_or_else(|| {
        let ids: Vec<&str> =
            app.settings.end_points.iter().map(|configured| configured.id.as_str()).collect();
        let detail = format!("this municipality has no endPointId {end_point}; it has {}", ids.join(", "));
        Problem::new(Code::NoValidOriginatorOrEndpoint, detail)
    })?;
    let allowed = client.originators.contains(&originator)
        && (client.end_points.is_empty() || client.end_points.contains(&end_point));
    if !allowed {
        let detail = format!(
            "client {} may not use originatorId {originator} with endPointId {end_point}; the administrators of the municipality can allow it",
            client.name
        );
        return Err(Problem::new(Code::Forbidden, detail));
    }
    Ok((Pair { originator, end_point }, configured))
}

/// Reads a body of at most [`MAX_BODY_BYTES`].
///
/// # Errors
/// Fails with status 413 if the body is larger, and with status 400 if the connection breaks.
async fn read_body(body: axum::body::Body) -> Result<Vec<u8>, Problem> {
    let mut chunks = body.into_data_stream();
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|error| Problem::invalid_field("the body", &format!("cannot be read: {error}")))?;
        length += chunk.len();
        if length <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&chunk);
        } else if length > MAX_DRAINED_BYTES {
            break;
        }
    }
    if length > MAX_BODY_BYTES {
        let problem = Problem::invalid_field("the body", &format!("must be at most {MAX_BODY_BYTES} bytes"));
        return Err(problem.with_status(StatusCode::PAYLOAD_TOO_LARGE));
    }
    Ok(bytes)
}

fn parse_idempotency_key(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let key = value.to_str().ok().filter(|key| (1..=MAX_IDEMPOTENCY_KEY_LENGTH).contains(&key.len()));
    key.map(Some)
        .ok_or_else(|| Problem::invalid_field("Idempotency-Key", "must be 1 to 255 visible ASCII characters"))
}
