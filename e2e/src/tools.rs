// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The Go programs of the local cluster, built from pinned modules and kept between runs.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::{command, paths, prerequisites, progress::Progress};

const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);

/// A Go module in `e2e/tools` and the programs that are built from it.
#[derive(Debug)]
struct Tool {
    /// Folder of the module below `e2e/tools`.
    folder: &'static str,
    /// The required Go module whose version is the version of the programs.
    module: &'static str,
    /// Names of the programs and their Go packages.
    programs: &'static [(&'static str, &'static str)],
    tags: &'static str,
    /// Flags of the linker. `VERSION` and `MINOR` stand for the version and minor version of the module.
    ldflags: &'static str,
    cgo: bool,
}

/// Linker flags that leave out the symbol table and debug information.
const STRIPPED: &str = "-s -w";

const TOOLS: &[Tool] = &[
    Tool {
        folder: "etcd",
        module: "go.etcd.io/etcd/server/v3",
        programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
        tags: "",
        ldflags: STRIPPED,
        cgo: false,
    },
    Tool {
        folder: "kubernetes",
        module: "k8s.io/kubernetes",
        programs: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubelet", "k8s.io/kubernetes/cmd/kubelet"),
            ("kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"),
        ],
        tags: "",
        // Without these flags every program reports version v0.0.0, and checks of version skew fail.
        ldflags: "-s -w -X k8s.io/component-base/version.gitVersion=VERSION \
                  -X k8s.io/component-base/version.gitMajor=1 \
                  -X k8s.io/component-base/version.gitMinor=MINOR",
        cgo: false,
    },
    Tool {
        folder: "containerd",
        module: "github.com/containerd/containerd/v2",
        programs: &[
            ("containerd", "github.com/containerd/containerd/v2/cmd/containerd"),
            ("containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"),
            ("ctr", "github.com/containerd/containerd/v2/cmd/ctr"),
        ],
        tags: "no_btrfs,no_devmapper,no_zfs",
        ldflags: STRIPPED,
        cgo: false,
    },
    Tool {
        folder: "runc",
        module: "github.com/opencontainers/runc",
        programs: &[("runc", "github.com/opencontainers/runc")],
        tags: "seccomp,netgo,osusergo",
        ldflags: "-s -w -linkmode external -extldflags -static",
        cgo: true,
    },
    Tool {
        folder: "coredns",
        module: "github.com/coredns/coredns",
        programs: &[("coredns", ".")],
        tags: "",
        ldflags: STRIPPED,
        cgo: false,
    },
    Tool {
        folder: "caddy",
        module: "github.com/caddyserver/caddy/v2",
        programs: &[("caddy", ".")],
        tags: "",
        ldflags: STRIPPED,
        cgo: false,
    },
    Tool {
        folder: "helm",
        module: "helm.sh/helm/v4",
        programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
        tags: "",
        ldflags: STRIPPED,
        cgo: false,
    },
    // Only `cargo xtask bench provision` builds it.
    Tool {
        folder: "kwok",
        module: "sigs.k8s.io/kwok",
        programs: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
        tags: "",
        ldflags: STRIPPED,
        cgo: false,
    },
];

/// Paths and versions of the built programs.
#[derive(Debug, Clone)]
pub struct Tools {
    programs: BTreeMap<&'static str, (PathBuf, String)>,
}

impl Tools {
    /// Builds the programs that are not in the cache yet. `wanted` chooses modules by their folder in
    /// `e2e/tools`.
    ///
    /// # Errors
    /// Fails if Go is missing or too old, if a module cannot be downloaded, or if a build fails.
    pub async fn build(progress: &mut Progress, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut programs = BTreeMap::new();
        for tool in TOOLS.iter().filter(|tool| wanted(tool.folder)) {
            let source = ModuleSource::read(tool.folder, tool.module, &format!("{tool:?}"))?;
            let folder = source.cache_folder()?;
            if !folder.exists() {
                prerequisites::ensure_go().await?;
                let temporary = temporary_folder(&folder)?;
                for &(name, package) in tool.programs {
                    let title = format!("building {name} {}", source.version);
                    let build = go_build(tool, &source, package, temporary.join(name));
                    progress.step(&title, build).await?;
                }
                fs::rename(&temporary, &folder)?;
            }
            for &(name, _) in tool.programs {
                programs.insert(name, (folder.join(name), source.version.clone()));
            }
        }
        Ok(Self { programs })
    }

    /// Returns the path of the program `name`.
    ///
    /// # Errors
    /// Fails if the program was not among the `wanted` ones.
    pub fn path(&self, name: &str) -> Result<&Path> {
        Ok(&self.program(name)?.0)
    }

    /// Returns the version of the program `name`, such as `v1.35.0`.
    ///
    /// # Errors
    /// Fails if the program was not among the `wanted` ones.
    pub fn version(&self, name: &str) -> Result<&str> {
        Ok(&self.program(name)?.1)
    }

    fn program(&self, name: &str) -> Result<&(PathBuf, String)> {
        self.programs.get(name).with_context(|| format!("no tool builds {name}"))
    }

