// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The whole line once: cluster, operator, the towns of a district, and one paid fee.

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

/// Runs it and prints where to go on.
///
/// # Errors
/// A step fails; the message names it and what to do.
pub async fn run(target: &Target) -> Result<()> {
    let mut progress = Progress::default();
    let tools = target.tools(&mut progress).await?;
    let own = images::own(&mut progress, false).await?;
    let client = target.start(&mut progress, &tools, &own).await?;
    progress.step("installing rathaus", install::install(&client, target, &tools, &own)).await?;
    admit(&mut progress, &client).await?;
    let towns = towns(&client).await?;
    let first = towns.iter().find_map(|town| Some((town, town.module.as_ref()?)));
    let (town, module) = first.context("no town of manifests/kreis-borken has a module")?;
    let citizen = target.citizen()?;
    let token = token::keep(&client, &town.namespace()).await?;
    let pay = payment::pay(&citizen, module, &town.ars, &token);
    let paid = progress.step(&format!("paying a fee in {}", town.title), pay).await?;
    println!("\n{}", table(&towns));
    println!("Paid: {:.2} EUR in {}, transaction {}", paid.amount, town.title, paid.transaction);
    println!("\n{}", next(target, town, module));
    println!("What took how long:\n{}", progress.table());
    if let Some(bytes) = operator_memory() {
        println!("Resident memory of the leading operator pod: {:.1} MB", bytes as f64 / 1e6);
    }
    Ok(())
}

/// Admits every town, and takes up the modules once the towns' namespaces are there.
///
/// # Errors
/// An object is refused or does not become ready; the message says which and why.
pub async fn admit(progress: &mut Progress, client: &Client) -> Result<()> {
    for (kind, folder) in [("Municipality", "municipalities"), ("ServiceModule", "modules")] {
        let files = install::files(&format!("manifests/kreis-borken/{folder}"))?;
        let now = RefCell::default();
        let work = async {
            for file in &files {
                let take_up = async {
                    let text = fs::read_to_string(file)?;
                    let object: DynamicObject = serde_saphyr::from_str(&text)?;
                    // Only what lies in a town's namespace names a Secret of the town.
                    if let Some(namespace) = object.namespace() {
                        token::keep(client, &namespace).await?;
                    }
                    apply::text(client, &text).await
                };
                take_up.await.with_context(|| file.display().to_string())?;
            }
            all_ready(client, kind, files.len(), &now).await
        };
        progress.live(&format!("making each {kind} ready"), &now, work).await?;
    }
    Ok(())
}

async fn all_ready(client: &Client, kind: &str, wanted: usize, now: &RefCell<String>) -> Result<()> {
    let api = objects(client, kind);
    let deadline = Instant::now() + READY_LIMIT;
    loop {
        let found = api.list(&ListParams::default()).await?.items;
        let waiting: Vec<&DynamicObject> =
            found.iter().filter(|object| !apply::is_true(object, "Ready")).collect();
        now.replace(format!("{} of {}", found.len() - waiting.len(), found.len().max(wanted)));
        if waiting.is_empty() && found.len() >= wanted {
            return Ok(());
        }
        if Instant::now() > deadline {
            let why: Vec<String> = waiting.iter().map(|object| why_not(object)).collect();
            bail!("not ready after {} s:\n{}", READY_LIMIT.as_secs(), why.join("\n"));
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn objects(client: &Client, kind: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("rathaus.dev", "v1alpha1", kind);
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

fn why_not(object: &DynamicObject) -> String {
    let condition = apply::condition(object, "Ready");
    let text = |field: &str| condition.and_then(|condition| condition[field].as_str()).unwrap_or("?");
    let namespace = object.namespace().map(|namespace| format!("{namespace}/")).unwrap_or_default();
    format!("  {namespace}{}: {}: {}", object.name_any(), text("reason"), text("message"))
}

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

async fn towns(client: &Client) -> Result<Vec<Town>> {
    let modules = objects(client, "ServiceModule").list(&ListParams::default()).await?.items;
    let url_in = |namespace: &str| {
        let own = modules.iter().find(|module| module.namespace().as_deref() == Some(namespace))?;
        own.data["status"]["url"].as_str()?.parse::<Url>().ok()
    };
    let towns = objects(client, "Municipality").list(&ListParams::default()).await?.items;
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

fn table(towns: &[Town]) -> String {
    let width = towns.iter().map(|town| town.title.chars().count()).max().unwrap_or_default();
    towns
        .iter()
        .map(|Town { title, ars, module, .. }| {
            let url = module.as_ref().map_or_else(|| "–".to_owned(), ToString::to_string);
            format!("{title:width$}  {ars}  {url}\n")
        })
        .collect()
}

fn next(target: &Target, town: &Town, module: &Url) -> String {
    let (namespace, ars) = (town.namespace(), &town.ars);
    let status = module.join(&format!("status/rathaus-demo/{ars}"));
    let curl = status.map(|url| target.curl(&url)).unwrap_or_default();
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

/// The larger of the operator's pods, in bytes: the other stands by.
fn operator_memory() -> Option<u64> {
    process::with_command(&["/rathaus", "run"]).into_iter().filter_map(process::resident_memory).max()
}
