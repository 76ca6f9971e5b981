// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The desk of the treasury's clerks (Kasse): what was paid on which day, the settlement of a day as a file,
//! and the confirmation of what was booked. Clerks log in with OpenID Connect; the treasury's software sends
//! a token of the same issuer.

mod days;
mod files;
mod login;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Router, routing};
use rathaus_contract::{Clerks, ModuleConfig};
use rathaus_kit::oidc::Issuer;
use rathaus_kit::signed_cookie::SignedCookie;
use rathaus_kit::{Secrets, web};
use sqlx::PgPool;

/// The desk's start page.
const DESK_PATH: &str = "/kasse";
/// The redirect URI of the login. It is registered at the issuer.
const CALLBACK_PATH: &str = "/kasse/angemeldet";

/// Name and lifetime of the cookie that holds the session.
const SESSION: (&str, Duration) = ("__Host-kasse", Duration::from_secs(30 * 60));
/// Name and lifetime of the cookie that holds a pending login.
const LOGIN: (&str, Duration) = ("__Host-anmeldung", Duration::from_secs(10 * 60));

/// The state of the desk's request handlers.
struct Desk {
    config: Arc<ModuleConfig>,
    clerks: Clerks,
    issuer: Issuer,
    secrets: Secrets,
    pool: PgPool,
}

/// The desk's routes. There are none if the town has configured no clerks or state IT no issuer.
///
/// # Errors
/// Fails if `authorities` in `module.json` is not a certificate bundle in PEM.
pub fn routes(config: Arc<ModuleConfig>, secrets: Secrets, pool: PgPool) -> anyhow::Result<Router> {
    let clerks = config.e_payment.as_ref().and_then(|block| block.clerks.clone());
    let (Some(clerks), Some(issuer)) = (clerks, config.issuer.clone()) else { return Ok(Router::new()) };
    let http = rathaus_kit::http_client_builder(config.authorities.as_deref())?.build()?;
    let redirect_url = config.public_url.join(CALLBACK_PATH).context("publicUrl")?;
    let issuer = Issuer::new(issuer, &clerks.client_id, redirect_url, http);
    let desk = Desk { config, clerks, issuer, secrets, pool };
    Ok(Router::new()
        .route(DESK_PATH, routing::get(days::list))
        .route("/kasse/anmelden", routing::get(login::start_login))
        .route(CALLBACK_PATH, routing::get(login::finish_login))
        .route("/kasse/abmelden", routing::post(login::logout))
        .route("/kasse/tage/{file}", routing::get(files::download))
        .route("/kasse/buchungen", routing::post(files::upload))
        .with_state(Arc::new(desk)))
}

impl Desk {
    /// Reads the OpenID client's secret at every use, so that rotating it needs no restart.
    fn secret(&self) -> anyhow::Result<String> {
        self.secrets.read(&self.clerks.secret, "client-secret")
    }

    fn signed_cookie(
        &self,
        (name, lifetime): (&'static str, Duration),
        secret: &str,
    ) -> anyhow::Result<SignedCookie> {
        Ok(SignedCookie::new(name, lifetime, secret, self.config.public_url.as_str())?)
    }

    /// A page with a German message and a link to [`DESK_PATH`].
    fn message_page(&self, status: StatusCode, title: &str, text: &str) -> Response {
        web::render_page(status, &MessagePage { config: &self.config, title, text, language: "de" }, "")
    }

    /// The same page with an English message, such as the detail that a program would get.
    fn error_page(&self, status: StatusCode, title: &str, text: &str) -> Response {
        web::render_page(status, &MessagePage { config: &self.config, title, text, language: "en" }, "")
    }

    /// The page for a database that does not answer.
    fn unavailable_page(&self) -> Response {
        let text = "Bitte versuchen Sie es in einigen Minuten noch einmal.";
        self.message_page(StatusCode::SERVICE_UNAVAILABLE, "Zurzeit nicht erreichbar", text)
    }
}

#[derive(askama::Template)]
#[template(path = "clerk/message.html")]
struct MessagePage<'a> {
    config: &'a ModuleConfig,
    title: &'a str,
    text: &'a str,
    /// Language of `text`, as in the HTML attribute `lang`.
    language: &'static str,
}
