// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Which cluster a command works on.

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

/// A cluster that someone named, else the local node.
#[derive(Debug, Clone)]
pub enum Target {
    /// Started by the harness, which then also is its gateway and its database server.
    Local,
    /// Used as it is: its gateway, its database server and a Secret with the database's URL are there.
    Named {
        /// How to reach it.
        kubeconfig: PathBuf,
        /// Registry and path from which it pulls the project's images.
        images: String,
        /// Helm values that say where its gateway, DNS and database are.
        values: Option<PathBuf>,
    },
}

impl Target {
    /// The kubeconfig of the local node names the local node, whoever names it.
    ///
    /// # Errors
    /// A cluster is named, but not where it pulls images from.
    pub fn new(kubeconfig: Option<PathBuf>, images: Option<String>, values: Option<PathBuf>) -> Result<Self> {
        let Some(kubeconfig) = kubeconfig.filter(|file| *file != admin_kubeconfig()) else {
            return Ok(Self::Local);
        };
        let images = images.with_context(|| {
            format!(
                "{} names a cluster of yours: push the archives that `cargo xtask images` writes to a \
                 registry it can pull from, and name that by --images registry.example/path",
                kubeconfig.display()
            )
        })?;
        Ok(Self::Named { kubeconfig, images, values })
    }

    /// Builds the programs that it takes: for a cluster that is there, Helm alone.
    ///
    /// # Errors
    /// The machine lacks something, or a build fails.
    pub async fn tools(&self, progress: &mut Progress) -> Result<Tools> {
        match self {
            Self::Local => {
                prerequisites::node(progress).await?;
                Tools::build(progress, |_| true).await
            }
            Self::Named { .. } => Tools::build(progress, |tool| tool == "helm").await,
        }
    }

    /// Starts the local node if that is the target, and brings the images into it.
    ///
    /// # Errors
    /// It does not start, or the named cluster does not answer.
    pub async fn start(&self, progress: &mut Progress, tools: &Tools, own: &[Image]) -> Result<Client> {
        match self {
            Self::Local => {
                let mut images = images::node(progress, tools).await?;
                images.extend_from_slice(own);
                node::up(progress, tools, &images).await
            }
            Self::Named { kubeconfig, .. } => {
                let client = client::from_kubeconfig(kubeconfig).await?;
                let asked = client.apiserver_version().await;
                asked.with_context(|| format!("the cluster of {} does not answer", kubeconfig.display()))?;
                Ok(client)
            }
        }
    }

    /// How to reach it.
    pub fn kubeconfig(&self) -> PathBuf {
        match self {
            Self::Local => admin_kubeconfig(),
            Self::Named { kubeconfig, .. } => kubeconfig.clone(),
        }
    }

    /// Where it pulls an image from, without the digest.
    pub fn repository(&self, image: &Image) -> String {
        match self {
            Self::Local => image.repository(),
            Self::Named { images, .. } => format!("{}/{}", images.trim_end_matches('/'), image.name),
        }
    }

    /// A client for what citizens see.
    ///
    /// # Errors
    /// The local node has no authority, since it does not run.
    pub fn citizen(&self) -> Result<reqwest::Client> {
        let builder = reqwest::Client::builder()
            .timeout(std::time::Duration::from_secs(20))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        Ok(match self {
            Self::Local => gateway::through(builder)?,
            Self::Named { .. } => builder,
        }
        .build()?)
    }

    /// The words that let `curl` open a page of the local gateway.
    pub fn curl(&self, url: &Url) -> String {
        match self {
            Self::Local => format!(
                "curl --cacert {} --resolve {}:443:{} {url}",
                pki::certificate_file("ca").display(),
                url.host_str().unwrap_or_default(),
                HOST,
            ),
            Self::Named { .. } => format!("curl {url}"),
        }
    }
}
