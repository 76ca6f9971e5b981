// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use anyhow::{Context, bail};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use kube::api::{DynamicObject, ListParams};
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt};

use crate::api::Municipality;
use crate::cluster::{self, Ledger, TownObjects};
use crate::desired::{Kind, Tolerated};
use crate::tenant::{SealKey, TownName};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only show which objects would be sealed.
    #[arg(long)]
    plan: bool,
    /// Namespace of the operator; contains the key of the seals.
    #[arg(long, env = "POD_NAMESPACE", default_value = "rathaus-system")]
    pod_namespace: String,
}

/// Lists the objects that version 0.1.0 made, and seals them unless only the plan is wanted. An object that is
/// changed at the same time is left out; the command can be repeated.
pub async fn execute(args: &Args) -> anyhow::Result<()> {
    let client = Client::try_default().await.context("no cluster is configured; set KUBECONFIG")?;
    let key = cluster::get_seal_key(&client, &args.pod_namespace).await?.with_context(|| {
        format!("Secret {} does not exist yet in {}; the operator creates it when it starts: kubectl -n {} rollout status deployment/rathaus", cluster::SEAL_SECRET, args.pod_namespace, args.pod_namespace)
    })?;
    let towns = Api::<DeserializeGuard<Municipality>>::all(client.clone()).list(&ListParams::default()).await;
    let towns = towns.context("cannot list municipalities")?.items;
    let (mut table, mut total, mut failed) = (Table::new(), 0, 0);
    let ledger = Ledger::new(Tolerated::default());
    table.load_style(NOTHING).set_header(["NAMESPACE", "KIND", "NAME", "CREATED"]);
    for town in towns.iter().filter_map(|town| town.0.as_ref().ok()) {
        let Ok(name) = TownName::parse(&town.name_any()) else { continue };
        let objects = TownObjects { client: &client, key: &key, ledger: &ledger, ars: &town.spec.ars };
        let unsealed = cluster::list_unsealed(objects, &name).await;
        let unsealed =
            unsealed.with_context(|| format!("cannot list the objects of {}", name.namespace()))?;
        for (kind, object) in &unsealed {
            table.add_row(row(&name, *kind, object));
            total += 1;
            if !args.plan
                && let Err(error) = cluster::write_seal(objects, *kind, object).await
            {
                eprintln!("{kind:?} {} in {}: {error}", object.name_any(), name.namespace());
                failed += 1;
            }
        }
    }
    println!("{table}");
    println!("{}", summary(args.plan, total, failed, &key));
    if failed > 0 {
        bail!("{failed} objects could not be sealed; run the command again");
    }
    Ok(())
}

fn row(town: &TownName, kind: Kind, object: &DynamicObject) -> [String; 4] {
    let created = object.creation_timestamp().map(|created| created.0.to_string()).unwrap_or_default();
    [town.namespace(), format!("{kind:?}"), object.name_any(), created]
}

fn summary(plan: bool, total: usize, failed: usize, key: &SealKey) -> String {
    match (plan, total) {
        (_, 0) => "nothing to seal".to_owned(),
        (true, _) => format!(
            "{total} objects would be sealed; all are older than the key ({}). Check that nobody else made one, then run the command without --plan.",
            key.created()
        ),
        (false, _) => format!("{} of {total} objects sealed", total - failed),
    }
}
