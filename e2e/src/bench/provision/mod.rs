// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Measures the operator with many towns, on a real control plane with simulated nodes, and in the same run the
//! floor: the same objects and databases without an operator. docs/scale.md says what the numbers mean.

mod cluster;
mod floor;
mod machine;
mod objects;
mod operator;
mod report;
mod requests;
mod towns;
mod wait;

use std::{path::Path, time::Duration};

use anyhow::{Context, Result, bail};
use clap::Args;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Namespace};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams},
    runtime::watcher,
};
use tokio::time::sleep;

use self::{
    cluster::Cluster,
    objects::{OURS, PlainObject},
    operator::Operator,
    report::{Check, Provisioned, Report, Stage},
    towns::Size,
    wait::Patience,
};
use crate::{apply, images, node, paths, prerequisites, progress::Progress, tools::Tools};

/// How long the operator is left alone before it is measured at rest.
const SETTLE: Duration = Duration::from_secs(10);
/// How long it is measured at rest.
const REST: Duration = Duration::from_secs(60);

/// How many towns, and what the limits mean.
#[derive(Clone, Copy, Debug, Args)]
pub struct Options {
    /// Number of towns
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=2000))]
    towns: u16,
    /// Number of modules of each town
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=16))]
    modules: u16,
    /// Fail if a gate is missed
    #[arg(long)]
    gates: bool,
}

/// What the operator's run leaves for the floor, and its results.
struct OperatorRun {
    objects: Vec<Vec<PlainObject>>,
    databases: Vec<String>,
    postgres: String,
    provisioned: Provisioned,
    provisioning: Stage,
    rest: Stage,
    restart: Stage,
    deletion: Stage,
    upgrade: Stage,
    removal: Stage,
}

/// Runs the measurement in place of the local node and prints the report.
///
/// # Errors
/// Fails if a program does not start, if a node was NotReady, if a stage takes too long, or, with `--gates`, if a
/// gate is missed. What runs then is left for a look at its logs.
pub async fn run(options: Options) -> Result<()> {
    let size = Size { towns: options.towns.into(), modules: options.modules.into() };
    let report = measure(size).await.with_context(|| {
        format!(
            "the logs are in {}; `cargo xtask down` removes what still runs",
            paths::state("log").display()
        )
    })?;
    print!("{report}");
    let missed: Vec<String> =
        report.gates().iter().filter(|gate| !gate.is_met()).map(Check::to_string).collect();
    if options.gates && !missed.is_empty() {
        bail!("{}", missed.join("; "));
    }
    Ok(())
}

async fn measure(size: Size) -> Result<Report> {
    let mut progress = Progress::default();
    prerequisites::ensure_node_packages(&mut progress).await?;
    machine::ensure_space(size)?;
    let tools = Tools::build(&mut progress, |tool| ["etcd", "kubernetes", "kwok"].contains(&tool)).await?;
    let program = images::build_operator(&mut progress).await?;
    let run = measure_operator(&mut progress, &tools, &program, size).await?;
    let floor = measure_floor(&mut progress, &tools, &run, size).await?;
    progress.step("removing the control plane", node::down()).await?;
    Ok(Report {
        size,
        circumstances: machine::describe(&tools, &run.postgres)?,
        objects: run.objects.iter().map(Vec::len).sum(),
        operator: run.provisioned,
        floor,
        provisioning: run.provisioning,
        rest: run.rest,
        restart: run.restart,
        deletion: run.deletion,
        upgrade: run.upgrade,
        removal: run.removal,
    })
}

async fn measure_operator(
    progress: &mut Progress,
    tools: &Tools,
    program: &Path,
    size: Size,
) -> Result<OperatorRun> {
    let cluster = progress.step("starting the control plane", Cluster::start(tools, size)).await?;
    let operator = Operator::install(&cluster.client, program).await?;
    towns::apply_class(&cluster.client).await?;
    progress.step("starting the operator", operator.start_and_lead()).await?;
    let daemons = vec![operator.daemon.clone(), cluster.kwok.clone()];
    let patience = Patience { limit: size.limit(), daemons };

    let provision = provision(&cluster, &operator, &patience, size);
    let (provisioned, provisioning) = progress.step("provisioning all towns", provision).await?;
    cluster.ensure_no_node_was_lost().await?;
    let objects = objects::read_all(&cluster.client).await?;
    let databases = floor::read_databases().await?;
    let postgres = crate::database::sql("SHOW server_version").await?;

    let rest = async {
        sleep(SETTLE).await;
        operator.rest(REST).await
    };
    let rest = progress.step("measuring the rest", rest).await?;
    let at_rest = rest.requests.requests() as f64 / rest.seconds;
    let restart = progress.step("restarting the operator", operator.restart(at_rest, patience.limit)).await?;
    let deletion = delete_module(&cluster, &operator, &patience);
    let deletion = progress.step("deleting one module", deletion).await?;
    let upgrade = upgrade(&cluster, &operator, &patience, size.all_modules() - 1);
    let upgrade = progress.step("upgrading all modules", upgrade).await?;
    let removal = remove_all(&cluster, &operator, &patience, size);
    let removal = progress.step("deleting all towns", removal).await?;
    cluster.ensure_no_node_was_lost().await?;
    Ok(OperatorRun {
        objects,
        databases,
        postgres,
        provisioned,
        provisioning,
        rest,
        restart,
        deletion,
        upgrade,
        removal,
    })
}

