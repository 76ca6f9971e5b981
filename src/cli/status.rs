// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use anyhow::Context;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt};

use crate::api::{Municipality, ServiceModule};
use crate::status;
use crate::tenant::TownName;

/// Prints a table of all municipalities and their modules.
pub async fn execute() -> anyhow::Result<()> {
    let client = Client::try_default().await.context("no cluster is configured; set KUBECONFIG")?;
    let everything = ListParams::default();
    let towns = Api::<DeserializeGuard<Municipality>>::all(client.clone()).list(&everything).await;
    let towns = towns.context("cannot list municipalities")?.items;
    let modules = Api::<DeserializeGuard<ServiceModule>>::all(client).list(&everything).await;
    let modules = modules.context("cannot list servicemodules")?.items;
    println!("{}", build_table(&towns, &modules));
    Ok(())
}

fn build_table(
    towns: &[DeserializeGuard<Municipality>],
    modules: &[DeserializeGuard<ServiceModule>],
) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header([
        "MUNICIPALITY",
        "ARS",
        "MODULE",
        "VERSION",
        "READY",
        "REASON",
        "URL OR MESSAGE",
    ]);
    for town in towns {
        let name = town.name_any();
        let (ars, status) = match &town.0 {
            Ok(raw) => {
                let conditions = raw.status.as_ref().map(|status| status.conditions.as_slice());
                (raw.spec.ars.as_str(), find_ready(conditions.unwrap_or_default(), raw.metadata.generation))
            }
            Err(unreadable) => ("", Ready::unreadable(&unreadable.error)),
        };
        table.add_row([&name, ars, "", "", &status.status, &status.reason, &status.message_unless_ready()]);
        let namespace = TownName::namespace_of(&name);
        for module in modules.iter().filter(|module| module.namespace().as_ref() == Some(&namespace)) {
            table.add_row(module_row(&name, module));
        }
    }
    table
}

fn module_row(town: &str, module: &DeserializeGuard<ServiceModule>) -> [String; 7] {
    let status = module.0.as_ref().ok().and_then(|raw| raw.status.clone()).unwrap_or_default();
    let ready = match &module.0 {
        Ok(raw) => find_ready(&status.conditions, raw.metadata.generation),
        Err(unreadable) => Ready::unreadable(&unreadable.error),
    };
    let url_or_message = if ready.status == "True" { status.url.unwrap_or_default() } else { ready.message };
    let version = status.version.unwrap_or_default();
    [town.to_owned(), String::new(), module.name_any(), version, ready.status, ready.reason, url_or_message]
}

/// What the table shows of the condition `Ready`.
struct Ready {
    status: String,
    reason: String,
    message: String,
}

impl Ready {
    fn unreadable(error: &str) -> Self {
        Self { status: "False".to_owned(), reason: "Unreadable".to_owned(), message: error.to_owned() }
    }

    fn message_unless_ready(&self) -> String {
        if self.status == "True" { String::new() } else { self.message.clone() }
    }
}

fn find_ready(conditions: &[Condition], generation: Option<i64>) -> Ready {
    let ready = status::current_ready(conditions, generation);
    Ready { status: ready.status, reason: ready.reason, message: ready.message }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_the_current_generation_has_not_been_reconciled_for_is_unknown() {
        for (observed, expected) in [(2, "True"), (1, "Unknown")] {
            let mut module = serde_json::to_value(crate::fixtures::module("e-payment", &[])).unwrap();
            module["metadata"]["generation"] = 2.into();
            module["status"] = json!({"observedGeneration": observed, "url": "https://e-payment.example", "conditions": [{
                "type": "Ready", "status": "True", "reason": "Ready", "message": "", "observedGeneration": observed,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
            let row = module_row("ahaus", &serde_json::from_value(module).unwrap());
            assert_eq!(row[4], expected);
            assert_eq!(row[6] == "https://e-payment.example", expected == "True", "{row:?}");
        }
    }
}
