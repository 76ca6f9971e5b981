// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Payments at a second instance of the program, which acts as the state's platform, with each of the three
//! authentication methods.

use rcgen::ExtendedKeyUsagePurpose::ClientAuth;
use serde_json::{Value, json};

use crate::mtls_proxy::{self, Authority};
use crate::support::{ARS, Server, Service, payment};
use crate::{
    PLATFORM_END_POINT, module_status, payment_page, platform_settings, settings_with, transaction_id,
    transaction_status, trigger_lookups, visit, wait_until,
};

/// The town's client name at the platform.
const CLIENT: &str = "rathaus-ahaus";
const PASSWORD: &str = "the-platforms-token-for-ahaus-0123456789";

async fn platform() -> Service<'static> {
    let settings = json!({
        "provider": {"type": "Sandbox"},
        "endPoints": [{"id": PLATFORM_END_POINT, "receipts": {"prefix": "NRW-", "length": 14, "checkDigit": "None"}}],
        "clients": [{"name": CLIENT, "secret": CLIENT, "originators": ["stadt-ahaus"]}],
        "payerDataDays": 90,
    });
    let platform = Service::start_with(Server::shared(), settings).await;
    platform.write_secret(CLIENT, "token", PASSWORD);
    platform
}

async fn town(platform: &str, authentication: Value, authorities: Option<&str>) -> Service<'static> {
    let settings = settings_with(platform_settings(platform, authentication));
    Service::start_with_authorities(Server::shared(), settings, authorities).await
}

/// Writes the town's Secret for HTTP Basic.
fn write_credentials(town: &Service<'_>, password: &str) {
    town.write_secret("platform", "username", CLIENT);
    town.write_secret("platform", "password", password);
}

/// A citizen pays at the platform and returns to the town, and both store the payment as paid.
async fn pay_at_platform(town: &Service<'_>, platform: &Service<'_>, request: &str) {
    assert_eq!(module_status(town).await.0, 200);
    let (created, transaction) = town.create(&payment(request)).await;
    assert_eq!(created, 200, "{transaction}");
    let (ours, page) = (transaction_id(&transaction), payment_page(&transaction));
    let theirs = page.strip_prefix(&platform.url("/pay/")).expect("the platform's page").to_owned();
    let our_page =
        town.http.get(town.url(&format!("/pay/{ours}"))).send().await.unwrap().text().await.unwrap();
    assert!(our_page.contains(&page), "the town's own page links to it, too: {our_page}");

    let (_, back) = platform.press(&theirs, "confirm").await;
    assert_eq!(back.as_deref(), Some(town.url(&format!("/return/{ours}")).as_str()));
    assert_eq!(transaction_status(town, &ours).await, "INITIAL", "the platform was not asked yet");
    let redirect_url = Some("https://forms.example/return?x=1".to_owned());
    assert_eq!(visit(town, &back.unwrap()).await, (303, redirect_url));

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
async fn payments_at_a_platform_with_http_basic() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    let (code, body) = module_status(&town).await;
    assert!(code == 503 && body.contains("Secret platform"), "no credentials yet: {body}");
    write_credentials(&town, PASSWORD);
    pay_at_platform(&town, &platform, "R-1").await;
}

#[tokio::test]
async fn payments_at_a_platform_with_oauth_2() {
    let platform = platform().await;
    let token_url = platform.url("/oauth/token");
    let authentication = json!({"type": "OAuth2", "secret": "platform", "tokenUrl": token_url});
    let town = town(&platform.url("/"), authentication, None).await;
    town.write_secret("platform", "client-id", CLIENT);
    town.write_secret("platform", "client-secret", PASSWORD);
    pay_at_platform(&town, &platform, "R-1").await;
    pay_at_platform(&town, &platform, "R-2").await;
}

#[tokio::test]
async fn payments_at_a_platform_with_mutual_tls() {
    let (platform, authority) = (platform().await, Authority::new());
    let proxy = mtls_proxy::serve(&authority, platform.url(""), CLIENT, PASSWORD).await;
    let authentication = json!({"type": "MutualTLS", "secret": "platform"});
    let town = town(&proxy, authentication, Some(&authority.pem)).await;
    let write_certificate = |signed: mtls_proxy::Signed| {
        town.write_secret("platform", "tls.crt", &signed.chain);
        town.write_secret("platform", "tls.key", &signed.key);
    };
    write_certificate(Authority::new().sign("another-client", ClientAuth));
    assert_eq!(module_status(&town).await.0, 503, "a certificate of another authority");
    write_certificate(authority.sign("ahaus", ClientAuth));
    pay_at_platform(&town, &platform, "R-1").await;
}

