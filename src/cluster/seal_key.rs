// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The key of the seals, in the Secret `rathaus-seal` of the operator's namespace.

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::api::{ListParams, ObjectMeta};
use kube::{Api, Client, ResourceExt};
use rand::Rng;

use super::Error;
use super::apply::post_params;
use crate::tenant::{SEAL, SEAL_KEY_BYTES, SealKey};

/// Name of the Secret with the key of the seals.
pub const SEAL_SECRET: &str = "rathaus-seal";
const KEY: &str = "key";

/// Reads the key of the seals, and creates it if there is none.
///
/// # Errors
/// Fails if the Secret cannot be read or created or has no usable key; and with [`Error::SealKeyLost`] if there
/// is none although a namespace carries a seal. With a new key, the operator would take its own objects for
/// those of somebody else.
pub async fn keep_seal_key(client: &Client, namespace: &str) -> Result<SealKey, Error> {
    if let Some(key) = get_seal_key(client, namespace).await? {
        return Ok(key);
    }
    let namespaces = Api::<Namespace>::all(client.clone()).list_metadata(&ListParams::default()).await;
    let namespaces = namespaces.map_err(Error::from_kube("list namespaces"))?;
    if let Some(sealed) = namespaces.items.iter().find(|found| found.annotations().contains_key(SEAL)) {
        return Err(Error::SealKeyLost { namespace: namespace.to_owned(), sealed: sealed.name_any() });
    }
    let mut bytes = [0; SEAL_KEY_BYTES];
    rand::rng().fill_bytes(&mut bytes);
    let secret = Secret {
        metadata: ObjectMeta { name: Some(SEAL_SECRET.to_owned()), ..Default::default() },
        data: Some([(KEY.to_owned(), ByteString(bytes.to_vec()))].into()),
        // A key that changes would make every object foreign.
        immutable: Some(true),
        type_: Some("Opaque".to_owned()),
        ..Default::default()
    };
    tracing::info!(namespace, name = SEAL_SECRET, "create the key of the seals; back it up");
    match Api::<Secret>::namespaced(client.clone(), namespace).create(&post_params(), &secret).await {
        Ok(_) => {}
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(Error::from_kube(format!("create Secret {SEAL_SECRET}"))(error)),
    }
    get_seal_key(client, namespace).await?.ok_or_else(|| Error::Unavailable {
        action: format!("read Secret {SEAL_SECRET}"),
        message: "it was deleted just after it was created".to_owned(),
    })
}

/// Reads the key of the seals; `None` if the Secret does not exist.
///
/// # Errors
/// Fails if the Secret cannot be read or has no usable key.
pub async fn get_seal_key(client: &Client, namespace: &str) -> Result<Option<SealKey>, Error> {
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get_opt(SEAL_SECRET).await;
    let Some(secret) = secret.map_err(Error::from_kube(format!("read Secret {SEAL_SECRET}")))? else {
        return Ok(None);
    };
    let created = secret.metadata.creation_timestamp.map(|created| created.0).unwrap_or_default();
    let bytes = secret.data.and_then(|mut data| data.remove(KEY)).map(|bytes| bytes.0).unwrap_or_default();
    let key = SealKey::new(&bytes, created).map_err(|error| Error::Rejected {
        action: format!("use Secret {SEAL_SECRET}"),
        message: format!("key {KEY:?}: {error}; restore it from the backup"),
    })?;
    Ok(Some(key))
}
