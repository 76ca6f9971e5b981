// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: a town's payments go to the state's payment platform with credentials from the town's own
//! Secret, and siblings pay with the platform's token for exactly this module.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use crate::cluster;
use crate::support::{TOKEN, Town, eventually, merge, module_message, service_module};

const PLATFORM: &str = "055990731731";
const TOWN: &str = "055990732732";
const CREDENTIALS: &str = "what-the-platform-gave-the-town-0123456789";

fn request(id: &str) -> Value {
    json!({
        "requestId": id, "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR", "grosAmount": 28.80,
        "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
        "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
            "totalNetAmount": 28.80, "totalTaxAmount": 0.00, "singleNetAmount": 28.80, "singleTaxAmount": 0.00}],
    })
}

pub async fn what_is_paid_at_the_platform_is_paid_in_the_town() {
    let cluster = cluster().await;
    // The state's platform is another instance of the same component.
    let platform = Town::admit(&cluster.client, "plat-a", "731").await;
    let mut module = service_module("plat-a", "e-payment");
    let client = json!({"name": "plat-b", "secret": "plat-b", "originators": ["parkausweis"]});
    module["spec"]["ePayment"]["clients"].as_array_mut().unwrap().push(client);
    platform.keep_secret("plat-b", json!({"token": CREDENTIALS})).await;
    platform.opt_in_with(module).await;

    let town = Town::admit(&cluster.client, "plat-b", "732").await;
    let mut module = service_module("plat-b", "e-payment");
    module["spec"]["ePayment"]["provider"] = json!({"type": "XBezahldienste", "xBezahldienste": {
        "url": "https://e-payment.plat-a.rathaus.example",
        "authentication": {"type": "Basic", "secret": "platform"},
    }});
    module["spec"]["ePayment"]["endPoints"] =
        json!([{"id": TOWN, "providerId": PLATFORM, "receipts": {"prefix": "B-"}}]);
    town.opt_in_with(module).await;
    // Until the Secret is there, the module says which one it waits for.
    let waiting = town.module_says("e-payment", "Deployed", "False", "SecretNotFound").await;
    let message = module_message(&waiting, "Deployed");
    assert!(message.contains("platform") && message.contains("kubectl"), "{message}");
    town.keep_secret("platform", json!({"username": "plat-b", "password": CREDENTIALS})).await;
    platform.module_ready("e-payment").await;
    town.module_ready("e-payment").await;

    let base = "https://e-payment.plat-b.rathaus.example";
    let status = format!("{base}/status/parkausweis/{TOWN}");
    eventually("the town's module reaches the platform", || async {
        let answer = cluster.citizen.get(&status).bearer_auth(TOKEN).send().await;
        let answer = answer.map_err(|error| error.to_string())?;
        if answer.status() == 200 { Ok(()) } else { Err(answer.text().await.unwrap_or_default()) }
    })
    .await;
    let create = format!("{base}/paymenttransaction/parkausweis/{TOWN}");
    let id = format!("R-{}", jiff::Timestamp::now().as_second());
    let created = cluster.citizen.post(&create).bearer_auth(TOKEN).json(&request(&id)).send().await.unwrap();
    let created: Value = created.json().await.unwrap();
    let page = created["paymentInformation"]["transactionRedirectUrl"].as_str().unwrap();
    assert!(page.starts_with("https://e-payment.plat-a.rathaus.example/pay/"), "{created}");
    let pressed = cluster.citizen.post(page).form(&[("decision", "confirm")]).send().await.unwrap();
    let back = pressed.headers()["location"].to_str().unwrap();
    let transaction = created["paymentInformation"]["transactionId"].as_str().unwrap();
    assert_eq!(back, format!("{base}/return/{transaction}"), "the browser comes back by way of the town");
    cluster.citizen.get(back).send().await.unwrap();
    eventually("the town knows that it was paid", || async {
        let polled = cluster.citizen.get(format!("{create}/{transaction}")).bearer_auth(TOKEN).send().await;
        let polled: Value = polled.map_err(|e| e.to_string())?.json().await.map_err(|e| e.to_string())?;
        let information = &polled["paymentInformation"];
        let paid = information["status"] == "PAYED" && information["transactionReference"] == "B-0000000001";
        if paid { Ok(()) } else { Err(information.to_string()) }
    })
    .await;
    platform.remove().await;
    town.remove().await;
}

pub async fn a_sibling_calls_with_the_token_that_its_pods_have_for_this_module_and_no_other() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "sib-a", "733").await;
    let mut module = service_module("sib-a", "e-payment");
    let client = json!({"name": "portal", "module": "portal", "originators": ["parkausweis"]});
    let mut portal = service_module("sib-a", "portal");
    portal["spec"]["uses"] = json!(["e-payment"]);
    module["spec"]["ePayment"]["clients"].as_array_mut().unwrap().push(client);
    town.opt_in_with(module).await;
    town.opt_in_with(portal).await;
    town.module_ready("portal").await;
    town.module_ready("e-payment").await;

    let pods =
        town.api::<Pod>().list(&ListParams::default().labels("rathaus.dev/module=portal")).await.unwrap();
    let volumes = serde_json::to_value(&pods.items[0].spec.as_ref().unwrap().volumes).unwrap();
    let audience = "http://e-payment.mun-sib-a.svc";
    assert!(volumes.to_string().contains(&format!("\"audience\":\"{audience}\"")), "{volumes}");

    // The tokens that the kubelet asks for, asked for here.
    let accounts = town.api::<ServiceAccount>();
    let call = async |account: &str, audience: &str| {
        let wanted = TokenRequestSpec { audiences: vec![audience.to_owned()], ..Default::default() };
        let wanted = TokenRequest { spec: wanted, ..Default::default() };
        let made = accounts.create_token_request(account, &PostParams::default(), &wanted).await.unwrap();
        let url = "https://e-payment.sib-a.rathaus.example/status/parkausweis/055990733733";
        let answer = cluster.citizen.get(url).bearer_auth(made.status.unwrap().token).send().await.unwrap();
        answer.status().as_u16()
    };
    eventually("the sibling's token is accepted", || async {
        let status = call("portal", audience).await;
        if status == 200 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    assert_eq!(call("portal", "http://portal.mun-sib-a.svc").await, 401, "for another module");
    assert_eq!(call("e-payment", audience).await, 401, "of a module that is no client");

    // A client that the town removes is refused from then on.
    merge(&town.modules(), "e-payment", json!({"spec": {"ePayment": {"clients": []}}})).await;
    town.module_ready("e-payment").await;
    eventually("the sibling is refused", || async {
        let status = call("portal", audience).await;
        if status == 401 { Ok(()) } else { Err(status.to_string()) }
    })
    .await;
    town.remove().await;
}
