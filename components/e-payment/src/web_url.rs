// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Where a browser may be sent.

use serde::{Deserialize, Serialize};
use url::Url;

/// The standard's limit, in characters as they are sent.
const LONGEST: usize = 2082;

/// A URL of the schemes http or https. It is echoed as it was sent and followed as it was understood:
/// as text it may hold what a header must not, such as a line's end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebUrl {
    sent: String,
    understood: Url,
}

impl WebUrl {
    /// What is to be followed.
    pub fn understood(&self) -> &Url {
        &self.understood
    }
}

impl TryFrom<String> for WebUrl {
    type Error = &'static str;

    fn try_from(sent: String) -> Result<Self, Self::Error> {
        let wrong = "it must be an http or https URL of at most 2082 characters";
        let understood = Url::parse(&sent).map_err(|_| wrong)?;
        let web = matches!(understood.scheme(), "https" | "http") && sent.chars().count() <= LONGEST;
        if web { Ok(Self { sent, understood }) } else { Err(wrong) }
    }
}

impl From<WebUrl> for String {
    fn from(url: WebUrl) -> Self {
        url.sent
    }
}
