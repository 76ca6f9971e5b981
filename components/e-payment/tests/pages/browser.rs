// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Chromium, driven as a person would.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::issuer::answers;
use crate::packages::packages;
use crate::support::free_port;

const PATIENCE: Duration = Duration::from_secs(20);

/// How one looks at a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// A large window, light.
    Desktop,
    /// As narrow as WCAG 2.2 (1.4.10) asks for, dark.
    NarrowAndDark,
}

/// A browser; it ends with the test, however that ends.
pub struct Browser {
    pub client: Client,
    driver: Child,
}

impl Browser {
    pub async fn open(look: Look) -> Self {
        let port = free_port();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "chromedriver", "--log-level=OFF"])
            .arg(format!("--port={port}"));
        // A group of its own, so that the browser goes with its driver.
        let driver = command.process_group(0).stdout(Stdio::null()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        answers(&format!("{url}/status")).await;
        let mut chrome = json!({"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,1024",
            "--force-prefers-reduced-motion", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        ]});
        if look == Look::NarrowAndDark {
            chrome["mobileEmulation"] =
                json!({"deviceMetrics": {"width": 320, "height": 800, "pixelRatio": 1.0}});
            chrome["args"].as_array_mut().unwrap().push("--blink-settings=preferredColorScheme=0".into());
        }
        let Value::Object(capabilities) = json!({"goog:chromeOptions": chrome}) else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&url).await;
        Self { client: client.unwrap(), driver }
    }

    pub async fn go(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// What one reads on the page, once it is no longer on its way from one to the next.
    pub async fn text(&self) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let read = async { self.client.find(Locator::Css("body")).await?.text().await };
            match read.await {
                Ok(text) => return text,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits for what the page is to have.
    pub async fn see(&self, css: &str) -> Element {
        match self.client.wait().at_most(PATIENCE).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(_) => {
                panic!("no {css} at {}: {}", self.client.current_url().await.unwrap(), self.text().await)
            }
        }
    }

    pub async fn click(&self, css: &str) {
        self.see(css).await.click().await.unwrap();
    }

    pub async fn write(&self, css: &str, text: &str) {
        self.see(css).await.send_keys(text).await.unwrap();
    }

    /// Waits for the page of this address.
    pub async fn arrives_at(&self, url: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let arrived = self.client.current_url().await.unwrap();
            if arrived.as_str() == url {
                return;
            }
            assert!(Instant::now() < deadline, "{arrived} instead of {url}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Logs in at the provider that asks now, and gives it leave to tell who one is.
    pub async fn log_in(&self, who: &str) {
        self.write("input[name=login]", who).await;
        self.write("input[name=password]", "any").await;
        self.click("button[type=submit]").await;
        self.see("input[value=consent]").await;
        self.click("button[type=submit]").await;
    }

    /// Cookies as a browser sends them, by name.
    pub async fn cookies(&self) -> String {
        let cookies = self.client.get_all_cookies().await.unwrap();
        cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// What axe-core finds on the page against WCAG 2.2 A and AA, and whether one must scroll sideways.
    pub async fn barriers(&self) -> Vec<String> {
        let axe = fs::read_to_string(packages().join("node_modules/axe-core/axe.min.js")).unwrap();
        self.client.execute(&axe, Vec::new()).await.unwrap();
        let run = "const done = arguments[arguments.length - 1]; \
            const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa']; \
            const sideways = document.documentElement.scrollWidth > document.documentElement.clientWidth; \
            axe.run(document, {runOnly: rules}).then(result => done([ \
                ...result.violations.map(it => it.id + ': ' + it.help + ' ' + it.nodes.map(node => node.html).join(' ')), \
                ...(sideways ? ['reflow: one must scroll sideways'] : []), \
                ...(result.passes.length < 10 ? ['axe: hardly any rule applied'] : []), \
            ]), wrong => done(['axe: ' + wrong]))";
        let found = self.client.execute_async(run, Vec::new()).await.unwrap();
        serde_json::from_value(found).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}
