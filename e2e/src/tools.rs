// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The Go programs that make a cluster, built once from pinned modules and kept between runs.

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

/// A Go module of `e2e/tools` and the programs to build from it.
#[derive(Debug)]
struct Tool {
    /// Its folder below `e2e/tools`.
    folder: &'static str,
    /// The module whose version names the build.
    module: &'static str,
    /// Program name and Go package.
    programs: &'static [(&'static str, &'static str)],
    tags: &'static str,
    /// What the linker gets; `VERSION` and `MINOR` stand for the module's.
    ldflags: &'static str,
    cgo: bool,
}

const SMALL: &str = "-s -w";

const TOOLS: &[Tool] = &[
    Tool {
        folder: "etcd",
        module: "go.etcd.io/etcd/server/v3",
        programs: &[("etcd", "go.etcd.io/etcd/server/v3")],
        tags: "",
        ldflags: SMALL,
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
        // Without these every program calls itself v0.0.0, and checks of version skew go wrong.
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
        ldflags: SMALL,
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
        ldflags: SMALL,
        cgo: false,
    },
    Tool {
        folder: "caddy",
        module: "github.com/caddyserver/caddy/v2",
        programs: &[("caddy", ".")],
        tags: "",
        ldflags: SMALL,
        cgo: false,
    },
    Tool {
        folder: "helm",
        module: "helm.sh/helm/v4",
        programs: &[("helm", "helm.sh/helm/v4/cmd/helm")],
        tags: "",
        ldflags: SMALL,
        cgo: false,
    },
];

/// Where the built programs are.
#[derive(Debug, Clone)]
pub struct Tools {
    programs: BTreeMap<&'static str, (PathBuf, String)>,
}

impl Tools {
    /// Builds what the cache lacks of the modules that are `wanted`, by their folders in `e2e/tools`.
    ///
    /// # Errors
    /// Go is missing or too old, a module cannot be had, or a build fails.
    pub async fn build(progress: &mut Progress, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut programs = BTreeMap::new();
        for tool in TOOLS.iter().filter(|tool| wanted(tool.folder)) {
            let source = Source::read(tool.folder, tool.module, &format!("{tool:?}"))?;
            let folder = source.cached_in()?;
            if !folder.exists() {
                prerequisites::go().await?;
                let temporary = fresh(&folder)?;
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

    /// The path of the program `name`.
    ///
    /// # Errors
    /// No tool module builds it.
    pub fn path(&self, name: &str) -> Result<&Path> {
        Ok(&self.program(name)?.0)
    }

    /// The version of the program `name`, with its `v`.
    ///
    /// # Errors
    /// No tool module builds it.
    pub fn version(&self, name: &str) -> Result<&str> {
        Ok(&self.program(name)?.1)
    }

    fn program(&self, name: &str) -> Result<&(PathBuf, String)> {
        self.programs.get(name).with_context(|| format!("no tool builds {name}"))
    }

    /// Changes whenever one of the programs does.
    pub fn fingerprint(&self) -> String {
        let paths = self.programs.values().map(|(path, _)| path.to_string_lossy());
        paths.collect::<Vec<_>>().join("\n")
    }
}

/// A tool module as it is in the checkout.
struct Source {
    folder: PathBuf,
    name: &'static str,
    /// With its `v`.
    version: String,
    /// Over the module's files and how they are built.
    hash: String,
}

impl Source {
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
        let version =
            required(&text, module).with_context(|| format!("{name}/go.mod does not require {module}"))?;
        let hash = hash.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        Ok(Self { folder, name, version, hash })
    }

    fn cached_in(&self) -> Result<PathBuf> {
        let name = format!("{}-{}-{}", self.name, self.version.trim_start_matches('v'), self.hash);
        Ok(paths::cache()?.join("bin").join(name))
    }
}

/// The version that a `go.mod` requires of `module`.
fn required(go_mod: &str, module: &str) -> Option<String> {
    go_mod.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|&word| word == "require");
        (words.next() == Some(module)).then(|| words.next())?.map(str::to_owned)
    })
}

/// An empty folder beside `folder`: what is in it counts only once it is renamed.
fn fresh(folder: &Path) -> Result<PathBuf> {
    let temporary = folder.with_extension(format!("{}.partial", process::id()));
    let _ = fs::remove_dir_all(&temporary);
    fs::create_dir_all(&temporary)
        .with_context(|| format!("cannot write {}: set RATHAUS_CACHE", temporary.display()))?;
    Ok(temporary)
}

async fn go_build(tool: &Tool, source: &Source, package: &str, target: PathBuf) -> Result<()> {
    let minor = source.version.split('.').nth(1).unwrap_or_default();
    let ldflags = tool.ldflags.replace("VERSION", &source.version).replace("MINOR", minor);
    let mut go = go(&source.folder);
    go.args(["build", "-trimpath", "-tags", tool.tags, "-ldflags", &ldflags, "-o"])
        .arg(target)
        .arg(package)
        .env("CGO_ENABLED", if tool.cgo { "1" } else { "0" });
    command::output(&mut go, BUILD_LIMIT).await.map(drop)
}

/// What `go mod download -json` prints.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Download {
    dir: Option<PathBuf>,
    error: Option<String>,
}

/// The folder with the Gateway API's custom resource definitions.
///
/// # Errors
/// The module cannot be had.
pub async fn gateway_crds() -> Result<PathBuf> {
    const MODULE: &str = "sigs.k8s.io/gateway-api";
    let source = Source::read("gateway-api", MODULE, "crds")?;
    let folder = source.cached_in()?;
    if !folder.exists() {
        let mut go = go(&source.folder);
        let printed = command::output(go.args(["mod", "download", "-json", MODULE]), BUILD_LIMIT).await?;
        let download: Download = serde_json::from_slice(&printed)?;
        let Some(module) = download.dir else {
            bail!("{MODULE}: {}", download.error.unwrap_or_default());
        };
        let temporary = fresh(&folder)?;
        for kind in ["gatewayclasses", "gateways", "httproutes", "referencegrants"] {
            let file = format!("gateway.networking.k8s.io_{kind}.yaml");
            // The module cache is read-only; a copy must not be.
            let text = fs::read(module.join("config/crd/standard").join(&file))?;
            fs::write(temporary.join(&file), text)?;
        }
        fs::rename(&temporary, &folder)?;
    }
    Ok(folder)
}

/// Never another toolchain or another module than the pinned ones.
fn go(folder: &Path) -> Command {
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
        assert_eq!(required(text, "a.example/one").as_deref(), Some("v1.2.3"));
        assert_eq!(required(text, "b.example/two").as_deref(), Some("v0.1.0"));
        assert_eq!(required(text, "b.example/other"), None);
    }

    #[test]
    fn every_tool_has_its_pinned_module() {
        for tool in TOOLS {
            Source::read(tool.folder, tool.module, "").unwrap();
        }
    }
}
