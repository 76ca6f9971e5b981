// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Brings YAML into a cluster by server-side apply, and waits for what it starts.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client, ResourceExt,
    api::{DynamicObject, Patch, PatchParams},
    core::{GroupVersionKind, Status, TypeMeta},
    discovery,
};
use serde_json::Value;
use tokio::time::sleep;

const FIELD_MANAGER: &str = "rathaus-xtask";

/// How long a kind may stay unknown after its definition was applied.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(30);

/// How long a new kind may stay uncounted by quotas. Kubernetes looks for new kinds every 30 s.
const QUOTA_LIMIT: Duration = Duration::from_secs(90);

/// Applies every YAML file of a folder, in the order of their names.
///
/// # Errors
/// As [`text`], with the file's name.
pub async fn folder(client: &Client, folder: &Path) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for file in files {
        let name = file.display().to_string();
        text(client, &fs::read_to_string(&file)?).await.context(name)?;
    }
    Ok(())
}

/// Applies every object of a YAML text.
///
/// # Errors
/// It is not YAML, or the API server refuses an object; the message names it.
pub async fn text(client: &Client, yaml: &str) -> Result<()> {
    for object in objects(yaml)? {
        let kind = object.types.clone().unwrap_or_default().kind;
        let name = format!("{kind} {}", object.name_any());
        apply(client, object).await.with_context(|| format!("applying {name}"))?;
    }
    Ok(())
}

/// Waits until all replicas of a Deployment are those of its newest state and available.
///
/// # Errors
/// They are not within `limit`.
pub async fn rolled_out(client: &Client, namespace: &str, name: &str, limit: Duration) -> Result<()> {
    let deployments = Api::<Deployment>::namespaced(client.clone(), namespace);
    let deadline = Instant::now() + limit;
    while !deployments.get_opt(name).await?.is_some_and(|deployment| is_rolled_out(&deployment)) {
        if Instant::now() > deadline {
            bail!(
                "deployment {name} in {namespace} is not available after {} s: see `kubectl -n \
                 {namespace} describe pods`",
                limit.as_secs()
            );
        }
        sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

fn is_rolled_out(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas.unwrap_or_default() == wanted
            && status.replicas == Some(wanted)
            && status.available_replicas.unwrap_or_default() == wanted
    })
}

/// The condition of an object as it is now, not of an earlier state.
pub fn condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| {
        condition["type"] == kind && condition["observedGeneration"].as_i64() == object.metadata.generation
    })
}

/// Whether [`condition`] says yes.
pub fn is_true(object: &DynamicObject, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

fn objects(yaml: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    let objects = documents.into_iter().filter(|document| !document.is_null());
    objects.map(|object| Ok(serde_json::from_value(object)?)).collect()
}

async fn apply(client: &Client, object: DynamicObject) -> Result<()> {
    let types = object.types.as_ref().context("it has no apiVersion and kind")?;
    let (resource, capabilities) = known(client, types).await?;
    let namespace = object.namespace().unwrap_or_else(|| "default".to_owned());
    let api: Api<DynamicObject> = match capabilities.scope {
        discovery::Scope::Cluster => Api::all_with(client.clone(), &resource),
        discovery::Scope::Namespaced => Api::namespaced_with(client.clone(), &namespace, &resource),
    };
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let deadline = Instant::now() + QUOTA_LIMIT;
    loop {
        match api.patch(&object.name_any(), &params, &Patch::Apply(&object)).await {
            Ok(_) => return Ok(()),
            Err(kube::Error::Api(answer)) if is_uncounted(&answer) && Instant::now() < deadline => {
                sleep(Duration::from_millis(500)).await;
            }
            Err(kube::Error::Api(answer)) => bail!("{}", answer.message),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kubernetes refuses objects of a kind that a quota limits until it has begun to count that kind.
fn is_uncounted(answer: &Status) -> bool {
    answer.is_forbidden() && answer.message.contains("status unknown for quota")
}

/// Asks again while the kind is unknown: its definition may have been applied a moment ago.
async fn known(
    client: &Client,
    types: &TypeMeta,
) -> Result<(kube::core::ApiResource, discovery::ApiCapabilities)> {
    let kind = GroupVersionKind::try_from(types)?;
    let deadline = Instant::now() + DISCOVERY_LIMIT;
    loop {
        match discovery::pinned_kind(client, &kind).await {
            Ok(found) => return Ok(found),
            Err(error) if Instant::now() > deadline => {
                return Err(error).with_context(|| format!("the cluster does not know {}", kind.kind));
            }
            Err(_) => sleep(Duration::from_millis(200)).await,
        }
    }
}