    /// Returns a text that changes whenever one of the programs does.
    pub fn fingerprint(&self) -> String {
        let paths = self.programs.values().map(|(path, _)| path.to_string_lossy());
        paths.collect::<Vec<_>>().join("\n")
    }
}

/// A module of `e2e/tools` as it is in the checkout.
struct ModuleSource {
    folder: PathBuf,
    name: &'static str,
    /// The required version, with its `v`.
    version: String,
    /// Hash of the module's files and of how they are built.
    hash: String,
}

impl ModuleSource {
    fn read(name: &'static str, module: &str, recipe: &str) -> Result<Self> {
        let folder = paths::repository().join("e2e/tools").join(name);
        let mut files: Vec<PathBuf> = fs::read_dir(&folder)
            .with_context(|| format!("reading {}", folder.display()))?
            .map(|entry| Ok(entry?.path()))
            .collect::<Result<_>>()?;
        files.sort();
        let mut hash = Sha256::new_with_prefix(recipe);
        for file in files {
            hash.update(fs::read(file)?);
        }
        let text = fs::read_to_string(folder.join("go.mod"))?;
        let version = required_version(&text, module)
            .with_context(|| format!("{name}/go.mod does not require {module}"))?;
        let hash = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { folder, name, version, hash })
    }

    fn cache_folder(&self) -> Result<PathBuf> {
        let name = format!("{}-{}-{}", self.name, self.version.trim_start_matches('v'), self.hash);
        Ok(paths::cache()?.join("bin").join(name))
    }
}

/// Reads from a `go.mod` the version that it requires of `module`.
fn required_version(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|&word| word == "require");
        (words.next() == Some(module)).then(|| words.next())?.map(str::to_owned)
    })
}

/// Creates an empty folder beside `folder`. It is renamed to `folder` only when its content is complete.
fn temporary_folder(folder: &Path) -> Result<PathBuf> {
    let temporary = folder.with_extension(format!("{}.partial", process::id()));
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir_all(&temporary)
        .with_context(|| format!("cannot write {}: set RATHAUS_CACHE", temporary.display()))?;
    Ok(temporary)
}

async fn go_build(tool: &Tool, source: &ModuleSource, package: &str, target: PathBuf) -> Result<()> {
    let minor = source.version.split('.').nth(1).unwrap_or_default();
    let ldflags = tool.ldflags.replace("VERSION", &source.version).replace("MINOR", minor);
    let mut go = go_command(&source.folder);
    go.args(["build", "-trimpath", "-tags", tool.tags, "-ldflags", &ldflags, "-o"])
        .arg(target)
        .arg(package)
        .env("CGO_ENABLED", if tool.cgo { "1" } else { "0" });
    command::output(&mut go, BUILD_LIMIT).await.map(drop)
}

/// The output of `go mod download -json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Download {
    dir: Option<PathBuf>,
    error: Option<String>,
}

/// Returns a folder with the custom resource definitions of the Gateway API.
///
/// # Errors
/// Fails if the module cannot be downloaded.
pub async fn gateway_crds() -> Result<PathBuf> {
    const MODULE: &str = "sigs.k8s.io/gateway-api";
    let source = ModuleSource::read("gateway-api", MODULE, "crds")?;
    let folder = source.cache_folder()?;
    if !folder.exists() {
        let mut go = go_command(&source.folder);
        let printed = command::output(go.args(["mod", "download", "-json", MODULE]), BUILD_LIMIT).await?;
        let download: Download = serde_json::from_slice(&printed)?;
        let Some(module) = download.dir else {
            bail!("{MODULE}: {}", download.error.unwrap_or_default());
        };
        let temporary = temporary_folder(&folder)?;
        for kind in ["gatewayclasses", "gateways", "httproutes", "referencegrants"] {
            let file = format!("gateway.networking.k8s.io_{kind}.yaml");
            // The files of the module cache are read-only; the copies must be writable.
            let text = fs::read(module.join("config/crd/standard").join(&file))?;
            fs::write(temporary.join(&file), text)?;
        }
        fs::rename(&temporary, &folder)?;
    }
    Ok(folder)
}

/// Returns a command for Go that uses no other toolchain and no other modules than the pinned ones.
fn go_command(folder: &Path) -> Command {
    let mut go = Command::new("go");
    go.current_dir(folder).env("GOTOOLCHAIN", "local").env("GOFLAGS", "-mod=readonly").env("GOWORK", "off");
    go
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_a_line_and_from_a_block() {
        let text =
            "module x\n\nrequire a.example/one v1.2.3\n\nrequire (\n\tb.example/two v0.1.0 // indirect\n)\n";
        assert_eq!(required_version(text, "a.example/one").as_deref(), Some("v1.2.3"));
        assert_eq!(required_version(text, "b.example/two").as_deref(), Some("v0.1.0"));
        assert_eq!(required_version(text, "b.example/other"), None);
    }

    #[test]
    fn every_tool_has_its_pinned_module() {
        for tool in TOOLS {
            ModuleSource::read(tool.folder, tool.module, "").unwrap();
        }
    }
}
