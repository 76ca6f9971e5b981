// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Authentication at the desk: clerks have a session in a cookie, programs send a token of the issuer.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Redirect, Response};
use rand::RngExt;
use rathaus_kit::oidc::{CallbackParams, Error, Person};
use rathaus_kit::signed_cookie;
use serde::{Deserialize, Serialize};

use super::{DESK_PATH, Desk, LOGIN, SESSION};
use crate::problem::{Code, Problem};

/// The session of a clerk who has logged in.
#[derive(Serialize, Deserialize)]
pub struct Session {
    /// Display name.
    pub name: String,
    /// Unique id at the issuer (claim `sub`).
    pub subject: String,
    /// Token against cross-site request forgery: every form of the desk sends it. `SameSite` cookies are not
    /// enough, since the town's other modules may belong to the same site.
    pub token: String,
}

/// The authenticated sender of a request to the desk.
pub enum DeskUser {
    /// A person with a session.
    Clerk(Session),
    /// The treasury's software, with a token of the issuer.
    Program(Person),
}

impl DeskUser {
    /// How the user is recorded with imported bookings. It includes the subject, since names may change.
    pub fn audit_name(&self) -> String {
        match self {
            Self::Clerk(Session { name, subject, .. }) | Self::Program(Person { name, subject, .. }) => {
                format!("{name} ({subject})")
            }
        }
    }
}

/// Why a request to the desk was denied.
pub enum AccessDenied {
    /// There is no session; the browser is redirected to the login.
    LoginRequired,
    /// The program sent no valid token with the clerks' role, or the token could not be verified.
    ProgramDenied(Problem),
}

impl IntoResponse for AccessDenied {
    fn into_response(self) -> Response {
        match self {
            Self::LoginRequired => Redirect::to(DESK_PATH).into_response(),
            Self::ProgramDenied(problem) if problem.status() == StatusCode::UNAUTHORIZED => {
                ([(header::WWW_AUTHENTICATE, "Bearer")], problem).into_response()
            }
            Self::ProgramDenied(problem) => problem.into_response(),
        }
    }
}

impl Desk {
    /// The session in the request's cookie, if it is valid and not expired.
    pub fn session(&self, headers: &HeaderMap) -> Option<Session> {
        self.signed_cookie(SESSION, &self.secret().ok()?).ok()?.read(headers)
    }

