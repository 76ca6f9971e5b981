// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! By what a town's online services prove who they are to its e-payment: a Secret that the town makes.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, api::PostParams};
use rand::distr::{Alphanumeric, SampleString};
use serde_json::json;

/// Its name, as `manifests/kreis-borken/modules` name it.
const SECRET: &str = "online-dienste";
const KEY: &str = "token";

/// The token that a town's namespace holds; one that is missing is made of chance.
///
/// # Errors
/// The API server refuses it, or the Secret that is there has no token.
pub async fn keep(client: &Client, namespace: &str) -> Result<String> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    if let Some(known) = secrets.get_opt(SECRET).await? {
        let token = known.data.and_then(|mut data| data.remove(KEY));
        let token = token.with_context(|| format!("Secret {namespace}/{SECRET} has no key {KEY}"))?;
        return Ok(String::from_utf8(token.0)?);
    }
    let token = Alphanumeric.sample_string(&mut rand::rng(), 43);
    let secret = json!({"metadata": {"name": SECRET}, "stringData": {KEY: token}});
    secrets.create(&PostParams::default(), &serde_json::from_value(secret)?).await?;
    Ok(token)
}
