// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What a module reads from files: its configuration, its database's URL, the Secrets that its town
//! names, and the tokens by which it proves to siblings who it is.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, KeyToPath, ProjectedVolumeSource, SecretProjection, SecretVolumeSource,
    ServiceAccountTokenProjection, Volume, VolumeMount, VolumeProjection,
};
use rathaus_contract::{DATABASE_URL_FILE, MODULE_FILE, SECRETS_FOLDER, TOKENS_FOLDER};

use super::{audience, config_map};
use crate::tenant::Module;

/// Readable for the module's group alone; fsGroup makes it that group's.
const MODE: i32 = 0o440;
/// The kubelet replaces a token after four fifths of it.
const TOKEN_SECONDS: i64 = 3600;

/// A volume and where it is mounted.
struct Mounted {
    volume: Volume,
    path: String,
    /// One file of it instead of the folder; such a file never changes in a running pod.
    sub_path: Option<String>,
}

/// Every volume of the pod.
pub fn volumes(module: &Module) -> Vec<Volume> {
    of_migration(module).into_iter().chain(of_service(module)).map(|mounted| mounted.volume).collect()
}

/// What migrations read.
pub fn mounts_of_migration(module: &Module) -> Vec<VolumeMount> {
    of_migration(module).into_iter().map(mount).collect()
}

/// What the module reads.
pub fn mounts(module: &Module) -> Vec<VolumeMount> {
    of_migration(module).into_iter().chain(of_service(module)).map(mount).collect()
}

fn mount(mounted: Mounted) -> VolumeMount {
    VolumeMount {
        name: mounted.volume.name,
        mount_path: mounted.path,
        sub_path: mounted.sub_path,
        read_only: Some(true),
        ..Default::default()
    }
}

fn of_migration(module: &Module) -> Vec<Mounted> {
    let config = ConfigMapVolumeSource { name: module.name.to_string(), ..Default::default() };
    let database = SecretVolumeSource {
        secret_name: Some(module.name.to_string()),
        default_mode: Some(MODE),
        ..Default::default()
    };
    vec![
        Mounted {
            volume: Volume { name: "config".to_owned(), config_map: Some(config), ..Default::default() },
            path: MODULE_FILE.to_owned(),
            sub_path: Some(config_map::FILE.to_owned()),
        },
        Mounted {
            volume: Volume { name: "database".to_owned(), secret: Some(database), ..Default::default() },
            path: DATABASE_URL_FILE.trim_end_matches("/url").to_owned(),
            sub_path: None,
        },
    ]
}

fn of_service(module: &Module) -> impl Iterator<Item = Mounted> + use<> {
    [("secrets", SECRETS_FOLDER, secrets(module)), ("tokens", TOKENS_FOLDER, tokens(module))]
        .into_iter()
        .filter(|(_, _, sources)| !sources.is_empty())
        .map(|(name, path, sources)| Mounted {
            volume: projected(name, sources),
            path: path.to_owned(),
            sub_path: None,
        })
}

fn projected(name: &str, sources: Vec<VolumeProjection>) -> Volume {
    Volume {
        name: name.to_owned(),
        projected: Some(ProjectedVolumeSource { default_mode: Some(MODE), sources: Some(sources) }),
        ..Default::default()
    }
}

/// The keys that the module reads, and no others. Not optional: a Secret that is deleted stays in the
/// pods that run.
fn secrets(module: &Module) -> Vec<VolumeProjection> {
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

fn tokens(module: &Module) -> Vec<VolumeProjection> {
    let token = |(sibling, url): (&_, &_)| VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(audience(url)),
            expiration_seconds: Some(TOKEN_SECONDS),
            path: ToString::to_string(sibling),
        }),
        ..Default::default()
    };
    module.uses.iter().map(token).collect()
}
