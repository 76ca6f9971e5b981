// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The token endpoint of OAuth 2.0 (RFC 6749) for online services that know nothing else: client
//! credentials (section 4.4) become a bearer token (RFC 6750) for an hour.

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json, Router, routing};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::auth::{self, TOKEN_SECONDS};

/// The token endpoint; with the slash, as pmPayment has it.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/oauth/token", routing::post(token))
        .route("/oauth/token/", routing::post(token))
        .layer(axum::extract::DefaultBodyLimit::max(16 * 1024))
}

/// What a client sends.
#[derive(Deserialize, ToSchema)]
pub struct Asked {
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
    /// Seconds.
    expires_in: u64,
}

/// An error of RFC 6749, section 5.2.
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
    request_body(content = Asked, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "A token for an hour", body = Token),
        (status = 400, description = "invalid_request or unsupported_grant_type", body = Refusal),
        (status = 401, description = "invalid_client", body = Refusal),
    ),
    security(("basic" = []), ()),
)]
pub async fn token(
    State(app): State<App>,
    headers: HeaderMap,
    form: Result<Form<Asked>, FormRejection>,
) -> Response {
    let asked = match form {
        Ok(Form(asked)) => asked,
        Err(wrong) => return refuse(StatusCode::BAD_REQUEST, "invalid_request", wrong.body_text()),
    };
    if asked.grant_type != "client_credentials" {
        let told = "grant_type must be client_credentials".to_owned();
        return refuse(StatusCode::BAD_REQUEST, "unsupported_grant_type", told);
    }
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|sent| sent.to_str().ok()?.strip_prefix("Basic "))
        .and_then(auth::basic);
    let Some((name, secret)) = basic.or_else(|| asked.client_id.zip(asked.client_secret)) else {
        let told = "send client_id and client_secret, in the form or by HTTP Basic".to_owned();
        return refuse(StatusCode::UNAUTHORIZED, "invalid_client", told);
    };
    // Clients should encode both in HTTP Basic as in a form (section 2.3.1); many do not.
    let decoded = || app.clients.by_name(&decode(&name), &decode(&secret));
    let caller = match app.clients.by_name(&name, &secret).or_else(|_| decoded()) {
        Ok(caller) => caller,
        Err(told) => return refuse(StatusCode::UNAUTHORIZED, "invalid_client", told.to_owned()),
    };
    match app.clients.issue(&caller) {
        Ok(access_token) => {
            Json(Token { access_token, token_type: "Bearer", expires_in: TOKEN_SECONDS }).into_response()
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "token");
            let told = "no token can be made at the moment; try again".to_owned();
            refuse(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", told)
        }
    }
}

fn decode(text: &str) -> String {
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
    fn what_is_encoded_as_in_a_form_is_decoded() {
        assert_eq!(decode("a%2Bb%3Dc%26d+e"), "a+b=c&d e");
        assert_eq!(decode("plain-token_1.2~3"), "plain-token_1.2~3");
    }
}
