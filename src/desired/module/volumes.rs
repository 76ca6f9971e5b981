// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The files that a module reads: its configuration, its database URL, the Secrets that its configuration
//! names, and the tokens with which it authenticates to siblings.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, ProjectedVolumeSource, SecretProjection, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use rathaus_contract::{DATABASE_URL_FILE, MODULE_FILE, SECRETS_FOLDER, TOKENS_FOLDER};

use super::{audience, config_map};
use crate::tenant::Module;

/// File mode: readable for owner and group only. `fsGroup` makes the module's group the owning group.
const FILE_MODE: i32 = 0o440;
/// File mode of the configuration, which contains no secret; the default of Kubernetes.
const CONFIG_MODE: i32 = 0o644;
/// Lifetime of a token in seconds. The kubelet replaces a token after 80 % of it.
const TOKEN_LIFETIME_SECONDS: i64 = 3600;

/// A volume and the path at which it is mounted.
struct MountedVolume {
    volume: Volume,
    path: String,
    /// Mounts this file of the volume instead of the whole folder. Such a file is not updated in a
    /// running pod.
    sub_path: Option<String>,
}

/// Returns all volumes of the pod.
pub fn volumes(module: &Module) -> Vec<Volume> {
    migration_volumes(module)
        .into_iter()
        .chain(module_only_volumes(module))
        .map(|mounted| mounted.volume)
        .collect()
}

/// Returns the mounts of the init container, which runs the migrations.
pub fn migration_mounts(module: &Module) -> Vec<VolumeMount> {
    migration_volumes(module).into_iter().map(mount).collect()
}

/// Returns the mounts of the module's container.
pub fn module_mounts(module: &Module) -> Vec<VolumeMount> {
    migration_volumes(module).into_iter().chain(module_only_volumes(module)).map(mount).collect()
}

fn mount(mounted: MountedVolume) -> VolumeMount {
    VolumeMount {
        name: mounted.volume.name,
        mount_path: mounted.path,
        sub_path: mounted.sub_path,
        read_only: Some(true),
        ..Default::default()
    }
}

fn migration_volumes(module: &Module) -> Vec<MountedVolume> {
    let config = ConfigMapVolumeSource {
        name: module.name.to_string(),
        default_mode: Some(CONFIG_MODE),
        ..Default::default()
    };
    let database = SecretVolumeSource {
        secret_name: Some(module.name.to_string()),
        default_mode: Some(FILE_MODE),
        ..Default::default()
    };
    vec![
        MountedVolume {
            volume: Volume { name: "config".to_owned(), config_map: Some(config), ..Default::default() },
            path: MODULE_FILE.to_owned(),
            sub_path: Some(config_map::CONFIG_KEY.to_owned()),
        },
        MountedVolume {
            volume: Volume { name: "database".to_owned(), secret: Some(database), ..Default::default() },
            path: DATABASE_URL_FILE.trim_end_matches("/url").to_owned(),
            sub_path: None,
        },
    ]
}

fn module_only_volumes(module: &Module) -> impl Iterator<Item = MountedVolume> + use<> {
    [
        ("secrets", SECRETS_FOLDER, secret_projections(module)),
        ("tokens", TOKENS_FOLDER, token_projections(module)),
    ]
    .into_iter()
    .filter(|(_, _, sources)| !sources.is_empty())
    .map(|(name, path, sources)| MountedVolume {
        volume: projected_volume(name, sources),
        path: path.to_owned(),
        sub_path: None,
    })
}

fn projected_volume(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource { default_mode: Some(FILE_MODE), sources: Some(sources) }),
        ..Default::default()
    }
}

/// Projects only the keys that the module reads. The projection is not optional, so that running pods
/// keep the files if the Secret is deleted.
fn secret_projections(module: &Module) -> Vec<VolumeProjection> {
    let mut keys: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for secret in module.configuration.secrets() {
        keys.entry(secret.name.clone()).or_default().extend(secret.keys());
    }
    let item = |name: &str, key: &str| KeyToPath {
        key: key.to_owned(),
        path: format!("{name}/{key}"),
        ..Default::default()
    };
    keys.into_iter()
        .map(|(name, keys)| VolumeProjection {
            secret: Some(SecretProjection {
                items: Some(keys.into_iter().map(|key| item(&name, key)).collect()),
                name,
                ..Default::default()
            }),
            ..Default::default()
        })
        .collect()
}

/// One token for each sibling that the module uses, with that sibling's URL as its audience.
fn token_projections(module: &Module) -> Vec<VolumeProjection> {
    let token = |(sibling, url): (&_, &_)| VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(audience(url)),
            expiration_seconds: Some(TOKEN_LIFETIME_SECONDS),
            path: ToString::to_string(sibling),
        }),
        ..Default::default()
    };
    module.uses.iter().map(token).collect()
}
