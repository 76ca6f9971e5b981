// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Pages in KERN, the design system of the German administration: `templates/page.html` is what every
//! page extends, and its style sheets and fonts are served from here, out of the binary.

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

/// Where style sheets and fonts are. Its name changes with what is in it, so that browsers may keep it.
pub const FOLDER: &str = concat!("/static/", env!("WEB_DIGEST"));

const A_YEAR: &str = "public, max-age=31536000, immutable";
const CSS: &str = "text/css; charset=utf-8";
const WOFF2: &str = "font/woff2";

macro_rules! kern {
    ($name:literal) => {
        include_bytes!(concat!(env!("KERN"), "/", $name))
    };
}

/// Name, media type and content of each file. Fira Sans is under OFL-1.1, said in each font's own
/// metadata.
const FILES: [(&str, &str, &[u8]); 5] = [
    ("kern.css", CSS, kern!("kern.min.css")),
    ("site.css", CSS, include_bytes!("../web/site.css")),
    ("FiraSans-Regular.woff2", WOFF2, kern!("fonts/fira-sans/FiraSans-Regular.woff2")),
    ("FiraSans-Medium.woff2", WOFF2, kern!("fonts/fira-sans/FiraSans-Medium.woff2")),
    ("FiraSans-SemiBold.woff2", WOFF2, kern!("fonts/fira-sans/FiraSans-SemiBold.woff2")),
];

/// Serves [`FOLDER`].
pub fn routes() -> Router {
    Router::new().route(&format!("{FOLDER}/{{name}}"), get(file))
}

async fn file(Path(wanted): Path<String>) -> Response {
    match FILES.iter().find(|(name, ..)| *name == wanted) {
        Some(&(_, kind, content)) => {
            ([(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, A_YEAR)], content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A page, under a policy that lets it load [`FOLDER`] and nothing else, and run nothing. Its forms may
/// lead to the module itself, and to `form_targets`: source expressions of the Content Security Policy.
pub fn page(status: StatusCode, page: &impl Template, form_targets: &str) -> Response {
    // KERN's icons are images within its style sheet.
    let policy = format!(
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src data:; \
         form-action 'self' {form_targets}; frame-ancestors 'none'; base-uri 'none'"
    );
    match page.render() {
        Ok(text) => (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
