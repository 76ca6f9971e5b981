// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The token by which a town's online services authenticate at its e-payment module. It is in a Secret that
//! the town creates.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;

/// The name of the Secret, as in `manifests/kreis-borken/modules`.
const SECRET: &str = "online-dienste";
const KEY: &str = "token";

/// Returns the token in a town's namespace. If the Secret does not exist, it is created with a random token.
///
/// # Errors
/// Fails if the API server rejects the request, or if the existing Secret has no token.
pub async fn ensure_token(client: &Client, namespace: &str) -> Result<String> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    if let Some(existing) = secrets.get_opt(SECRET).await? {
        let token = existing.data.and_then(|mut data| data.remove(KEY));
        let token = token.with_context(|| format!("Secret {namespace}/{SECRET} has no key {KEY}"))?;
        return Ok(String::from_utf8(token.0)?);
    }
    let token = Alphanumeric.sample_string(&mut rand::rng(), 43);
    let secret = json!({"metadata": {"name": SECRET}, "stringData": {KEY: token}});
    secrets.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
    Ok(token)
}
