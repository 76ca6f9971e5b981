// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: what version 0.1.0 made is neither changed nor deleted until it is sealed, and then goes on without a
//! pod being replaced.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams, PostParams};
use kube::{Api, ResourceExt};
use rathaus::cluster::{Ledger, TownObjects, get_seal_key, list_unsealed, write_seal};
use rathaus::desired::{KINDS, Kind, Tolerated};
use rathaus::tenant::{SEAL, TownName};
use serde_json::json;

use crate::client;
use crate::support::{Town, merge, message};

const SYSTEM: &str = "rathaus-system";

pub async fn what_an_earlier_version_made_waits_for_its_seal_and_goes_on_with_it() {
    let client = client().await;
    let town = Town::admit(&client, "way-a", "415").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;

    // The key is younger than the town, as it is after an upgrade. It stays the same, for the other towns.
    let secrets = Api::<Secret>::namespaced(client.clone(), SYSTEM);
    let mut secret = secrets.get("rathaus-seal").await.unwrap();
    secrets.delete("rathaus-seal", &DeleteParams::default()).await.unwrap();
    (secret.metadata.uid, secret.metadata.resource_version) = (None, None);
    secrets.create(&PostParams::default(), &secret).await.unwrap();
    let operators = Api::<Pod>::namespaced(client.clone(), SYSTEM);
    operators.delete_collection(&DeleteParams::default(), &ListParams::default()).await.unwrap();
    // No module reads the address, so that no pod is replaced for it.
    town.change(json!({"spec": {"contact": {"email": "neu@town.example"}}})).await;
    town.ready().await;
    town.module_ready("e-payment").await;

    let before = pods(&town).await;
    let password = "SELECT rolpassword FROM pg_authid WHERE rolname = 'way-a_e-payment'";
    let password_before = e2e::database::sql(password).await.unwrap();
    // As after an upgrade that was interrupted. The pods use the password in the Secret.
    let unsealed = json!({"metadata": {"annotations": {SEAL: null}}});
    merge(&town.api::<Secret>(), "e-payment", unsealed).await;
    town.change(json!({"spec": {"contact": {"email": "anders@town.example"}}})).await;
    town.module_says("e-payment", "Deployed", "False", "UpgradeNeeded").await;
    assert_eq!(e2e::database::sql(password).await.unwrap(), password_before, "the password stays");

    remove_seals(&town).await;
    let refused = town.municipality_says("NamespaceReady", "False", "UpgradeNeeded").await;
    assert!(message(&refused.status.unwrap().conditions, "Ready").contains("rathaus upgrade --plan"));

    let key = get_seal_key(&client, SYSTEM).await.unwrap().unwrap();
    let ledger = Ledger::new(Tolerated::default());
    let objects = TownObjects { client: &client, key: &key, ledger: &ledger, ars: "055990415415" };
    let name = TownName::parse("way-a").unwrap();
    let unsealed = list_unsealed(objects, &name).await.unwrap();
    let kinds: BTreeSet<Kind> = unsealed.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.len(), KINDS.len(), "{kinds:?}");
    for (kind, object) in &unsealed {
        assert!(!object.annotations().contains_key(SEAL), "{kind:?} {} was changed", object.name_any());
        write_seal(objects, *kind, object).await.unwrap();
    }
    assert_eq!(list_unsealed(objects, &name).await.unwrap().len(), 0);
    town.ready().await;
    town.module_ready("e-payment").await;
    assert_eq!(pods(&town).await, before, "no pod was replaced");
    assert_eq!(e2e::database::sql(password).await.unwrap(), password_before, "no password was replaced");
    town.remove().await;
}

/// Leaves the town's objects as version 0.1.0 made them. The namespace is the first, so that the operator does not
/// touch the others.
async fn remove_seals(town: &Town) {
    for kind in KINDS {
        for object in town.sealed(*kind).await {
            let unsealed = json!({"metadata": {"annotations": {SEAL: null}}});
            merge(&town.made(*kind), &object.name_any(), unsealed).await;
        }
    }
}

/// The UIDs of the town's pods, which change when a pod is replaced. The Deployment's generation says nothing: it
/// grows with every change of an annotation, the seal among them.
async fn pods(town: &Town) -> BTreeSet<Option<String>> {
    let pods = town.api::<Pod>().list(&ListParams::default()).await.unwrap();
    pods.items.iter().map(ResourceExt::uid).collect()
}
