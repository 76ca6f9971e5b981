// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Who is at the desk: people by a session in a cookie, programs by a token of the issuer.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use rand::RngExt;
use rathaus_kit::oidc::{CallbackParams, Error, Person};
use rathaus_kit::signed_cookie;
use serde::{Deserialize, Serialize};

use super::{Desk, LOGIN, SESSION, START};
use crate::problem::{Code, Problem};

/// A person who has logged in.
#[derive(Serialize, Deserialize)]
pub struct Session {
    /// As people call it.
    pub name: String,
    /// Who it is, at the issuer.
    pub subject: String,
    /// Every form of this session brings it: a page of another module of the town, which is of the same
    /// site, does not know it.
    pub token: String,
}

/// Who asks for something.
pub enum Caller {
    /// A person, by the session.
    Clerk(Session),
    /// The treasury's software, by a token.
    Program(Person),
}

impl Caller {
    /// As it is kept with what was done: the name may change, the subject does not.
    pub fn who(&self) -> String {
        match self {
            Self::Clerk(Session { name, subject, .. }) | Self::Program(Person { name, subject, .. }) => {
                format!("{name} ({subject})")
            }
        }
    }
}

/// Why somebody does not get something.
pub enum Refused {
    /// People log in first.
    LoginFirst,
    /// Programs are told.
    Told(Problem),
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        match self {
            Self::LoginFirst => Redirect::to(START).into_response(),
            Self::Told(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
                ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
            }
            Self::Told(problem) => problem.into_response(),
        }
    }
}

impl Desk {
    /// The session that the browser brings, if it is one and not over.
    pub fn session(&self, headers: &HeaderMap) -> Option<Session> {
        self.signed_cookie(SESSION, &self.secret().ok()?).ok()?.read(headers)
    }

    /// Who brings these headers.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refused> {
        match headers.get(header::AUTHORIZATION) {
            Some(credentials) => {
                let program = self.program(credentials).await;
                program.map(Caller::Program).map_err(Refused::Told)
            }
            None => self.session(headers).map(Caller::Clerk).ok_or(Refused::LoginFirst),
        }
    }

    async fn program(&self, credentials: &HeaderValue) -> Result<Person, Problem> {
        let token = credentials.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map(|(_, token)| token);
        let token = token.ok_or_else(|| {
            Problem::unauthenticated("send `Authorization: Bearer` with a token of the issuer")
        })?;
        let person = self.issuer.verify_token(token.trim()).await.map_err(|error| {
            tracing::warn!(%error, "a program's token");
            match error {
                Error::Unreachable(_) => {
                    Problem::new(Code::Unspecified, "the issuer does not answer; try again")
                        .with_status(StatusCode::SERVICE_UNAVAILABLE)
                }
                Error::Refused(_) => {
                    let client = &self.clerks.client_id;
                    Problem::unauthenticated(&format!(
                        "the token is not a valid one of the issuer for the audience {client}"
                    ))
                }
            }
        })?;
        if self.is_clerk(&person) {
            return Ok(person);
        }
        let (claim, role) = (&self.clerks.role_claim, &self.clerks.role);
        Err(Problem::new(Code::Forbidden, format!("the token's claim {claim} does not have {role}")))
    }

    fn is_clerk(&self, person: &Person) -> bool {
        person.has_role(&self.clerks.role_claim, &self.clerks.role)
    }
}

/// Leads to the issuer.
pub async fn start(State(desk): State<Arc<Desk>>) -> Response {
    let begun = async {
        let secret = desk.secret()?;
        let (url, pending) = desk.issuer.start_login().await?;
        anyhow::Ok((desk.signed_cookie(LOGIN, &secret)?.set(&pending)?, url))
    };
    match begun.await {
        Ok((cookie, url)) => ([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response(),
        Err(error) => cannot(&desk, &error),
    }
}

/// Where the issuer leads back to.
pub async fn finish(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    returned: Result<Query<CallbackParams>, QueryRejection>,
) -> Response {
    let done = finished(&desk, &headers, returned.ok()).await;
    done.unwrap_or_else(|error| cannot(&desk, &error))
}

async fn finished(
    desk: &Desk,
    headers: &HeaderMap,
    returned: Option<Query<CallbackParams>>,
) -> anyhow::Result<Response> {
    let secret = desk.secret()?;
    let (Some(Query(returned)), Some(pending)) =
        (returned, desk.signed_cookie(LOGIN, &secret)?.read(headers))
    else {
        return Ok(failed(desk));
    };
    let person = match desk.issuer.finish_login(pending, returned, &secret).await {
        Ok(person) => person,
        Err(error @ Error::Refused(_)) => {
            tracing::warn!(%error, "login");
            return Ok(failed(desk));
        }
        Err(away) => return Err(away.into()),
    };
    if !desk.is_clerk(&person) {
        tracing::warn!("login without the role");
        let text =
            "Ihr Konto gehört nicht zur Kasse. Wer in Ihrer Verwaltung Konten vergibt, kann das ändern.";
        return Ok(desk.message(StatusCode::FORBIDDEN, "Kein Zugang", text));
    }
    let Person { name, subject, .. } = person;
    let token = format!("{:032x}", rand::rng().random::<u128>());
    let session = desk.signed_cookie(SESSION, &secret)?.set(&Session { name, subject, token })?;
    let cookies =
        AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, signed_cookie::clear(LOGIN.0)?)]);
    tracing::info!("a clerk logged in");
    Ok((cookies, Redirect::to(START)).into_response())
}

fn failed(desk: &Desk) -> Response {
    let text =
        "Die Anmeldung wurde abgebrochen oder hat zu lange gedauert. Bitte melden Sie sich noch einmal an.";
    desk.message(StatusCode::BAD_REQUEST, "Anmeldung nicht gelungen", text)
}

fn cannot(desk: &Desk, error: &anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "login");
    let text = "Der Anmeldedienst antwortet nicht. Bitte versuchen Sie es in einigen Minuten noch einmal.";
    desk.message(StatusCode::SERVICE_UNAVAILABLE, "Anmeldung zurzeit nicht möglich", text)
}

/// A form without anything but the session's token.
#[derive(Deserialize)]
pub struct Signed {
    token: String,
}

/// Ends the session here. At the issuer it goes on: other services use it, too.
pub async fn end(State(desk): State<Arc<Desk>>, headers: HeaderMap, Form(form): Form<Signed>) -> Response {
    match desk.session(&headers) {
        Some(session) if session.token != form.token => forged(&desk),
        _ => match signed_cookie::clear(SESSION.0) {
            Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(START)).into_response(),
            Err(error) => cannot(&desk, &error.into()),
        },
    }
}

/// What another page made the browser send.
pub fn forged(desk: &Desk) -> Response {
    let text =
        "Das Formular gehört nicht zu Ihrer Sitzung. Bitte beginnen Sie auf der Seite der Kasse von vorn.";
    desk.message(StatusCode::FORBIDDEN, "Nicht ausgeführt", text)
}
