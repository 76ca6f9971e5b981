// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: another program that changes an object back each time is named, and the operator stops repairing the
//! object for an hour, so that the two do not keep the cluster busy.

use std::time::Duration;

use e2e::audit::{mark, requests_since};
use futures::future::{Either, select};
use k8s_openapi::api::core::v1::Service;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::{Town, module_message};
use crate::{OPERATOR, client};

/// How long the operator must leave the object alone.
const QUIET: Duration = Duration::from_secs(10);

pub async fn another_program_that_never_gives_in_is_named_and_left_alone() {
    let town = Town::admit(&client().await, "fight-a", "416").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;

    let services = town.api::<Service>();
    let change = json!({"metadata": {"labels": {"example.net/team": "others"}}});
    let writer = PatchParams { field_manager: Some("second-writer".to_owned()), ..PatchParams::default() };
    let write_again_and_again = async {
        loop {
            services.patch("e-payment", &writer, &Patch::Merge(change.clone())).await.unwrap();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let contested = town.module_says("e-payment", "Deployed", "False", "Contested");
    let module = match select(std::pin::pin!(write_again_and_again), std::pin::pin!(contested)).await {
        Either::Left((never, _)) => never,
        Either::Right((module, _)) => module,
    };
    let message = module_message(&module, "Deployed");
    for word in
        ["Service e-payment", "second-writer", "/metadata/labels/example.net~1team", "settings.tolerated"]
    {
        assert!(message.contains(word), "{word} in {message}");
    }

    let start = mark().unwrap();
    services.patch("e-payment", &writer, &Patch::Merge(change)).await.unwrap();
    tokio::time::sleep(QUIET).await;
    let mut writes = requests_since(start, OPERATOR).unwrap();
    writes.retain(|write| {
        write.is_write() && write.resource == "services" && write.namespace == town.namespace()
    });
    assert!(writes.is_empty(), "{writes:#?}");
    town.remove().await;
}
