// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Builds container images without a container engine. Each image is one static binary on an empty root file
//! system.

mod oci;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::process::Command;

use crate::{command, paths, prerequisites, progress::Progress, tools::Tools};

/// Placeholder for the registry of the images. Nothing is ever pulled from it.
pub const REPOSITORY: &str = "registry.example/rathaus";
/// How long packing or importing one image may take.
const PACK_LIMIT: Duration = Duration::from_secs(60);
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// The largest allowed archive of one of the project's images, in bytes.
const MAX_SIZE: u64 = 25_000_000;

/// An OCI archive on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name of the image, and of the one binary in it.
    pub name: String,
    /// The digest of its manifest, with `sha256:`.
    pub digest: String,
    /// The path of the archive.
    pub archive: PathBuf,
    /// The size of the archive in bytes.
    pub size: u64,
}

/// Stored as JSON beside an archive, so that an unchanged binary is not packed again.
#[derive(Serialize, Deserialize)]
struct PackRecord {
    /// Identifies the binary and the labels that the image was packed from.
    stamp: String,
    image: Image,
}

/// A binary to pack, and what the labels of its image say.
struct Content<'a> {
    name: &'a str,
    version: &'a str,
    licence: &'a str,
    source: &'a str,
    binary: PathBuf,
}

impl Image {
    /// Returns repository and digest, as a pod refers to the image.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.repository(), self.digest)
    }

    /// Returns the repository of the image, without tag and digest.
    pub fn repository(&self) -> String {
        format!("{REPOSITORY}/{}", self.name)
    }

    /// Imports the image into containerd under its [`Self::reference`], unless containerd has it already.
    ///
    /// # Errors
    /// Fails if containerd does not answer or rejects the archive.
    pub async fn import(&self, ctr: &Path, socket: &Path) -> Result<()> {
        let run = async |words: &[&str]| {
            let mut command = Command::new(ctr);
            command.arg("--address").arg(socket).args(["--namespace", "k8s.io", "images"]).args(words);
            command::output(&mut command, PACK_LIMIT).await
        };
        let reference = self.reference();
        let existing = run(&["list", "--quiet"]).await?;
        if String::from_utf8_lossy(&existing).lines().any(|name| name == reference) {
            return Ok(());
        }
        run(&["import", &self.archive.to_string_lossy()]).await?;
        run(&["tag", "--force", &tag(&self.name), &reference]).await.map(drop)
    }
}

/// Returns the image `name` among `images`.
///
/// # Errors
/// Fails if it is not among them.
pub fn find<'a>(images: &'a [Image], name: &str) -> Result<&'a Image> {
    let found = images.iter().find(|image| image.name == name);
    found.with_context(|| format!("no image {name} was built"))
}

/// Returns the image `name` of the local node as it was packed last.
///
/// # Errors
/// Fails if the image was never packed.
pub fn packed(name: &str) -> Result<Image> {
    let record = paths::cache()?.join("images").join(format!("{name}.json"));
    let text =
        fs::read(&record).with_context(|| format!("{}: pack it with `cargo xtask up`", record.display()))?;
    Ok(serde_json::from_slice::<PackRecord>(&text)?.image)
}

/// Builds the images of the operator and of the components into `dist`.
///
/// # Errors
/// Fails if a build fails, or if an image is larger than 25 MB.
pub async fn build_project_images(progress: &mut Progress, release: bool) -> Result<Vec<Image>> {
    prerequisites::ensure_component_packages(progress).await?;
    let mut words = vec!["--package=rathaus", "--package=e-payment", "--bins"];
    if release {
        words.push("--release");
    }
    let binaries = progress.step("building rathaus and its components", cargo_build(&words)).await?;
    progress.step("packing their images", pack_project_images(&binaries)).await
}

/// Builds the operator as state IT publishes it, as a program of this machine, and returns its path.
///
/// # Errors
/// Fails if the build fails.
pub async fn build_operator(progress: &mut Progress) -> Result<PathBuf> {
    let words = ["--package=rathaus", "--bin=rathaus", "--release"];
    let mut binaries = progress.step("building rathaus", cargo_build(&words)).await?;
    binaries.remove("rathaus").context("cargo built no program rathaus")
}

/// Builds the images that the local node and the tests run in addition, into the cache folder.
///
/// # Errors
/// Fails if a build fails.
pub async fn build_node_images(progress: &mut Progress, tools: &Tools) -> Result<Vec<Image>> {
    let words = ["--package=e2e", "--bin=pause", "--bin=probe"];
    let binaries = progress.step("building the node's programs", cargo_build(&words)).await?;
    progress.step("packing the node's images", pack_node_images(tools, &binaries)).await
}