async fn measure_floor(
    progress: &mut Progress,
    tools: &Tools,
    run: &OperatorRun,
    size: Size,
) -> Result<Provisioned> {
    let cluster = progress.step("starting an empty control plane", Cluster::start(tools, size)).await?;
    let patience = Patience { limit: size.limit(), daemons: vec![cluster.kwok.clone()] };
    let floor = floor::measure(&cluster, &run.objects, &run.databases, &patience);
    let floor = progress.step("measuring the floor", floor).await?;
    cluster.ensure_no_node_was_lost().await?;
    Ok(floor)
}

/// Creates all towns and waits until all their modules are Ready.
async fn provision(
    cluster: &Cluster,
    operator: &Operator,
    patience: &Patience,
    size: Size,
) -> Result<(Provisioned, Stage)> {
    let count = size.all_modules();
    let modules = towns::all(&cluster.client, "ServiceModule");
    let begun = operator.begin()?;
    let start = begun.at;
    let database_count = async || Ok(floor::count_databases().await? >= count);
    let (ready, databases, ()) = tokio::try_join!(
        patience.wait_for_all(modules, watcher::Config::default(), count, is_ready),
        patience.wait_until("all databases exist", database_count),
        towns::create_all(&cluster.client, size),
    )?;
    let (stage, requests) = operator.end(begun, ready).await?;
    let resources = objects::kinds().map(|kind| kind.plural);
    let objects = requests::last_creation(&requests, &resources)?;
    Ok((Provisioned::between(start, objects, databases, ready), stage))
}

async fn delete_module(cluster: &Cluster, operator: &Operator, patience: &Patience) -> Result<Stage> {
    let modules = towns::modules_of(&cluster.client, 0);
    let name = towns::module_name(0);
    let begun = operator.begin()?;
    modules.delete(&name, &DeleteParams::default()).await?;
    let is_gone = async || Ok(modules.get_opt(&name).await?.is_none());
    let gone = patience.wait_until("the module is gone", is_gone).await?;
    Ok(operator.end(begun, gone).await?.0)
}

async fn upgrade(cluster: &Cluster, operator: &Operator, patience: &Patience, count: usize) -> Result<Stage> {
    let image = towns::image(2);
    let deployments = Api::<Deployment>::all(cluster.client.clone());
    let config = watcher::Config::default().labels(OURS);
    let begun = operator.begin()?;
    towns::upgrade_class(&cluster.client).await?;
    let runs_image = |deployment: &Deployment| {
        apply::is_rolled_out(deployment) && image_of(deployment) == Some(image.as_str())
    };
    patience.wait_for_all(deployments, config, count, runs_image).await?;
    let says_image =
        |module: &DynamicObject| is_ready(module) && module.data["status"]["image"] == image.as_str();
    let modules = towns::all(&cluster.client, "ServiceModule");
    let done = patience.wait_for_all(modules, watcher::Config::default(), count, says_image).await?;
    Ok(operator.end(begun, done).await?.0)
}

async fn remove_all(
    cluster: &Cluster,
    operator: &Operator,
    patience: &Patience,
    size: Size,
) -> Result<Stage> {
    let namespaces = Api::<Namespace>::all(cluster.client.clone());
    let ours = ListParams::default().labels(towns::TOWN_LABEL);
    let municipalities = towns::all(&cluster.client, "Municipality");
    let begun = operator.begin()?;
    towns::delete_all(&cluster.client, size).await?;
    let is_gone = async || {
        let left = municipalities.list_metadata(&ListParams::default()).await?.items.len()
            + namespaces.list_metadata(&ours).await?.items.len();
        Ok(left == 0 && floor::count_databases().await? == 0)
    };
    let gone = patience.wait_until("all towns, namespaces and databases are gone", is_gone).await?;
    Ok(operator.end(begun, gone).await?.0)
}

fn is_ready(module: &DynamicObject) -> bool {
    apply::is_condition_true(module, "Ready")
}

fn image_of(deployment: &Deployment) -> Option<&str> {
    let pod = deployment.spec.as_ref()?.template.spec.as_ref()?;
    pod.containers.first()?.image.as_deref()
}
