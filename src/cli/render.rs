// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use kube::ResourceExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::api::conditions::READY;
use crate::api::{ModuleClass, Municipality, ServiceModule};
use crate::desired::module::{DatabaseAccess, Environment, TokenAuthority};
use crate::desired::{self, Object};
use crate::settings::Settings;
use crate::tenant::{self, HeldHostnames, ModuleContext, Rejection, TownName};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// YAML files, or folders of them, which are searched recursively.
    #[arg(short = 'f', long = "file", required = true)]
    files: Vec<PathBuf>,
    /// Settings file of the platform (YAML). Default: the defaults of the chart.
    #[arg(long)]
    settings: Option<PathBuf>,
}

/// Prints the objects that the operator would apply as YAML, and on standard error those that it would
/// refuse. Fails if it would refuse at least one.
pub fn execute(args: &Args) -> anyhow::Result<()> {
    let settings = args.settings.as_deref().map(Settings::read).transpose()?.unwrap_or_default();
    let rendered = render(&args.files, &settings)?;
    for object in &rendered.objects {
        print!("---\n{}", serde_saphyr::to_string(&object.to_json()?)?);
    }
    for (name, rejection) in &rendered.refused {
        eprintln!("{name}: {} ({}): {}", rejection.condition, rejection.reason, rejection.message);
    }
    match rendered.refused.len() {
        0 => Ok(()),
        count => bail!("{count} objects would not be provisioned"),
    }
}

/// What the operator would do for the objects in the files.
#[derive(Debug, Default)]
pub struct Rendered {
    /// The objects that it would apply, in order.
    pub objects: Vec<Object>,
    /// Why it would refuse an object, by kind and name of the object.
    pub refused: Vec<(String, Rejection)>,
}

#[derive(Debug, Default)]
struct Manifests {
    towns: Vec<Municipality>,
    classes: Vec<ModuleClass>,
    modules: Vec<ServiceModule>,
}

/// Reads manifests and plans their objects, as the operator would once every module is available.
///
/// # Errors
/// A file cannot be read or parsed; the error names the file, the line and the field.
pub fn render(files: &[PathBuf], settings: &Settings) -> anyhow::Result<Rendered> {
    let manifests = read_manifests(files)?;
    let mut rendered = Rendered::default();
    let resolve =
        |town: &Municipality| tenant::resolve_town(town, &manifests.towns, &HeldHostnames::new(), settings);
    for raw in &manifests.towns {
        match resolve(raw) {
            Ok(town) => {
                let waves = desired::town::plan(&town, settings).into_waves();
                rendered.objects.extend([waves.namespace, waves.operator, waves.administrators]);
                rendered.objects.extend(waves.isolation);
            }
            Err(rejection) => rendered.refused.push((format!("Municipality {}", raw.name_any()), rejection)),
        }
    }
    for raw in &manifests.modules {
        let namespace = raw.namespace().unwrap_or_default();
        let town = TownName::from_namespace(&namespace)
            .and_then(|name| manifests.towns.iter().find(|town| town.name_any() == name.as_str()))
            .ok_or_else(|| {
                let message = format!("namespace {namespace} belongs to no municipality in the files");
                Rejection::waiting(READY, "MunicipalityNotFound", message)
            })
            .and_then(resolve);
        let siblings: Vec<_> =
            manifests.modules.iter().filter(|m| m.namespace() == raw.namespace()).collect();
        let class = manifests.classes.iter().find(|class| class.name_any() == raw.spec.class);
        match tenant::resolve_module(raw, ModuleContext { town, class, siblings: &siblings }, settings) {
            Ok(module) => {
                let plan = desired::module::plan(&module, &placeholders(), settings);
                rendered.objects.extend(plan.into_objects());
            }
            Err(rejection) => {
                rendered.refused.push((format!("ServiceModule {namespace}/{}", raw.name_any()), rejection))
            }
        }
    }
    Ok(rendered)
}

/// Placeholders for the database URL, which the operator generates, and for the issuer and keys of tokens,
/// which only the API server knows.
fn placeholders() -> Environment {
    Environment {
        database: DatabaseAccess { url: "postgres://made-by-the-operator".to_owned(), ca: None },
        authority: Some(TokenAuthority {
            issuer: "https://known-to-the-api-server.invalid".to_owned(),
            keys: json!({ "keys": [] }),
        }),
        routed: true,
    }
}

fn read_manifests(files: &[PathBuf]) -> anyhow::Result<Manifests> {
    let mut manifests = Manifests::default();
    for path in files {
        for file in yaml_files(path)? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            for document in split_documents(&text) {
                add_document(&document, &mut manifests).with_context(|| format!("{}", file.display()))?;
            }
        }
    }
    Ok(manifests)
}

/// Lists the YAML files at or below a path, sorted by name so that the output is reproducible.
fn yaml_files(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    paths.sort();
    let is_yaml = |path: &Path| path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
    let nested =
        paths.into_iter().filter(|path| path.is_dir() || is_yaml(path)).map(|path| yaml_files(&path));
    Ok(nested.collect::<Result<Vec<_>, _>>()?.concat())
}

/// Splits a YAML stream into documents. Each is preceded by as many empty lines as there are lines before it,
/// so that errors name the line in the file.
fn split_documents(text: &str) -> Vec<String> {
    let mut documents = vec![String::new()];
    for (line, content) in text.lines().enumerate() {
        if content.trim_end() == "---" {
            documents.push("\n".repeat(line + 1));
        } else if let Some(document) = documents.last_mut() {
            document.push_str(content);
            document.push('\n');
        }
    }
    let has_content = |line: &str| !line.trim().is_empty() && !line.trim_start().starts_with('#');
    documents.retain(|document| document.lines().any(has_content));
    documents
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    api_version: String,
    kind: String,
}

fn add_document(document: &str, manifests: &mut Manifests) -> anyhow::Result<()> {
    let meta: TypeMeta = serde_saphyr::from_str(document)?;
    if meta.api_version != "rathaus.dev/v1alpha1" {
        return Ok(()); // the folder may also contain objects that are not for the operator
    }
    match meta.kind.as_str() {
        "Municipality" => manifests.towns.push(parse(document)?),
        "ModuleClass" => manifests.classes.push(parse(document)?),
        "ServiceModule" => manifests.modules.push(parse(document)?),
        other => bail!("kind {other:?} is unknown; there are Municipality, ModuleClass and ServiceModule"),
    }
    Ok(())
}

/// Parses an object, and sets a placeholder for the UID that the API server would give it.
fn parse<K: DeserializeOwned + kube::Resource>(document: &str) -> anyhow::Result<K> {
    let mut object: K = serde_saphyr::from_str(document)?;
    let prefix = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    object.meta_mut().uid = Some(format!("uid-of-{prefix}{}", object.name_any()));
    Ok(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unreadable_yaml_names_line_and_field() {
        let folder = std::env::temp_dir().join(format!("rathaus-render-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("bad.yaml");
        fs::write(&file, "# a comment\n---\napiVersion: rathaus.dev/v1alpha1\nkind: Municipality\nmetadata: {name: a}\nspec:\n  displayName: [1]\n").unwrap();
        let error = format!("{:#}", render(&[file], &Settings::default()).unwrap_err());
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("bad.yaml") && error.contains("line 7"), "{error}");
    }

    #[test]
    fn documents_keep_their_lines() {
        let all = split_documents("# only a comment\n---\na: 1\n---\n\nb: 2\n");
        assert_eq!(all, ["\n\na: 1\n", "\n\n\n\n\nb: 2\n"]);
    }
}
