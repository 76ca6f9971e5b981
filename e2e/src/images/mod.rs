// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Images without an engine: one static binary on an empty root file system each.

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

/// Stands for the registry that the images are pushed to one day; nothing is ever pulled from it.
pub const REPOSITORY: &str = "registry.example/rathaus";
const LIMIT: Duration = Duration::from_secs(60);
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// What an own image may weigh, in bytes.
const MAX_SIZE: u64 = 25_000_000;

/// An OCI archive on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name of its one binary.
    pub name: String,
    /// Of its manifest, with `sha256:`.
    pub digest: String,
    /// The archive.
    pub archive: PathBuf,
    /// Of the archive, in bytes.
    pub size: u64,
}

/// Kept beside an archive: what it was made from.
#[derive(Serialize, Deserialize)]
struct Made {
    stamp: String,
    image: Image,
}

/// A binary to pack.
struct Content<'a> {
    name: &'a str,
    version: &'a str,
    licence: &'a str,
    source: &'a str,
    binary: PathBuf,
}

impl Image {
    /// Name and digest, as a pod names it.
    pub fn reference(&self) -> String {
        format!("{}@{}", self.repository(), self.digest)
    }

    /// Where it would be pulled from, without the digest.
    pub fn repository(&self) -> String {
        format!("{REPOSITORY}/{}", self.name)
    }

    /// Brings it into containerd under its [`Self::reference`], unless it is there.
    ///
    /// # Errors
    /// containerd does not answer or refuses the archive.
    pub async fn import(&self, ctr: &Path, socket: &Path) -> Result<()> {
        let run = async |words: &[&str]| {
            let mut command = Command::new(ctr);
            command.arg("--address").arg(socket).args(["--namespace", "k8s.io", "images"]).args(words);
            command::output(&mut command, LIMIT).await
        };
        let reference = self.reference();
        let there = run(&["list", "--quiet"]).await?;
        if String::from_utf8_lossy(&there).lines().any(|name| name == reference) {
            return Ok(());
        }
        run(&["import", &self.archive.to_string_lossy()]).await?;
        run(&["tag", "--force", &tag(&self.name), &reference]).await.map(drop)
    }
}

/// The image `name` among `images`.
///
/// # Errors
/// It is not among them.
pub fn named<'a>(images: &'a [Image], name: &str) -> Result<&'a Image> {
    let found = images.iter().find(|image| image.name == name);
    found.with_context(|| format!("no image {name} was built"))
}

/// The image `name` of the local node as it was last packed.
///
/// # Errors
/// It never was.
pub fn packed(name: &str) -> Result<Image> {
    let record = paths::cache()?.join("images").join(format!("{name}.json"));
    let text =
        fs::read(&record).with_context(|| format!("{}: pack it with `cargo xtask up`", record.display()))?;
    Ok(serde_json::from_slice::<Made>(&text)?.image)
}

/// Builds the project's own images into `dist`.
///
/// # Errors
/// A build fails, or an image is heavier than 25 MB.
pub async fn own(progress: &mut Progress, release: bool) -> Result<Vec<Image>> {
    prerequisites::components(progress).await?;
    let mut words = vec!["--package=rathaus", "--package=e-payment", "--bins"];
    if release {
        words.push("--release");
    }
    let binaries = progress.step("building rathaus and its components", cargo_build(&words)).await?;
    progress.step("packing their images", pack_own(&binaries)).await
}

/// Builds what the local node and the tests run beside those, into the cache.
///
/// # Errors
/// A build fails.
pub async fn node(progress: &mut Progress, tools: &Tools) -> Result<Vec<Image>> {
    let words = ["--package=e2e", "--bin=pause", "--bin=probe"];
    let binaries = progress.step("building the node's own programs", cargo_build(&words)).await?;
    progress.step("packing the node's images", pack_node(tools, &binaries)).await
}

async fn pack_own(binaries: &BTreeMap<String, PathBuf>) -> Result<Vec<Image>> {
    let folder = paths::repository().join("dist");
    let mut images = Vec::new();
    for name in ["rathaus", "e-payment"] {
        let image = pack(&folder, &ours(name, binaries)?).await?;
        if image.size > MAX_SIZE {
            bail!("the image {name} weighs {} bytes; {MAX_SIZE} is the most", image.size);
        }
        images.push(image);
    }
    Ok(images)
}

async fn pack_node(tools: &Tools, binaries: &BTreeMap<String, PathBuf>) -> Result<Vec<Image>> {
    let folder = paths::cache()?.join("images");
    let foreign = |name, source| -> Result<Content<'_>> {
        let binary = tools.path(name)?.to_path_buf();
        Ok(Content { name, version: tools.version(name)?, licence: "Apache-2.0", source, binary })
    };
    let contents = [
        ours("pause", binaries)?,
        ours("probe", binaries)?,
        foreign("coredns", "https://github.com/coredns/coredns")?,
        foreign("caddy", "https://github.com/caddyserver/caddy")?,
    ];
    let mut images = Vec::new();
    for content in &contents {
        images.push(pack(&folder, content).await?);
    }
    Ok(images)
}

fn ours<'a>(name: &'a str, binaries: &BTreeMap<String, PathBuf>) -> Result<Content<'a>> {
    let binary = binaries.get(name).with_context(|| format!("cargo built no program {name}"))?;
    Ok(Content {
        name,
        version: env!("CARGO_PKG_VERSION"),
        licence: env!("CARGO_PKG_LICENSE"),
        source: env!("CARGO_PKG_REPOSITORY"),
        binary: binary.clone(),
    })
}

async fn pack(folder: &Path, content: &Content<'_>) -> Result<Image> {
    fs::create_dir_all(folder)?;
    let archive = folder.join(format!("{}.tar", content.name));
    let record = folder.join(format!("{}.json", content.name));
    let stamp = stamp(content)?;
    if let Some(made) = fs::read(&record).ok().and_then(|text| serde_json::from_slice::<Made>(&text).ok())
        && made.stamp == stamp
        && fs::metadata(&archive).is_ok_and(|file| file.len() == made.image.size)
    {
        return Ok(made.image);
    }
    let stripped = folder.join(format!("{}.stripped", content.name));
    let mut strip = Command::new("strip");
    strip.arg("--strip-all").arg("-o").arg(&stripped).arg(&content.binary);
    command::output(&mut strip, LIMIT).await?;
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
    let made = Made { stamp, image };
    fs::write(&record, serde_json::to_vec_pretty(&made)?)?;
    Ok(made.image)
}

/// Only a name under which an archive is imported: what runs is named by digest.
fn tag(name: &str) -> String {
    format!("{REPOSITORY}/{name}:{}", env!("CARGO_PKG_VERSION"))
}

fn stamp(content: &Content<'_>) -> Result<String> {
    let file = fs::metadata(&content.binary).with_context(|| content.binary.display().to_string())?;
    let changed = file.modified()?.duration_since(UNIX_EPOCH)?.as_nanos();
    let Content { version, licence, source, binary, .. } = content;
    Ok(format!("{} {} {changed} {version} {licence} {source}", binary.display(), file.len()))
}

/// Programs by name.
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
