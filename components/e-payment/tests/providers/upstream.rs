// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A second instance of the program as the state's platform, by each of the three ways of getting in.

use rcgen::ExtendedKeyUsagePurpose::ClientAuth;
use serde_json::{Value, json};

use crate::front::{self, Authority};
use crate::support::{ARS, Server, Service, payment};
use crate::{AT_PLATFORM, block_with, hurry, id, page, platform_at, state, status, until, visit};

/// How the platform knows the town.
const CLIENT: &str = "rathaus-ahaus";
const PASSWORD: &str = "the-platforms-token-for-ahaus-0123456789";

async fn platform() -> Service<'static> {
    let block = json!({
        "provider": {"type": "Sandbox"},
        "endPoints": [{"id": AT_PLATFORM, "receipts": {"prefix": "NRW-", "length": 14, "checkDigit": "None"}}],
        "clients": [{"name": CLIENT, "secret": CLIENT, "originators": ["stadt-ahaus"]}],
        "payerDataDays": 90,
    });
    let platform = Service::start_with(Server::shared(), block).await;
    platform.write_secret(CLIENT, "token", PASSWORD);
    platform
}

async fn town(platform: &str, authentication: Value, authorities: Option<&str>) -> Service<'static> {
    let block = block_with(platform_at(platform, authentication));
    Service::start_with_authorities(Server::shared(), block, authorities).await
}

fn basic(town: &Service<'_>, password: &str) {
    town.write_secret("platform", "username", CLIENT);
    town.write_secret("platform", "password", password);
}

/// One pays there, comes back, and both sides agree.
async fn one_pays(town: &Service<'_>, platform: &Service<'_>, request: &str) {
    assert_eq!(status(town).await.0, 200);
    let (created, transaction) = town.create(&payment(request)).await;
    assert_eq!(created, 200, "{transaction}");
    let (ours, there) = (id(&transaction), page(&transaction));
    let theirs = there.strip_prefix(&platform.url("/pay/")).expect("the platform's page").to_owned();
    let our_page =
        town.http.get(town.url(&format!("/pay/{ours}"))).send().await.unwrap().text().await.unwrap();
    assert!(our_page.contains(&there), "our own page leads there, too: {our_page}");

    let (_, back) = platform.press(&theirs, "confirm").await;
    assert_eq!(back.as_deref(), Some(town.url(&format!("/return/{ours}")).as_str()));
    assert_eq!(state(town, &ours).await, "INITIAL", "nobody was asked yet");
    let onward = Some("https://forms.example/return?x=1".to_owned());
    assert_eq!(visit(town, &back.unwrap()).await, (303, onward));

    let paid = town.poll(&ours).await;
    let information = &paid["paymentInformation"];
    assert_eq!(
        (&information["status"], &information["paymentMethodDetail"]),
        (&"PAYED".into(), &"Sandbox".into())
    );
    assert!(information["transactionReference"].as_str().unwrap().starts_with("AHS-"), "{paid}");
    assert_eq!(paid["paymentRequest"]["requestId"], request, "the online service sees its own request");
    let echoed = format!("SELECT request_id, status, amount FROM transactions WHERE id = '{theirs}'");
    assert_eq!(platform.sql(&echoed).1, format!("{ours}|PAYED|28.80"));
}

#[tokio::test]
async fn one_pays_at_a_platform_that_asks_for_http_basic() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    let (code, told) = status(&town).await;
    assert!(code == 503 && told.contains("Secret platform"), "no credentials yet: {told}");
    basic(&town, PASSWORD);
    one_pays(&town, &platform, "R-1").await;
}

#[tokio::test]
async fn one_pays_at_a_platform_that_asks_for_oauth_2() {
    let platform = platform().await;
    let token_url = platform.url("/oauth/token");
    let authentication = json!({"type": "OAuth2", "secret": "platform", "tokenUrl": token_url});
    let town = town(&platform.url("/"), authentication, None).await;
    town.write_secret("platform", "client-id", CLIENT);
    town.write_secret("platform", "client-secret", PASSWORD);
    one_pays(&town, &platform, "R-1").await;
    one_pays(&town, &platform, "R-2").await;
}