    /// Authenticates a request by its `Authorization` header if it has one, else by its session cookie.
    ///
    /// # Errors
    /// Fails if there is neither a valid session nor a valid token with the clerks' role.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<DeskUser, AccessDenied> {
        match headers.get(header::AUTHORIZATION) {
            Some(credentials) => {
                let program = self.authenticate_program(credentials).await;
                program.map(DeskUser::Program).map_err(AccessDenied::ProgramDenied)
            }
            None => self.session(headers).map(DeskUser::Clerk).ok_or(AccessDenied::LoginRequired),
        }
    }

    async fn authenticate_program(&self, credentials: &HeaderValue) -> Result<Person, Problem> {
        let token = credentials.to_str().ok().and_then(|text| text.split_once(' '));
        let token = token.filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer")).map(|(_, token)| token);
        let token = token.ok_or_else(|| {
            Problem::unauthenticated("send `Authorization: Bearer` with a token of the issuer")
        })?;
        let person = self.issuer.verify_token(token.trim()).await.map_err(|error| {
            tracing::warn!(%error, "the token of a program cannot be verified");
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
        if self.has_clerk_role(&person) {
            return Ok(person);
        }
        let (claim, role) = (&self.clerks.role_claim, &self.clerks.role);
        Err(Problem::new(Code::Forbidden, format!("the token's claim {claim} does not have {role}")))
    }

    fn has_clerk_role(&self, person: &Person) -> bool {
        person.has_role(&self.clerks.role_claim, &self.clerks.role)
    }
}

/// Starts a login: redirects to the issuer and stores the pending login in a cookie.
pub async fn start_login(State(desk): State<Arc<Desk>>) -> Response {
    let started = async {
        let secret = desk.secret()?;
        let (url, pending) = desk.issuer.start_login().await?;
        anyhow::Ok((desk.signed_cookie(LOGIN, &secret)?.set(&pending)?, url))
    };
    match started.await {
        Ok((cookie, url)) => ([(header::SET_COOKIE, cookie)], Redirect::to(url.as_str())).into_response(),
        Err(error) => login_unavailable(&desk, &error),
    }
}

/// Handles the issuer's redirect back to the desk.
pub async fn finish_login(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    returned: Result<Query<CallbackParams>, QueryRejection>,
) -> Response {
    let finished = verify_login(&desk, &headers, returned.ok()).await;
    finished.unwrap_or_else(|error| login_unavailable(&desk, &error))
}

/// Verifies a login that this browser started, and opens a session if the person has the clerks' role.
async fn verify_login(
    desk: &Desk,
    headers: &HeaderMap,
    returned: Option<Query<CallbackParams>>,
) -> anyhow::Result<Response> {
    let secret = desk.secret()?;
    let (Some(Query(returned)), Some(pending)) =
        (returned, desk.signed_cookie(LOGIN, &secret)?.read(headers))
    else {
        return Ok(login_failed_page(desk));
    };
    let person = match desk.issuer.finish_login(pending, returned, &secret).await {
        Ok(person) => person,
        Err(error @ Error::Refused(_)) => {
            tracing::warn!(%error, "a login failed");
            return Ok(login_failed_page(desk));
        }
        Err(error) => return Err(error.into()),
    };
    if !desk.has_clerk_role(&person) {
        tracing::warn!("a person without the clerks' role tried to log in");
        let text =
            "Ihr Konto gehört nicht zur Kasse. Wer in Ihrer Verwaltung Konten vergibt, kann das ändern.";
        return Ok(desk.message_page(StatusCode::FORBIDDEN, "Kein Zugang", text));
    }
    let Person { name, subject, .. } = person;
    let token = format!("{:032x}", rand::rng().random::<u128>());
    let session = desk.signed_cookie(SESSION, &secret)?.set(&Session { name, subject, token })?;
    let cookies =
        AppendHeaders([(header::SET_COOKIE, session), (header::SET_COOKIE, signed_cookie::clear(LOGIN.0)?)]);
    tracing::info!("a clerk logged in");
    Ok((cookies, Redirect::to(DESK_PATH)).into_response())
}

fn login_failed_page(desk: &Desk) -> Response {
    let text =
        "Die Anmeldung wurde abgebrochen oder hat zu lange gedauert. Bitte melden Sie sich noch einmal an.";
    desk.message_page(StatusCode::BAD_REQUEST, "Anmeldung nicht gelungen", text)
}

/// Logs why nobody can log in at the moment, and answers with a page that says so.
fn login_unavailable(desk: &Desk, error: &anyhow::Error) -> Response {
    tracing::error!(error = format!("{error:#}"), "the login is unavailable");
    let text = "Der Anmeldedienst antwortet nicht. Bitte versuchen Sie es in einigen Minuten noch einmal.";
    desk.message_page(StatusCode::SERVICE_UNAVAILABLE, "Anmeldung zurzeit nicht möglich", text)
}

/// The form that logs out; its only field is the session's token.
#[derive(Deserialize)]
pub struct LogoutForm {
    token: String,
}

/// Ends the session at the desk. The login at the issuer stays, since other services use it, too.
pub async fn logout(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Form(form): Form<LogoutForm>,
) -> Response {
    match desk.session(&headers) {
        Some(session) if session.token != form.token => reject_foreign_form(&desk),
        _ => match signed_cookie::clear(SESSION.0) {
            Ok(cookie) => ([(header::SET_COOKIE, cookie)], Redirect::to(DESK_PATH)).into_response(),
            Err(error) => login_unavailable(&desk, &error.into()),
        },
    }
}

/// Answers 403 to a form without the session's token, which another page made the browser send.
pub fn reject_foreign_form(desk: &Desk) -> Response {
    let text =
        "Das Formular gehört nicht zu Ihrer Sitzung. Bitte beginnen Sie auf der Seite der Kasse von vorn.";
    desk.message_page(StatusCode::FORBIDDEN, "Nicht ausgeführt", text)
}
