// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The token endpoint of OAuth 2.0 (RFC 6749), for online services that support no other authentication:
//! it exchanges client credentials (section 4.4) for a bearer token (RFC 6750) that is valid for an hour.

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json, Router, routing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{self, TOKEN_LIFETIME_SECONDS};

/// The routes of the token endpoint. The path with the trailing slash is the one that pmPayment has.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/oauth/token", routing::post(token))
        .route("/oauth/token/", routing::post(token))
        .layer(axum::extract::DefaultBodyLimit::max(16 * 1024))
}

/// The form that a client sends (RFC 6749, section 4.4.2).
#[derive(Deserialize, ToSchema)]
#[schema(as = Asked)]
pub struct TokenRequest {
    /// Always `client_credentials`.
    grant_type: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// A bearer token (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
struct Token {
    access_token: String,
    token_type: &'static str,
    /// Lifetime of the token in seconds.
    expires_in: u64,
}

/// An error response (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
struct Refusal {
    error: &'static str,
    error_description: String,
}

/// Get a bearer token for a client's credentials (RFC 6749, section 4.4), sent in the form or by HTTP Basic.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "getToken",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token that is valid for an hour", body = Token),
        (status = 400, description = "invalid_request or unsupported_grant_type", body = Refusal),
        (status = 401, description = "invalid_client", body = Refusal),
    ),
    security(("basic" = []), ()),
)]
pub async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form<TokenRequest>, FormRejection>,
) -> Response {
    let request = match form {
        Ok(Form(request)) => request,
        Err(rejection) => return refuse(StatusCode::BAD_REQUEST, "invalid_request", rejection.body_text()),
    };
    if request.grant_type != "client_credentials" {
        let message = "grant_type must be client_credentials".to_owned();
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", message);
    }
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok()?.strip_prefix("Basic "))
        .and_then(auth::parse_basic_credentials);
    let Some((name, secret)) = basic.or_else(|| request.client_id.zip(request.client_secret)) else {
        let message = "send client_id and client_secret, in the form or by HTTP Basic".to_owned();
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client", message);
    };
    // RFC 6749, section 2.3.1 requires form encoding of both in HTTP Basic, but many clients do not encode.
    let decoded = || app.clients.authenticate_by_name(&decode_form_value(&name), &decode_form_value(&secret));
    let client = match app.clients.authenticate_by_name(&name, &secret).or_else(|_| decoded()) {
        Ok(client) => client,
        Err(message) => return refuse(StatusCode::UNAUTHORIZED, "invalid_client", message.to_owned()),
    };
    match app.clients.issue_token(&client) {
        Ok(access_token) => {
            Json(Token { access_token, token_type: "Bearer", expires_in: TOKEN_LIFETIME_SECONDS })
                .into_response()
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "cannot issue a token");
            let message = "no token can be issued at the moment; try again".to_owned();
            refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", message)
        }
    }
}

/// Decodes a text that is encoded as `application/x-www-form-urlencoded`.
fn decode_form_value(text: &str) -> String {
    url::form_urlencoded::parse(text.as_bytes()).map(|(text, _)| text.into_owned()).collect()
}

fn refuse(status: StatusCode, error: &'static str, error_description: String) -> Response {
    let body = Json(Refusal { error, error_description });
    if status == StatusCode::UNAUTHORIZED {
        return (status, [(header::WWW_AUTHENTICATE, auth::CHALLENGE)], body).into_response();
    }
    (status, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn form_encoding_is_decoded() {
        assert_eq!(decode_form_value("a%2Bb%3Dc%26d+e"), "a+b=c&d e");
        assert_eq!(decode_form_value("plain-token_1.2~3"), "plain-token_1.2~3");
    }
}
