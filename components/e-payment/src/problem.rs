// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Error responses as XBezahldienste 1.0.0 requires them: `application/problem+json` (RFC 9457) with the
//! additional member `functionalCode`.

use std::fmt;

use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth;

/// The kind of an error, for programs: the `functionalCode` of XBezahldienste 1.0.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The municipality has no such originator or end point.
    NoValidOriginatorOrEndpoint,
    /// The same in an older spelling of the standard, which providers may send and this module never does.
    NoValidOriginatorOrDestination,
    /// The requestId was used for another request.
    PaymentExists,
    /// The total amount is not the sum of the items.
    CalculationError,
    /// An item lacks booking data that the treasury requires.
    BookingDataMissing,
    /// A field violates a constraint of the standard.
    ValidationError,
    /// The client is not authenticated or may not make this call.
    Forbidden,
    /// Any other error.
    Unspecified,
}

impl fmt::Display for Code {
    /// Writes the spelling of the standard, such as `PAYMENT_EXISTS`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An error response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
}

/// The body of an error response (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct ProblemBody<'a> {
    /// Always `about:blank`: functionalCode has the type of the error.
    r#type: &'a str,
    /// The HTTP status code.
    #[schema(minimum = 100, maximum = 511)]
    status: u16,
    /// The reason phrase of the HTTP status.
    title: &'a str,
    /// The field, what is wrong with it, and how to correct it.
    #[schema(max_length = 2000)]
    detail: &'a str,
    functional_code: Code,
}

/// The limit of XBezahldienste for `detail`, in characters. Longer texts are truncated.
const MAX_DETAIL_LENGTH: usize = 2000;

impl Problem {
    /// Creates an error with the HTTP status that belongs to its code.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let status = match code {
            Code::NoValidOriginatorOrEndpoint | Code::NoValidOriginatorOrDestination | Code::Forbidden => {
                StatusCode::FORBIDDEN
            }
            Code::PaymentExists => StatusCode::CONFLICT,
            Code::CalculationError | Code::BookingDataMissing | Code::ValidationError => {
                StatusCode::BAD_REQUEST
            }
            Code::Unspecified => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self { status, code, detail: detail.into().chars().take(MAX_DETAIL_LENGTH).collect() }
    }

    /// Replaces the HTTP status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The HTTP status of the response.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Creates a `VALIDATION_ERROR` whose detail consists of the field's name and what is expected of it.
    pub fn invalid_field(field: &str, expected: &str) -> Self {
        Self::new(Code::ValidationError, format!("{field} {expected}"))
    }

    /// Creates the error for a request whose credentials are missing or wrong (status 401).
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(Code::Forbidden, detail).with_status(StatusCode::UNAUTHORIZED)
    }

    /// The code and the detail, for assertions of tests.
    #[cfg(test)]
    pub fn code_and_detail(&self) -> (Code, &str) {
        (self.code, &self.detail)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "a database query failed");
        Self::new(Code::Unspecified, "the database does not answer; try again")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl From<PathRejection> for Problem {
    fn from(rejection: PathRejection) -> Self {
        Self::invalid_field("the path", &format!("cannot be read: {}", rejection.body_text()))
            .with_status(rejection.status())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: "about:blank",
            status: self.status.as_u16(),
            title: self.status.canonical_reason().unwrap_or("Error"),
            detail: &self.detail,
            functional_code: self.code,
        };
        let body = serde_json::to_string(&body).unwrap_or_default(); // strings and a number always serialize
        let content_type = [(header::CONTENT_TYPE, "application/problem+json")];
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = [(header::WWW_AUTHENTICATE, auth::CHALLENGE)];
            return (self.status, content_type, challenge, body).into_response();
        }
        (self.status, content_type, body).into_response()
    }
}
