// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! HTML pages in KERN, the design system of the German administration. Every page extends
//! `templates/page.html`; the style sheets and fonts are compiled into the binary and served from here.

use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;

/// URL path of the style sheets and fonts. It contains a digest of their content, so that browsers may
/// cache them for ever.
pub const STATIC_PATH: &str = concat!("/static/", env!("WEB_DIGEST"));

const CACHE_FOR_A_YEAR: &str = "public, max-age=31536000, immutable";
const CSS: &str = "text/css; charset=utf-8";
const WOFF2: &str = "font/woff2";

macro_rules! include_kern_file {
    ($name:literal) => {
        include_bytes!(concat!(env!("KERN"), "/", $name))
    };
}

/// Name, media type and content of each file. Fira Sans is licensed under OFL-1.1; the metadata of each
/// font file says so.
const STATIC_FILES: [(&str, &str, &[u8]); 5] = [
    ("kern.css", CSS, include_kern_file!("kern.min.css")),
    ("site.css", CSS, include_bytes!("../web/site.css")),
    ("FiraSans-Regular.woff2", WOFF2, include_kern_file!("fonts/fira-sans/FiraSans-Regular.woff2")),
    ("FiraSans-Medium.woff2", WOFF2, include_kern_file!("fonts/fira-sans/FiraSans-Medium.woff2")),
    ("FiraSans-SemiBold.woff2", WOFF2, include_kern_file!("fonts/fira-sans/FiraSans-SemiBold.woff2")),
];

/// Returns the routes that serve the files below [`STATIC_PATH`].
pub fn static_routes() -> Router {
    Router::new().route(&format!("{STATIC_PATH}/{{name}}"), get(static_file))
}

async fn static_file(Path(requested): Path<String>) -> Response {
    match STATIC_FILES.iter().find(|(name, ..)| *name == requested) {
        Some(&(_, media_type, content)) => {
            let headers = [(header::CONTENT_TYPE, media_type), (header::CACHE_CONTROL, CACHE_FOR_A_YEAR)];
            (headers, content).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Renders `template` as a response. Its Content Security Policy lets the page load the files below
/// [`STATIC_PATH`] and nothing else, and run no scripts. Forms may be sent to the module itself and to
/// `form_targets`: source expressions of the policy, separated by spaces.
pub fn render_page(status: StatusCode, template: &impl Template, form_targets: &str) -> Response {
    // KERN embeds its icons as data URLs in its style sheet.
    let policy = format!(
        "default-src 'none'; style-src 'self'; font-src 'self'; img-src data:; \
         form-action 'self' {form_targets}; frame-ancestors 'none'; base-uri 'none'"
    );
    match template.render() {
        Ok(html) => (status, [(header::CONTENT_SECURITY_POLICY, policy)], Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "cannot render a page");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
