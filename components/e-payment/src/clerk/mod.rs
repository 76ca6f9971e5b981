// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The desk of the treasury's people (Kasse): what was paid on which day, the settlement of a day as a
//! file, and the confirmation of what was booked. People log in by OpenID Connect; the treasury's own
//! software brings a token of the same issuer.

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

/// Where people begin.
const START: &str = "/kasse";
/// Where the issuer sends browsers back to; it is registered there.
const RETURN: &str = "/kasse/angemeldet";

const SESSION: (&str, Duration) = ("__Host-kasse", Duration::from_secs(30 * 60));
const LOGIN: (&str, Duration) = ("__Host-anmeldung", Duration::from_secs(10 * 60));

/// What the desk works with.
struct Desk {
    config: Arc<ModuleConfig>,
    clerks: Clerks,
    issuer: Issuer,
    secrets: Secrets,
    pool: PgPool,
}

/// The desk's routes; none where the town has no clerks or state IT no issuer.
///
/// # Errors
/// The authorities in `module.json` are not certificates.
pub fn routes(config: Arc<ModuleConfig>, secrets: Secrets, pool: PgPool) -> anyhow::Result<Router> {
    let clerks = config.e_payment.as_ref().and_then(|block| block.clerks.clone());
    let (Some(clerks), Some(issuer)) = (clerks, config.issuer.clone()) else { return Ok(Router::new()) };
    let http = rathaus_kit::http_client_builder(config.authorities.as_deref())?.build()?;
    let back = config.public_url.join(RETURN).context("publicUrl")?;
    let issuer = Issuer::new(issuer, &clerks.client_id, back, http);
    let desk = Desk { config, clerks, issuer, secrets, pool };
    Ok(Router::new()
        .route(START, routing::get(days::list))
        .route("/kasse/anmelden", routing::get(login::start))
        .route(RETURN, routing::get(login::finish))
        .route("/kasse/abmelden", routing::post(login::end))
        .route("/kasse/tage/{file}", routing::get(files::download))
        .route("/kasse/buchungen", routing::post(files::upload))
        .with_state(Arc::new(desk)))
}

impl Desk {
    /// The client's secret, as it is now.
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

    /// A page that says what is the matter and leads back to [`START`].
    fn message(&self, status: StatusCode, title: &str, text: &str) -> Response {
        web::render_page(status, &Message { config: &self.config, title, text, language: "de" }, "")
    }

    /// The same with what a program would be told, which is in English.
    fn told(&self, status: StatusCode, title: &str, text: &str) -> Response {
        web::render_page(status, &Message { config: &self.config, title, text, language: "en" }, "")
    }

    fn unavailable(&self) -> Response {
        let text = "Bitte versuchen Sie es in einigen Minuten noch einmal.";
        self.message(StatusCode::SERVICE_UNAVAILABLE, "Zurzeit nicht erreichbar", text)
    }
}

#[derive(askama::Template)]
#[template(path = "clerk/message.html")]
struct Message<'a> {
    config: &'a ModuleConfig,
    title: &'a str,
    text: &'a str,
    language: &'static str,
}