async fn pack_project_images(binaries: &BTreeMap<String, PathBuf>) -> Result<Vec<Image>> {
    let folder = paths::repository().join("dist");
    let mut images = Vec::new();
    for name in ["rathaus", "e-payment"] {
        let image = pack(&folder, &project_content(name, binaries)?).await?;
        if image.size > MAX_SIZE {
            bail!("the image {name} has {} bytes; at most {MAX_SIZE} are allowed", image.size);
        }
        images.push(image);
    }
    Ok(images)
}

async fn pack_node_images(tools: &Tools, binaries: &BTreeMap<String, PathBuf>) -> Result<Vec<Image>> {
    let folder = paths::cache()?.join("images");
    let third_party = |name, source| -> Result<Content<'_>> {
        let binary = tools.path(name)?.to_path_buf();
        Ok(Content { name, version: tools.version(name)?, licence: "Apache-2.0", source, binary })
    };
    let contents = [
        project_content("pause", binaries)?,
        project_content("probe", binaries)?,
        third_party("coredns", "https://github.com/coredns/coredns")?,
        third_party("caddy", "https://github.com/caddyserver/caddy")?,
    ];
    let mut images = Vec::new();
    for content in &contents {
        images.push(pack(&folder, content).await?);
    }
    Ok(images)
}

fn project_content<'a>(name: &'a str, binaries: &BTreeMap<String, PathBuf>) -> Result<Content<'a>> {
    let binary = binaries.get(name).with_context(|| format!("cargo built no program {name}"))?;
    Ok(Content {
        name,
        version: env!("CARGO_PKG_VERSION"),
        licence: env!("CARGO_PKG_LICENSE"),
        source: env!("CARGO_PKG_REPOSITORY"),
        binary: binary.clone(),
    })
}

/// Packs a binary, or returns the image of the last run if nothing has changed.
async fn pack(folder: &Path, content: &Content<'_>) -> Result<Image> {
    fs::create_dir_all(folder)?;
    let archive = folder.join(format!("{}.tar", content.name));
    let record_file = folder.join(format!("{}.json", content.name));
    let stamp = stamp(content)?;
    if let Some(last) =
        fs::read(&record_file).ok().and_then(|text| serde_json::from_slice::<PackRecord>(&text).ok())
        && last.stamp == stamp
        && fs::metadata(&archive).is_ok_and(|file| file.len() == last.image.size)
    {
        return Ok(last.image);
    }
    let stripped = folder.join(format!("{}.stripped", content.name));
    let mut strip = Command::new("strip");
    strip.arg("--strip-all").arg("-o").arg(&stripped).arg(&content.binary);
    command::output(&mut strip, PACK_LIMIT).await?;
    let binary = fs::read(&stripped)?;
    fs::remove_file(&stripped)?;
    let labels = BTreeMap::from([
        ("org.opencontainers.image.title", content.name),
        ("org.opencontainers.image.version", content.version),
        ("org.opencontainers.image.licenses", content.licence),
        ("org.opencontainers.image.source", content.source),
    ]);
    let packed = oci::pack(content.name, &tag(content.name), &binary, &labels)?;
    fs::write(&archive, &packed.archive)?;
    let image = Image {
        name: content.name.to_owned(),
        digest: packed.digest,
        size: packed.archive.len().try_into()?,
        archive,
    };
    let record = PackRecord { stamp, image };
    fs::write(&record_file, serde_json::to_vec_pretty(&record)?)?;
    Ok(record.image)
}

/// The tag under which an archive is imported. Pods refer to images by digest.
fn tag(name: &str) -> String {
    format!("{REPOSITORY}/{name}:{}", env!("CARGO_PKG_VERSION"))
}

fn stamp(content: &Content<'_>) -> Result<String> {
    let file = fs::metadata(&content.binary).with_context(|| content.binary.display().to_string())?;
    let changed = file.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
    let Content { version, licence, source, binary, .. } = content;
    Ok(format!("{} {} {changed} {version} {licence} {source}", binary.display(), file.len()))
}

/// Builds programs of the workspace and returns their paths by name.
async fn cargo_build(words: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let mut cargo = command::cargo();
    cargo.current_dir(paths::repository());
    cargo.args(["build", "--locked", "--message-format=json-render-diagnostics"]).args(words);
    let printed = command::output(&mut cargo, BUILD_LIMIT).await?;
    Ok(String::from_utf8_lossy(&printed)
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((name.to_owned(), PathBuf::from(message["executable"].as_str()?)))
        })
        .collect())
}
