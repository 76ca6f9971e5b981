// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The demo: a cluster, the operator, the municipalities of a district, and one paid fee.

use std::{
    cell::RefCell,
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams},
    core::GroupVersionKind,
};
use tokio::time::sleep;
use url::Url;

use crate::{apply, images, install, payment, process, progress::Progress, target::Target, token};

const READY_LIMIT: Duration = Duration::from_secs(300);

/// Runs the demo and prints what to try next.
///
/// # Errors
/// Fails if a step fails; the message names the step and what to do.
pub async fn run(target: &Target) -> Result<()> {
    let mut progress = Progress::default();
    let tools = target.build_tools(&mut progress).await?;
    let images = images::build_project_images(&mut progress, false).await?;
    let client = target.start(&mut progress, &tools, &images).await?;
    progress.step("installing rathaus", install::install(&client, target, &tools, &images)).await?;
    admit_towns(&mut progress, &client).await?;
    let towns = list_towns(&client).await?;
    let first = towns.iter().find_map(|town| Some((town, town.module.as_ref()?)));
    let (town, module) = first.context("no town of manifests/kreis-borken has a module")?;
    let citizen = target.citizen_client()?;
    let token = token::ensure_token(&client, &town.namespace()).await?;
    let pay = payment::pay(&citizen, module, &town.ars, &token);
    let paid = progress.step(&format!("paying a fee in {}", town.title), pay).await?;
    println!("\n{}", format_towns(&towns));
    println!("Paid: {:.2} EUR in {}, transaction {}", paid.amount, town.title, paid.transaction);
    println!("\n{}", next_steps(target, town, module));
    println!("Duration of each step:\n{}", progress.table());
    if let Some(bytes) = operator_memory() {
        println!("Resident memory of the leading operator pod: {:.1} MB", bytes as f64 / 1e6);
    }
    Ok(())
}

/// Applies every Municipality, waits until all are ready, and does the same with every ServiceModule, since
/// these are in the namespaces of the towns.
///
/// # Errors
/// Fails if an object is rejected or does not become ready; the message names the object and the reason.
pub async fn admit_towns(progress: &mut Progress, client: &Client) -> Result<()> {
    for (kind, folder) in [("Municipality", "municipalities"), ("ServiceModule", "modules")] {
        let files = install::yaml_files(&format!("manifests/kreis-borken/{folder}"))?;
        let detail = RefCell::default();
        let work = async {
            for file in &files {
                let apply_file = async {
                    let text = fs::read_to_string(file)?;
                    let object: DynamicObject = serde_saphyr::from_str(&text)?;
                    // ServiceModules refer to a Secret in the namespace of their town.
                    if let Some(namespace) = object.namespace() {
                        token::ensure_token(client, &namespace).await?;
                    }
                    apply::apply_yaml(client, &text).await
                };
                apply_file.await.with_context(|| file.display().to_string())?;
            }
            wait_until_ready(client, kind, files.len(), &detail).await
        };
        progress.step_with_detail(&format!("making each {kind} ready"), &detail, work).await?;
    }
    Ok(())
}

async fn wait_until_ready(
    client: &Client,
    kind: &str,
    wanted: usize,
    detail: &RefCell<String>,
) -> Result<()> {
    let api = api_of(client, kind);
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let found = api.list(&ListParams::default()).await?.items;
        let waiting: Vec<&DynamicObject> =
            found.iter().filter(|object| !apply::is_condition_true(object, "Ready")).collect();
        detail.replace(format!("{} of {}", found.len() - waiting.len(), found.len().max(wanted)));
        if waiting.is_empty() && found.len() >= wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            let reasons: Vec<String> = waiting.iter().map(|object| describe_unready(object)).collect();
            bail!("not ready after {} s:\n{}", READY_LIMIT.as_secs(), reasons.join("\n"));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn api_of(client: &Client, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("rathaus.dev", "v1alpha1", kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

fn describe_unready(object: &DynamicObject) -> String {
    let condition = apply::current_condition(object, "Ready");
    let text = |field: &str| condition.and_then(|condition| condition[field].as_str()).unwrap_or("?");
    let namespace = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("  {namespace}{}: {}: {}", object.name_any(), text("reason"), text("message"))
}

/// A Municipality and the URL of its module, if it has one.
struct Town {
    name: String,
    title: String,
    ars: String,
    module: Option<Url>,
}

impl Town {
    fn namespace(&self) -> String {
        format!("mun-{}", self.name)
    }
}

async fn list_towns(client: &Client) -> Result<Vec<Town>> {
    let modules = api_of(client, "ServiceModule").list(&ListParams::default()).await?.items;
    let url_in = |namespace: &str| {
        let own = modules.iter().find(|module| module.namespace().as_deref() == Some(namespace))?;
        own.data["status"]["url"].as_str()?.parse::<Url>().ok()
    };
    let towns = api_of(client, "Municipality").list(&ListParams::default()).await?.items;
    let text =
        |town: &DynamicObject, field: &str| town.data["spec"][field].as_str().unwrap_or_default().to_owned();
    Ok(towns
        .iter()
        .map(|town| Town {
            title: text(town, "displayName"),
            ars: text(town, "ars"),
            module: url_in(&format!("mun-{}", town.name_any())),
            name: town.name_any(),
        })
        .collect())
}

fn format_towns(towns: &[Town]) -> String {
    let width = towns.iter().map(|town| town.title.chars().count()).max().unwrap_or_default();
    towns
        .iter()
        .map(|Town { title, ars, module, .. }| {
            let url = module.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string);
            format!("{title:width$}  {ars}  {url}\n")
        })
        .collect()
}

/// The commands to try after the demo.
fn next_steps(target: &Target, town: &Town, module: &Url) -> String {
    let (namespace, ars) = (town.namespace(), &town.ars);
    let status = module.join(&format!("status/rathaus-demo/{ars}"));
    let curl = status.map(|url| target.curl_command(&url)).unwrap_or_default();
    format!(
        "Try next:
  export KUBECONFIG={}
  kubectl get mun,mc,sm -A
  kubectl -n {namespace} describe sm e-payment
  kubectl -n {namespace} get all,networkpolicies,httproutes
  TOKEN=$(kubectl -n {namespace} get secret online-dienste -o jsonpath='{{.data.token}}' | base64 -d)
  {curl} -H \"Authorization: Bearer $TOKEN\"
  cargo xtask down
",
        target.kubeconfig().display()
    )
}

/// Memory of the leading operator pod in bytes. It is the larger one, since the other only stands by.
fn operator_memory() -> Option<u64> {
    process::find_by_command(&["/rathaus", "run"]).into_iter().filter_map(process::resident_memory).max()
}
