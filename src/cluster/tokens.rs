// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! How the API server signs the tokens of ServiceAccounts.

use http::Request;
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Error;
use crate::desired::module::TokenAuthority;

/// OpenID Provider Metadata (OpenID Connect Discovery 1.0, section 3), as far as it is of use here.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
}

/// A JWK Set (RFC 7517, section 5).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Asks the API server itself, and not the address that its metadata name for others.
pub async fn token_authority(client: &Client) -> Result<TokenAuthority, Error> {
    let metadata: Metadata = get(client, "/.well-known/openid-configuration").await?;
    let mut set: KeySet = get(client, "/openid/v1/jwks").await?;
    // Several API servers may list them differently; a change replaces pods.
    set.keys.sort_by_cached_key(Value::to_string);
    Ok(TokenAuthority { issuer: metadata.issuer, keys: json!({ "keys": set.keys }) })
}

async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Error> {
    let what = format!("read {path}, which says how tokens are signed");
    let unasked = |error: http::Error| Error::Unavailable { what: what.clone(), message: error.to_string() };
    let request = Request::get(path).body(Vec::new()).map_err(unasked)?;
    client.request(request).await.map_err(Error::of(what))
}
