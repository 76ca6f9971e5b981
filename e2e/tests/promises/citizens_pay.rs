// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Promise: a citizen pays a fee in a real browser, through the gateway, without JavaScript.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command};

use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::cluster;
use crate::support::{TOKEN, Town, eventually};

const DRIVER_PORT: u16 = 9515;

/// Ends with the test, whether that passes or fails.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // The process group: the browser is a child of its driver.
        let _ = kill_process_group(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

async fn browser() -> (Driver, Client) {
    let mut driver = Command::new("chromedriver");
    driver.arg(format!("--port={DRIVER_PORT}")).arg("--log-level=SEVERE").process_group(0);
    let driver = driver.spawn();
    let driver = Driver(driver.expect("chromium-driver is installed"));
    let options = json!({"goog:chromeOptions": {
        "args": [
            // High enough for the whole page: without JavaScript the driver cannot scroll.
            "--headless=new", "--window-size=1280,1600", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            // The gateway's authority is this machine's; every host is the gateway's.
            "--ignore-certificate-errors", "--host-resolver-rules=MAP * 10.88.0.1",
        ],
        "prefs": {"profile.managed_default_content_settings.javascript": 2},
    }});
    let Value::Object(capabilities) = options else { unreachable!() };
    let address = format!("http://127.0.0.1:{DRIVER_PORT}");
    let client = eventually("the browser starts", || async {
        ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities.clone())
            .connect(&address)
            .await
            .map_err(|e| e.to_string())
    })
    .await;
    (driver, client)
}

pub async fn a_citizen_pays_and_another_cancels_in_a_browser_without_javascript() {
    let cluster = cluster().await;
    let town = Town::admit(&cluster.client, "pay-a", "981").await;
    town.opt_in("e-payment").await;
    town.module_ready("e-payment").await;
    let base = "https://e-payment.pay-a.rathaus.example/paymenttransaction/parkausweis/055990981981";
    let (_driver, browser) = browser().await;

    // A database that an earlier run left knows its requests.
    let run = jiff::Timestamp::now().as_second();
    for (button, outcome) in [("confirm", "PAYED"), ("cancel", "CANCELED")] {
        let payment = json!({
            "requestId": format!("R-{run}-{button}"), "requestTimestamp": "2026-03-01T10:00:00.000Z", "currency": "EUR",
            "grosAmount": 1028.80, "purpose": "Parkausweis 17", "description": "Bewohnerparkausweis",
            "redirectUrl": "https://e-payment.pay-a.rathaus.example/back?from=payment",
            "items": [{"id": "1", "reference": "99108", "description": "Parkausweis", "taxRate": 0, "quantity": 1,
                "totalNetAmount": 1028.80, "totalTaxAmount": 0.00, "singleNetAmount": 1028.80, "singleTaxAmount": 0.00}],
        });
        let created: Value = cluster
            .citizen
            .post(base)
            .bearer_auth(TOKEN)
            .json(&payment)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        let information = &created["paymentInformation"];
        browser.goto(information["transactionRedirectUrl"].as_str().unwrap()).await.unwrap();

        let page = browser.find(Locator::Css("body")).await.unwrap().text().await.unwrap();
        for text in [
            "Teststadt pay-a",
            "Parkausweis 17",
            "1.028,80 €",
            "Impressum",
            "Datenschutz",
            "Barrierefreiheit",
        ] {
            assert!(page.contains(text), "{text} is missing in:\n{page}");
        }
        let language = browser.find(Locator::Css("html")).await.unwrap().attr("lang").await.unwrap();
        assert_eq!(language.as_deref(), Some("de"));
        browser.find(Locator::Css(&format!("button[value={button}]"))).await.unwrap().click().await.unwrap();
        eventually("the browser is back at the online service", || async {
            let arrived = browser.current_url().await.map_err(|error| error.to_string())?;
            let back = "https://e-payment.pay-a.rathaus.example/back?from=payment";
            if arrived.as_str() == back { Ok(()) } else { Err(arrived.to_string()) }
        })
        .await;

        let id = information["transactionId"].as_str().unwrap();
        let polled: Value = cluster
            .citizen
            .get(format!("{base}/{id}"))
            .bearer_auth(TOKEN)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(polled["paymentInformation"]["status"], outcome);
        assert_eq!(polled["paymentRequest"]["grosAmount"], 1028.80);
    }
    browser.close().await.unwrap();
    town.remove().await;
}