#[tokio::test]
async fn one_pays_at_a_platform_that_asks_for_mutual_tls() {
    let (platform, authority) = (platform().await, Authority::new());
    let front = front::serve(&authority, platform.url(""), CLIENT, PASSWORD).await;
    let authentication = json!({"type": "MutualTLS", "secret": "platform"});
    let town = town(&front, authentication, Some(&authority.pem)).await;
    let show = |signed: front::Signed| {
        town.write_secret("platform", "tls.crt", &signed.chain);
        town.write_secret("platform", "tls.key", &signed.key);
    };
    show(Authority::new().sign("somebody-else", ClientAuth));
    assert_eq!(status(&town).await.0, 503, "a certificate of another authority");
    show(authority.sign("ahaus", ClientAuth));
    one_pays(&town, &platform, "R-1").await;
}

#[tokio::test]
async fn a_server_of_an_unknown_authority_is_told_nothing() {
    let (platform, authority) = (platform().await, Authority::new());
    let front = front::serve(&authority, platform.url(""), CLIENT, PASSWORD).await;
    let town = town(&front, json!({"type": "Basic", "secret": "platform"}), None).await;
    basic(&town, PASSWORD);
    let (code, told) = status(&town).await;
    assert!(code == 503 && told.contains("certificate"), "{told}");
}

#[tokio::test]
async fn every_end_is_the_platforms_end() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    basic(&town, PASSWORD);
    for (button, outcome) in [("cancel", "CANCELED"), ("fail", "FAILED")] {
        let (_, transaction) = town.create(&payment(button)).await;
        let theirs = page(&transaction).rsplit_once('/').unwrap().1.to_owned();
        let ours = id(&transaction);
        // Our own page has no say where a provider takes the money.
        town.press(&ours, "confirm").await;
        visit(&town, &town.url(&format!("/return/{ours}"))).await;
        assert_eq!(state(&town, &ours).await, "INITIAL");
        platform.press(&theirs, button).await;
        visit(&town, &town.url(&format!("/return/{ours}"))).await;
        assert_eq!(state(&town, &ours).await, outcome);
    }
}

#[tokio::test]
async fn who_never_comes_back_has_paid_all_the_same() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    basic(&town, PASSWORD);
    let (_, transaction) = town.create(&payment("R-1")).await;
    let theirs = page(&transaction).rsplit_once('/').unwrap().1.to_owned();
    platform.press(&theirs, "confirm").await;
    let ours = id(&transaction);
    until("the payment", async || state(&town, &ours).await == "PAYED").await;
    assert_eq!(town.sql("SELECT looks FROM transactions").1, "1");
}

#[tokio::test]
async fn new_credentials_need_no_restart() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    basic(&town, "not-the-platforms-token-0123456789abcdef");
    let (code, transaction) = town.create(&payment("R-1")).await;
    let ours = id(&transaction);
    assert_eq!((code, page(&transaction)), (200, town.url(&format!("/pay/{ours}"))));
    let our_page = town.http.get(page(&transaction)).send().await.unwrap().text().await.unwrap();
    assert!(!our_page.contains("decision"), "it cannot be paid yet: {our_page}");
    basic(&town, PASSWORD);
    hurry(&town).await;
    let there = async || page(&town.poll(&ours).await).starts_with(&platform.url("/pay/"));
    until("the platform's page", there).await;
    assert_eq!(status(&town).await.0, 200);
}

#[tokio::test]
async fn what_the_platform_refuses_has_failed_and_says_why() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    basic(&town, PASSWORD);
    // The platform wants what the town does not ask for.
    let module = std::fs::read_to_string(platform.config.join("module.json")).unwrap();
    let mut module: Value = serde_json::from_str(&module).unwrap();
    module["ePayment"]["endPoints"][0]["bookingData"] = json!(["hhst"]);
    std::fs::write(platform.config.join("module.json"), module.to_string()).unwrap();
    let mut platform = platform;
    platform.stop(rustix::process::Signal::TERM);
    platform.serve().await;
    let (_, transaction) = town.create(&payment("R-1")).await;
    let polled = town.poll(&id(&transaction)).await;
    let information = &polled["paymentInformation"];
    assert_eq!(information["status"], "FAILED");
    assert!(information["statusDetail"].as_str().unwrap().starts_with("BOOKING_DATA_MISSING: "), "{polled}");
    let url = town.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
    let again = town.http.post(url).json(&payment("R-1")).send().await.unwrap();
    assert_eq!(again.status(), 200, "a repetition is a repetition");
}
