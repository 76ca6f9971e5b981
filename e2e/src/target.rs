// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The cluster that a command works on.

use std::path::PathBuf;

use anyhow::{Context, Result};
use kube::Client;
use url::Url;

use crate::{
    client, gateway,
    images::{self, Image},
    network::HOST,
    node,
    paths::admin_kubeconfig,
    pki, prerequisites,
    progress::Progress,
    tools::Tools,
};

/// The local node, or an existing cluster that the user names.
#[derive(Debug, Clone)]
pub enum Target {
    /// A node on this machine. The harness starts it together with a gateway and a database server.
    Local,
    /// A cluster that is used as it is. It must have a gateway, a database server and the Secret with the URL
    /// of the database.
    Existing {
        /// Path of its kubeconfig.
        kubeconfig: PathBuf,
        /// Registry and path that it pulls the project's images from.
        images: String,
        /// Helm values with the locations of its gateway, DNS and database.
        values: Option<PathBuf>,
    },
}

impl Target {
    /// Returns the cluster of `kubeconfig`, or the local node if there is none or if it is the local node's
    /// own.
    ///
    /// # Errors
    /// Fails if `kubeconfig` names another cluster, but `images` is missing.
    pub fn new(kubeconfig: Option<PathBuf>, images: Option<String>, values: Option<PathBuf>) -> Result<Self> {
        let Some(kubeconfig) = kubeconfig.filter(|file| *file != admin_kubeconfig()) else {
            return Ok(Self::Local);
        };
        let images = images.with_context(|| {
            format!(
                "{} names an existing cluster: push the archives that `cargo xtask images` writes to a \
                 registry that it can pull from, and name that by --images registry.example/path",
                kubeconfig.display()
            )
        })?;
        Ok(Self::Existing { kubeconfig, images, values })
    }

    /// Builds the programs that are needed: for an existing cluster, Helm alone. KWOK is never among them: only
    /// a benchmark simulates nodes.
    ///
    /// # Errors
    /// Fails if the machine lacks a program, or if a build fails.
    pub async fn build_tools(&self, progress: &mut Progress) -> Result<Tools> {
        match self {
            Self::Local => {
                prerequisites::ensure_node_packages(progress).await?;
                Tools::build(progress, |tool| tool != "kwok").await
            }
            Self::Existing { .. } => Tools::build(progress, |tool| tool == "helm").await,
        }
    }

    /// Starts the local node with these images and those of the node; connects to an existing cluster.
    ///
    /// # Errors
    /// Fails if the node does not start, or if the existing cluster does not answer.
    pub async fn start(
        &self,
        progress: &mut Progress,
        tools: &Tools,
        project_images: &[Image],
    ) -> Result<Client> {
        match self {
            Self::Local => {
                let mut images = images::build_node_images(progress, tools).await?;
                images.extend_from_slice(project_images);
                node::up(progress, tools, &images).await
            }
            Self::Existing { kubeconfig, .. } => {
                let client = client::from_kubeconfig(kubeconfig).await?;
                let version = client.apiserver_version().await;
                version
                    .with_context(|| format!("the cluster of {} does not answer", kubeconfig.display()))?;
                Ok(client)
            }
        }
    }

    /// Returns the path of its kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Local => admin_kubeconfig(),
            Self::Existing { kubeconfig, .. } => kubeconfig.clone(),
        }
    }

    /// Returns the repository that it pulls an image from, without the digest.
    pub fn image_repository(&self, image: &Image) -> String {
        match self {
            Self::Local => image.repository(),
            Self::Existing { images, .. } => format!("{}/{}", images.trim_end_matches('/'), image.name),
        }
    }

    /// Returns an HTTP client that reaches the towns' pages as a citizen does. It follows no redirect.
    ///
    /// # Errors
    /// Fails if the target is the local node and it is not running.
    pub fn citizen_client(&self) -> Result<reqwest::Client> {
        let builder = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        Ok(match self {
            Self::Local => gateway::route_through(builder)?,
            Self::Existing { .. } => builder,
        }
        .build()?)
    }

    /// Returns the `curl` command that opens a page.
    pub fn curl_command(&self, url: &Url) -> String {
        match self {
            Self::Local => format!(
                "curl --cacert {} --resolve {}:443:{} {url}",
                pki::certificate_file("ca").display(),
                url.host_str().unwrap_or_default(),
                HOST,
            ),
            Self::Existing { .. } => format!("curl {url}"),
        }
    }
}
