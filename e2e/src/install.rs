// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Installs rathaus in a cluster as state IT does: namespace, Secret of the database, Helm chart, catalogue.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use kube::Client;
use serde_json::json;
use tokio::process::Command;

use crate::{
    apply, command, database,
    images::{self, Image, REPOSITORY},
    network, paths, pki,
    target::Target,
    tools::Tools,
};

/// The namespace of the operator.
pub const NAMESPACE: &str = "rathaus-system";
/// How long Helm, and then the rollout of the operator, may take.
const INSTALL_LIMIT: Duration = Duration::from_secs(120);

/// Installs or upgrades the operator, waits until it is available, and then applies the catalogue.
///
/// # Errors
/// Fails if the API server or Helm rejects something, or if the operator does not become available.
pub async fn install(client: &Client, target: &Target, tools: &Tools, images: &[Image]) -> Result<()> {
    apply::apply_yaml(client, &read_from_repository("manifests/namespace.yaml")?).await?;
    if let Target::Local = target {
        apply::apply_yaml(client, &database_secret()?).await?;
    }
    helm_upgrade(target, tools, images::find(images, "rathaus")?).await?;
    apply::wait_for_rollout(client, NAMESPACE, "rathaus", INSTALL_LIMIT).await?;
    for file in yaml_files("manifests/catalogue")? {
        let text = insert_images(&fs::read_to_string(&file)?, target, images);
        apply::apply_yaml(client, &text).await.with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// Returns the YAML files of a folder of the repository, sorted by name.
///
/// # Errors
/// Fails if the folder is missing or has no YAML file.
pub fn yaml_files(folder: &str) -> Result<Vec<PathBuf>> {
    let folder = paths::repository().join(folder);
    let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
    let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    if files.is_empty() {
        bail!("{} has no YAML file", folder.display());
    }
    Ok(files)
}

fn read_from_repository(file: &str) -> Result<String> {
    fs::read_to_string(paths::repository().join(file)).with_context(|| file.to_owned())
}

fn database_secret() -> Result<String> {
    let secret = json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "rathaus-database", "namespace": NAMESPACE},
        "stringData": {"url": database::admin_url()?, "ca.crt": pki::ca_certificate()?},
    });
    Ok(secret.to_string())
}

async fn helm_upgrade(target: &Target, tools: &Tools, operator: &Image) -> Result<()> {
    let mut helm = Command::new(tools.path("helm")?);
    helm.args(["upgrade", "--install", "rathaus"]).arg(chart());
    helm.args(["--namespace", NAMESPACE, "--kubeconfig"]).arg(target.kubeconfig());
    match target {
        // The services that towns call outside the cluster are behind the local gateway, whose certificates
        // the node's authority signs. kube-proxy replaces its address by that of its pod before policies
        // apply.
        Target::Local => {
            let outbound = json!({"egress": [{"cidr": network::POD_NETWORK}], "ports": [8443]});
            helm.arg("--set-json").arg(format!("settings.outbound={outbound}"));
            helm.arg("--set-file");
            helm.arg(format!("settings.authorities={}", pki::certificate_file("ca").display()));
        }
        Target::Existing { values, .. } => {
            helm.args(values.iter().flat_map(|values| [OsStr::new("--values"), values.as_os_str()]));
        }
    }
    helm.arg("--set").arg(format!("image.name={}", target.image_repository(operator)));
    helm.arg("--set").arg(format!("image.digest={}", operator.digest));
    command::output(&mut helm, INSTALL_LIMIT).await.map(drop)
}

/// Returns the folder of the operator's Helm chart.
pub fn chart() -> PathBuf {
    paths::repository().join(Path::new("charts/rathaus"))
}

/// Inserts the images into a file of the catalogue. The file has a placeholder, since a digest is known only
/// after the build.
fn insert_images(text: &str, target: &Target, images: &[Image]) -> String {
    let no_digest = format!("@sha256:{}", "0".repeat(64));
    images.iter().fold(text.to_owned(), |text, image| {
        let placeholder = format!("{REPOSITORY}/{}{no_digest}", image.name);
        text.replace(&placeholder, &format!("{}@{}", target.image_repository(image), image.digest))
    })
}
