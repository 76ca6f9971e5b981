// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads issuer and public keys of the ServiceAccount tokens.

use http::Request;
use kube::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Error;
use crate::desired::module::TokenAuthority;

/// OpenID Provider Metadata (OpenID Connect Discovery 1.0, section 3); only the field that is used here.
#[derive(Deserialize)]
struct ProviderMetadata {
    issuer: String,
}

/// A JWK Set (RFC 7517, section 5).
#[derive(Deserialize)]
struct KeySet {
    keys: Vec<Value>,
}

/// Reads issuer and keys from the API server itself. The `jwks_uri` of the metadata is not used: it is
/// meant for other clients, and the operator may not be able to reach it.
pub async fn fetch_token_authority(client: &Client) -> Result<TokenAuthority, Error> {
    let metadata: ProviderMetadata = get(client, "/.well-known/openid-configuration").await?;
    let mut set: KeySet = get(client, "/openid/v1/jwks").await?;
    // Several API servers may list the keys in a different order, and each difference would replace the
    // modules' pods.
    set.keys.sort_by_cached_key(Value::to_string);
    Ok(TokenAuthority { issuer: metadata.issuer, keys: json!({ "keys": set.keys }) })
}

async fn get<T: DeserializeOwned>(client: &Client, path: &str) -> Result<T, Error> {
    let action = format!("read {path}, which says how tokens are signed");
    let invalid_request =
        |error: http::Error| Error::Unavailable { action: action.clone(), message: error.to_string() };
    let request = Request::get(path).body(Vec::new()).map_err(invalid_request)?;
    client.request(request).await.map_err(Error::from_kube(action))
}
