// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The description of the API in OpenAPI 3.1, generated from the code that serves it.

use axum::{Json, Router, routing};
use utoipa::openapi::security::{
    ClientCredentials, Flow, Http, HttpAuthScheme, OAuth2, Scopes, SecurityScheme,
};
use utoipa::{Modify, OpenApi};

use crate::app::App;
use crate::{api, oauth};

/// The route of `/openapi.json`, which needs no authentication.
pub fn routes() -> Router<App> {
    Router::new().route("/openapi.json", routing::get(|| async { Json(Interface::openapi()) }))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "E-payment of a municipality",
        description = "XBezahldienste 1.0.0 (FITKO), with Idempotency-Key as an extension",
        license(name = "EUPL-1.2", identifier = "EUPL-1.2"),
    ),
    paths(api::create, api::poll, api::status, oauth::token),
    modifiers(&SecuritySchemes),
    security(("bearer" = []), ("basic" = []), ("oauth2" = [])),
)]
struct Interface;

/// Adds the three ways to authenticate, which utoipa has no attribute for.
struct SecuritySchemes;

impl Modify for SecuritySchemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let flow = Flow::ClientCredentials(ClientCredentials::new("/oauth/token", Scopes::new()));
        for (name, scheme) in [
            ("bearer", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer))),
            ("basic", SecurityScheme::Http(Http::new(HttpAuthScheme::Basic))),
            ("oauth2", SecurityScheme::OAuth2(OAuth2::new([flow]))),
        ] {
            components.add_security_scheme(name, scheme);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// `UPDATE_GENERATED=1 cargo test -p e-payment` regenerates the file.
    #[test]
    fn openapi_json_is_up_to_date() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
        let document = Interface::openapi().to_pretty_json().unwrap() + "\n";
        if std::env::var_os("UPDATE_GENERATED").is_some() {
            fs::write(&file, &document).unwrap();
        }
        assert!(fs::read_to_string(file).unwrap_or_default() == document, "openapi.json is out of date");
        assert!(document.contains("\"openapi\": \"3.1.0\""));
    }
}
