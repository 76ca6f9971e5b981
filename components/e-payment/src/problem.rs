// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Errors as XBezahldienste 1.0.0 wants them: `application/problem+json` (RFC 9457) with a
//! `functionalCode`.

use std::fmt;

use axum::extract::rejection::PathRejection;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::auth;

/// What went wrong, for programs: the `functionalCode` of XBezahldienste 1.0.0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The pair is not one of this municipality's.
    NoValidOriginatorOrEndpoint,
    /// The same, in the standard's older spelling; read from others, never sent.
    NoValidOriginatorOrDestination,
    /// The requestId was used for another request.
    PaymentExists,
    /// The amount is not the sum of the items.
    CalculationError,
    /// An item lacks data that the treasury books by.
    BookingDataMissing,
    /// A field is not as the standard says.
    ValidationError,
    /// Whoever calls may not, or has not proved who it is.
    Forbidden,
    /// Anything else.
    Unspecified,
}

impl fmt::Display for Code {
    /// As the standard spells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// An answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: Code,
    detail: String,
}

/// The body of an error (RFC 9457).
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub struct Body<'a> {
    /// Always `about:blank`: the code says more than a type could.
    r#type: &'a str,
    /// The HTTP status.
    #[schema(minimum = 100, maximum = 511)]
    status: u16,
    /// The HTTP status in words.
    title: &'a str,
    /// What is wrong, with the field's name, and what to do.
    #[schema(max_length = 2000)]
    detail: &'a str,
    functional_code: Code,
}

/// The standard's limit for `detail`, in characters.
const LONGEST_DETAIL: usize = 2000;

impl Problem {
    /// An error with the status that belongs to its code.
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
        Self { status, code, detail: detail.into().chars().take(LONGEST_DETAIL).collect() }
    }

    /// The same with another status.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// What HTTP says of it.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// A field that is not as the standard says.
    pub fn field(field: &str, expected: &str) -> Self {
        Self::new(Code::ValidationError, format!("{field} {expected}"))
    }

    /// A call whose credentials are missing or wrong.
    pub fn unauthenticated(detail: &str) -> Self {
        Self::new(Code::Forbidden, detail).with_status(StatusCode::UNAUTHORIZED)
    }

    /// What programs are told.
    #[cfg(test)]
    pub fn told(&self) -> (Code, &str) {
        (self.code, &self.detail)
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        tracing::error!(%error, "database");
        Self::new(Code::Unspecified, "the database does not answer; try again")
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
    }
}

impl From<PathRejection> for Problem {
    fn from(wrong: PathRejection) -> Self {
        Self::field("the path", &format!("cannot be read: {}", wrong.body_text())).with_status(wrong.status())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: "about:blank",
            status: self.status.as_u16(),
            title: self.status.canonical_reason().unwrap_or("Error"),
            detail: &self.detail,
            functional_code: self.code,
        };
        let body = serde_json::to_string(&body).unwrap_or_default(); // strings and a number only
        let kind = [(header::CONTENT_TYPE, "application/problem+json")];
        if self.status == StatusCode::UNAUTHORIZED {
            return (self.status, kind, [(header::WWW_AUTHENTICATE, auth::CHALLENGE)], body).into_response();
        }
        (self.status, kind, body).into_response()
    }
}
