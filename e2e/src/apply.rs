// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Applies YAML to a cluster by server-side apply, and waits for the Deployments in it.

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

/// How long a kind may stay unknown to the API server after its definition was applied.
const DISCOVERY_LIMIT: Duration = Duration::from_secs(30);

/// How long quotas may not count a new kind yet. Kubernetes looks for new kinds every 30 s.
const QUOTA_LIMIT: Duration = Duration::from_secs(90);

/// Applies every YAML file of a folder, in the order of their names.
///
/// # Errors
/// Fails as [`apply_yaml`] does; the message names the file.
pub async fn apply_folder(client: &Client, folder: &Path) -> Result<()> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| folder.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    for file in files {
        let name = file.display().to_string();
        apply_yaml(client, &fs::read_to_string(&file)?).await.context(name)?;
    }
    Ok(())
}

/// Applies every object of a YAML text.
///
/// # Errors
/// Fails if the text is not YAML, or if the API server rejects an object; the message names the object.
pub async fn apply_yaml(client: &Client, yaml: &str) -> Result<()> {
    for object in parse_objects(yaml)? {
        let kind = object.types.clone().unwrap_or_default().kind;
        let name = format!("{kind} {}", object.name_any());
        apply_object(client, object).await.with_context(|| format!("applying {name}"))?;
    }
    Ok(())
}

/// Waits until all replicas of a Deployment belong to its newest generation and are available.
///
/// # Errors
/// Fails if that takes longer than `limit`.
pub async fn wait_for_rollout(client: &Client, namespace: &str, name: &str, limit: Duration) -> Result<()> {
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

/// Returns whether all replicas of a Deployment belong to its newest generation and are available.
pub fn is_rolled_out(deployment: &Deployment) -> bool {
    let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    deployment.status.as_ref().is_some_and(|status| {
        status.observed_generation == deployment.metadata.generation
            && status.updated_replicas.unwrap_or_default() == wanted
            && status.replicas == Some(wanted)
            && status.available_replicas.unwrap_or_default() == wanted
    })
}

/// Returns a condition of an object, unless the condition is about an earlier generation.
pub fn current_condition<'a>(object: &'a DynamicObject, kind: &str) -> Option<&'a Value> {
    let conditions = object.data["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| {
        condition["type"] == kind && condition["observedGeneration"].as_i64() == object.metadata.generation
    })
}

/// Returns whether a condition of the current generation has the status `True`.
pub fn is_condition_true(object: &DynamicObject, kind: &str) -> bool {
    current_condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Reads the objects of a YAML text.
///
/// # Errors
/// Fails if the text is not YAML, or if a document is no object.
pub fn parse_objects(yaml: &str) -> Result<Vec<DynamicObject>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(yaml)?;
    let objects = documents.into_iter().filter(|document| !document.is_null());
    objects.map(|object| Ok(serde_json::from_value(object)?)).collect()
}

/// Applies one object.
///
/// # Errors
/// Fails if the object lacks its kind, or if the API server rejects it.
pub async fn apply_object(client: &Client, object: DynamicObject) -> Result<()> {
    let types = object.types.as_ref().context("the object lacks apiVersion and kind")?;
    let (resource, capabilities) = discover(client, types).await?;
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
            Err(kube::Error::Api(answer)) if is_not_counted_yet(&answer) && Instant::now() < deadline => {
                sleep(Duration::from_millis(500)).await;
            }
            Err(kube::Error::Api(answer)) => bail!("{}", answer.message),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Returns whether Kubernetes has rejected an object because a quota limits its kind, but has not begun to count
/// that kind yet. The same request succeeds a moment later.
pub fn is_not_counted_yet(answer: &Status) -> bool {
    answer.is_forbidden() && answer.message.contains("status unknown for quota")
}

/// Retries while the kind is unknown, since its definition may have been applied a moment ago.
async fn discover(
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
