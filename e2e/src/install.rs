// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Installs rathaus in a cluster as state IT would: namespace, database Secret, Helm chart, catalogue.

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
    images::{Image, REPOSITORY, named},
    network, paths, pki,
    target::Target,
    tools::Tools,
};

/// Where the operator runs.
pub const NAMESPACE: &str = "rathaus-system";
const LIMIT: Duration = Duration::from_secs(120);

/// Installs the operator, or upgrades it, and waits until it is available; then publishes the
/// catalogue.
///
/// # Errors
/// The API server or Helm refuses something, or the operator does not become available.
pub async fn install(client: &Client, target: &Target, tools: &Tools, images: &[Image]) -> Result<()> {
    apply::text(client, &read("manifests/namespace.yaml")?).await?;
    if let Target::Local = target {
        apply::text(client, &database_secret()?).await?;
    }
    helm(target, tools, named(images, "rathaus")?).await?;
    apply::rolled_out(client, NAMESPACE, "rathaus", LIMIT).await?;
    for file in files("manifests/catalogue")? {
        let text = with_images(&fs::read_to_string(&file)?, target, images);
        apply::text(client, &text).await.with_context(|| file.display().to_string())?;
    }
    Ok(())
}

/// The YAML files of a folder of the repository, by name.
///
/// # Errors
/// The folder is missing or empty.
pub fn files(folder: &str) -> Result<Vec<PathBuf>> {
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

fn read(file: &str) -> Result<String> {
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

async fn helm(target: &Target, tools: &Tools, operator: &Image) -> Result<()> {
    let mut helm = Command::new(tools.path("helm")?);
    helm.args(["upgrade", "--install", "rathaus"]).arg(chart());
    helm.args(["--namespace", NAMESPACE, "--kubeconfig"]).arg(target.kubeconfig());
    match target {
        // What towns call out here lies behind the local gateway, whose authority is this machine's. Its
        // address becomes that of its pod before policies see it.
        Target::Local => {
            let outbound = json!({"egress": [{"cidr": network::POD_NETWORK}], "ports": [8443]});
            helm.arg("--set-json").arg(format!("settings.outbound={outbound}"));
            helm.arg("--set-file");
            helm.arg(format!("settings.authorities={}", pki::certificate_file("ca").display()));
        }
        Target::Named { values, .. } => {
            helm.args(values.iter().flat_map(|values| [OsStr::new("--values"), values.as_os_str()]));
        }
    }
    helm.arg("--set").arg(format!("image.name={}", target.repository(operator)));
    helm.arg("--set").arg(format!("image.digest={}", operator.digest));
    command::output(&mut helm, LIMIT).await.map(drop)
}

/// The operator's chart.
pub fn chart() -> PathBuf {
    paths::repository().join(Path::new("charts/rathaus"))
}

/// The catalogue names no image, since a digest is known only once it is built.
fn with_images(text: &str, target: &Target, images: &[Image]) -> String {
    let nothing = format!("@sha256:{}", "0".repeat(64));
    images.iter().fold(text.to_owned(), |text, image| {
        let placeholder = format!("{REPOSITORY}/{}{nothing}", image.name);
        text.replace(&placeholder, &format!("{}@{}", target.repository(image), image.digest))
    })
}
