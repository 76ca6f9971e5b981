// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A headless Chromium that the tests control through ChromeDriver.

use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fantoccini::elements::Element;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use crate::issuer::wait_until_ready;
use crate::packages::install_packages;
use crate::support::free_port;

/// How long the tests wait for a page to change.
const WAIT_TIMEOUT: Duration = Duration::from_secs(20);

/// Window size and colour scheme of the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewport {
    /// A large window in light mode.
    Desktop,
    /// 320 CSS pixels wide, as WCAG 2.2 (1.4.10) requires, in dark mode.
    NarrowAndDark,
}

/// A running browser with its driver. Both are killed when the test ends, even if it panics.
pub struct Browser {
    pub client: Client,
    driver: Child,
}

impl Browser {
    /// Starts ChromeDriver and opens a browser window.
    pub async fn open(viewport: Viewport) -> Self {
        let port = free_port();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--", "chromedriver", "--log-level=OFF"])
            .arg(format!("--port={port}"));
        // The driver gets its own process group, so that the browser is killed with it.
        let driver = command.process_group(0).stdout(Stdio::null()).spawn().unwrap();
        let url = format!("http://127.0.0.1:{port}");
        wait_until_ready(&format!("{url}/status")).await;
        let mut chrome = json!({"args": [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--window-size=1280,1024",
            "--force-prefers-reduced-motion", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
        ]});
        if viewport == Viewport::NarrowAndDark {
            chrome["mobileEmulation"] =
                json!({"deviceMetrics": {"width": 320, "height": 800, "pixelRatio": 1.0}});
            chrome["args"].as_array_mut().unwrap().push("--blink-settings=preferredColorScheme=0".into());
        }
        let Value::Object(capabilities) = json!({"goog:chromeOptions": chrome}) else { unreachable!() };
        let client = ClientBuilder::new(HttpConnector::new()).capabilities(capabilities).connect(&url).await;
        Self { client: client.unwrap(), driver }
    }

    pub async fn goto(&self, url: &str) {
        self.client.goto(url).await.unwrap();
    }

    /// The visible text of the page. Retries while the browser navigates from one page to the next.
    pub async fn text(&self) -> String {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let read = async { self.client.find(Locator::Css("body")).await?.text().await };
            match read.await {
                Ok(text) => return text,
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until the page has an element that matches the CSS selector, and returns it.
    pub async fn wait_for(&self, css: &str) -> Element {
        match self.client.wait().at_most(WAIT_TIMEOUT).for_element(Locator::Css(css)).await {
            Ok(element) => element,
            Err(_) => {
                panic!("no {css} at {}: {}", self.client.current_url().await.unwrap(), self.text().await)
            }
        }
    }

    pub async fn click(&self, css: &str) {
        self.wait_for(css).await.click().await.unwrap();
    }

    /// Types text into an input, or chooses a file if `text` is its path.
    pub async fn type_into(&self, css: &str, text: &str) {
        self.wait_for(css).await.send_keys(text).await.unwrap();
    }

    /// Waits until the browser shows the page at this URL.
    pub async fn wait_for_url(&self, url: &str) {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let current = self.client.current_url().await.unwrap();
            if current.as_str() == url {
                return;
            }
            assert!(Instant::now() < deadline, "{current} instead of {url}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Logs in on the OpenID provider's page and gives consent.
    pub async fn log_in(&self, account: &str) {
        self.type_into("input[name=login]", account).await;
        self.type_into("input[name=password]", "any").await;
        self.click("button[type=submit]").await;
        self.wait_for("input[value=consent]").await;
        self.click("button[type=submit]").await;
    }

    /// The browser's cookies in the format of the header `Cookie`.
    pub async fn cookies(&self) -> String {
        let cookies = self.client.get_all_cookies().await.unwrap();
        cookies
            .iter()
            .map(|cookie| format!("{}={}", cookie.name(), cookie.value()))
            .collect::<Vec<_>>()
            .join("; ")
    }

    /// Checks the page with axe-core against WCAG 2.2 A and AA, and that nobody has to scroll sideways.
    /// Returns the violations.
    pub async fn accessibility_violations(&self) -> Vec<String> {
        let axe = fs::read_to_string(install_packages().join("node_modules/axe-core/axe.min.js")).unwrap();
        self.client.execute(&axe, Vec::new()).await.unwrap();
        let script = "const done = arguments[arguments.length - 1]; \
            const rules = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22a', 'wcag22aa']; \
            const sideways = document.documentElement.scrollWidth > document.documentElement.clientWidth; \
            axe.run(document, {runOnly: rules}).then(result => done([ \
                ...result.violations.map(it => it.id + ': ' + it.help + ' ' + it.nodes.map(node => node.html).join(' ')), \
                ...(sideways ? ['reflow: one must scroll sideways'] : []), \
                ...(result.passes.length < 10 ? ['axe: hardly any rule applied'] : []), \
            ]), error => done(['axe: ' + error]))";
        let violations = self.client.execute_async(script, Vec::new()).await.unwrap();
        serde_json::from_value(violations).unwrap()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = kill_process_group(Pid::from_child(&self.driver), Signal::KILL);
        let _ = self.driver.wait();
    }
}
