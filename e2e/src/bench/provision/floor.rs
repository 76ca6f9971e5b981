// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The floor: the same objects and databases without an operator.

use std::time::Duration;

use anyhow::Result;
use futures::future::try_join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, runtime::watcher};

use super::{
    cluster::Cluster,
    objects::{self, OURS, PlainObject, WRITERS},
    report::Provisioned,
    wait::Patience,
};
use crate::{apply, database};

/// Selects the databases of modules.
const MODULE_DATABASES: &str = "FROM pg_database WHERE NOT datistemplate AND datname <> 'postgres'";

/// Writes the objects and creates the databases at the same time, and waits until all Deployments are
/// available.
///
/// # Errors
/// Fails if the API server or the database server rejects something.
pub async fn measure(
    cluster: &Cluster,
    towns: &[Vec<PlainObject>],
    names: &[String],
    patience: &Patience,
) -> Result<Provisioned> {
    let deployments = Api::<Deployment>::all(cluster.client.clone());
    let config = watcher::Config::default().labels(OURS);
    // Each module has one database and one Deployment.
    let count = names.len();
    let start = Timestamp::now();
    let (objects, databases, available) = tokio::try_join!(
        objects::write_all(&cluster.client, towns),
        create_databases(names, patience.limit),
        patience.wait_for_all(deployments, config, count, apply::is_rolled_out),
    )?;
    Ok(Provisioned::between(start, objects, databases, available))
}

/// Returns the names of the databases of all modules.
///
/// # Errors
/// Fails if the server does not answer.
pub async fn read_databases() -> Result<Vec<String>> {
    let names = database::sql(&format!("SELECT datname {MODULE_DATABASES} ORDER BY datname")).await?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// Returns the number of databases of all modules.
///
/// # Errors
/// Fails if the server does not answer.
pub async fn count_databases() -> Result<usize> {
    Ok(database::sql(&format!("SELECT count(*) {MODULE_DATABASES}")).await?.parse()?)
}

async fn create_databases(names: &[String], limit: Duration) -> Result<Timestamp> {
    let scripts: Vec<String> = names.chunks(names.len().div_ceil(WRITERS).max(1)).map(script).collect();
    try_join_all(scripts.iter().map(|script| database::sql_within(script, limit))).await?;
    Ok(Timestamp::now())
}

/// The statements that make, for each name, a database that is owned by a role of its own.
fn script(names: &[String]) -> String {
    let statements = names.iter().map(|name| {
        format!(
            "CREATE ROLE \"{name}\" LOGIN;\n\
             CREATE DATABASE \"{name}\" OWNER \"{name}\" TEMPLATE template0 ENCODING 'UTF8';\n\
             REVOKE ALL ON DATABASE \"{name}\" FROM PUBLIC;\n"
        )
    });
    statements.collect()
}
