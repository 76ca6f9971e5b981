// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: a municipality keeps the host name that it holds until it gives it up, whoever asks for it, so that no
//! citizen of one pays at another.

use kube::Api;
use kube::api::ListParams;
use rathaus::api::HTTPRoute;
use serde_json::json;

use crate::support::{Town, eventually, message};
use crate::{client, cluster};

/// The namespaces of the routes that serve a host name.
async fn served_from(host: &str) -> Vec<String> {
    let routes = Api::<HTTPRoute>::all(client().await).list(&ListParams::default()).await.unwrap();
    let serving =
        routes.items.into_iter().filter(|route| route.spec.hostnames.iter().any(|name| name == host));
    serving.map(|route| route.metadata.namespace.unwrap()).collect()
}

pub async fn an_older_municipality_that_asks_for_it_waits_until_it_is_given_up() {
    let client = client().await;
    let older = Town::admit(&client, "hold-a", "421").await;
    older.ready().await;
    let younger = Town::admit(&client, "hold-b", "422").await;
    for town in [&older, &younger] {
        town.opt_in("e-payment").await;
        town.module_ready("e-payment").await;
    }
    let (contested, spare) = ("e-payment.hold-b.rathaus.example", "e-payment.hold-a.rathaus.example");

    older.change(json!({"spec": {"hostname": "hold-b.rathaus.example"}})).await;
    let refused = older.municipality_says("Ready", "False", "HostnameTaken").await;
    assert!(message(&refused.status.unwrap().conditions, "Ready").contains("held by municipality hold-b"));
    // The younger one is looked at again, and stays what it is.
    younger.change(json!({"spec": {"displayName": "Neu"}})).await;
    younger.ready().await;
    younger.module_ready("e-payment").await;
    assert_eq!(served_from(contested).await, ["mun-hold-b"]);
    assert_eq!(served_from(spare).await, ["mun-hold-a"], "what runs keeps running");
    let url = "https://e-payment.hold-b.rathaus.example/status/parkausweis/055990422422";
    let citizen = cluster().await.citizen;
    assert_eq!(citizen.get(url).bearer_auth(crate::support::TOKEN).send().await.unwrap().status(), 200);

    younger.change(json!({"spec": {"hostname": "hold-c.rathaus.example"}})).await;
    younger.ready().await;
    older.ready().await;
    eventually("the routes follow", || async {
        let found = (served_from(contested).await, served_from("e-payment.hold-c.rathaus.example").await);
        let expected = (vec!["mun-hold-a".to_owned()], vec!["mun-hold-b".to_owned()]);
        if found == expected { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    older.remove().await;
    younger.remove().await;
}