#[tokio::test]
async fn a_server_with_a_certificate_of_an_unknown_authority_is_rejected() {
    let (platform, authority) = (platform().await, Authority::new());
    let proxy = mtls_proxy::serve(&authority, platform.url(""), CLIENT, PASSWORD).await;
    let town = town(&proxy, json!({"type": "Basic", "secret": "platform"}), None).await;
    write_credentials(&town, PASSWORD);
    let (code, body) = module_status(&town).await;
    assert!(code == 503 && body.contains("certificate"), "{body}");
}

#[tokio::test]
async fn only_the_platform_decides_payments() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    write_credentials(&town, PASSWORD);
    for (button, outcome) in [("cancel", "CANCELED"), ("fail", "FAILED")] {
        let (_, transaction) = town.create(&payment(button)).await;
        let theirs = payment_page(&transaction).rsplit_once('/').unwrap().1.to_owned();
        let ours = transaction_id(&transaction);
        // The town's own page cannot decide payments at a provider.
        town.press(&ours, "confirm").await;
        visit(&town, &town.url(&format!("/return/{ours}"))).await;
        assert_eq!(transaction_status(&town, &ours).await, "INITIAL");
        platform.press(&theirs, button).await;
        visit(&town, &town.url(&format!("/return/{ours}"))).await;
        assert_eq!(transaction_status(&town, &ours).await, outcome);
    }
}

#[tokio::test]
async fn a_payment_is_looked_up_even_if_the_citizen_never_returns() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    write_credentials(&town, PASSWORD);
    let (_, transaction) = town.create(&payment("R-1")).await;
    let theirs = payment_page(&transaction).rsplit_once('/').unwrap().1.to_owned();
    platform.press(&theirs, "confirm").await;
    let ours = transaction_id(&transaction);
    wait_until("the payment", async || transaction_status(&town, &ours).await == "PAYED").await;
    assert_eq!(town.sql("SELECT looks FROM transactions").1, "1");
}

#[tokio::test]
async fn new_credentials_need_no_restart() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    write_credentials(&town, "not-the-platforms-token-0123456789abcdef");
    let (code, transaction) = town.create(&payment("R-1")).await;
    let ours = transaction_id(&transaction);
    assert_eq!((code, payment_page(&transaction)), (200, town.url(&format!("/pay/{ours}"))));
    let our_page = town.http.get(payment_page(&transaction)).send().await.unwrap().text().await.unwrap();
    assert!(!our_page.contains("decision"), "the payment is not started yet: {our_page}");
    write_credentials(&town, PASSWORD);
    trigger_lookups(&town).await;
    let is_started = async || payment_page(&town.poll(&ours).await).starts_with(&platform.url("/pay/"));
    wait_until("the platform's page", is_started).await;
    assert_eq!(module_status(&town).await.0, 200);
}

#[tokio::test]
async fn a_payment_that_the_platform_refuses_fails_with_its_reason() {
    let platform = platform().await;
    let town = town(&platform.url(""), json!({"type": "Basic", "secret": "platform"}), None).await;
    write_credentials(&town, PASSWORD);
    // From now on the platform requires booking data that the town's settings do not.
    let module = std::fs::read_to_string(platform.config.join("module.json")).unwrap();
    let mut module: Value = serde_json::from_str(&module).unwrap();
    module["ePayment"]["endPoints"][0]["bookingData"] = json!(["hhst"]);
    std::fs::write(platform.config.join("module.json"), module.to_string()).unwrap();
    let mut platform = platform;
    platform.stop(rustix::process::Signal::TERM);
    platform.serve().await;
    let (_, transaction) = town.create(&payment("R-1")).await;
    let polled = town.poll(&transaction_id(&transaction)).await;
    let information = &polled["paymentInformation"];
    assert_eq!(information["status"], "FAILED");
    assert!(information["statusDetail"].as_str().unwrap().starts_with("BOOKING_DATA_MISSING: "), "{polled}");
    let url = town.url(&format!("/paymenttransaction/parkausweis/{ARS}"));
    let again = town.http.post(url).json(&payment("R-1")).send().await.unwrap();
    assert_eq!(again.status(), 200, "the repeated request gets the first answer");
}
