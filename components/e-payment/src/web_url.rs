// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! URLs that a browser may be redirected to.

use serde::{Deserialize, Serialize};
use url::Url;

/// The limit of XBezahldienste, in characters of the original text.
const MAX_LENGTH: usize = 2082;

/// A URL with the scheme http or https. Responses repeat the original text, but browsers are redirected to
/// the parsed URL, since the text may contain what a header must not, such as a line break.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl {
    original: String,
    parsed: Url,
}

impl WebUrl {
    /// The parsed URL, which is safe to use in headers and pages.
    pub fn as_url(&self) -> &Url {
        &self.parsed
    }
}

impl TryFrom<String> for WebUrl {
    type Error = &'static str;

    fn try_from(original: String) -> Result<Self, Self::Error> {
        let expected = "it must be an http or https URL of at most 2082 characters";
        let parsed = Url::parse(&original).map_err(|_| expected)?;
        let allowed = matches!(parsed.scheme(), "https" | "http") && original.chars().count() <= MAX_LENGTH;
        if allowed { Ok(Self { original, parsed }) } else { Err(expected) }
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.original
    }
}
