// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Waits for what a measurement ends with.

use std::{
    collections::HashSet,
    fmt::Debug,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use futures::StreamExt;
use jiff::Timestamp;
use kube::{
    Api, Resource, ResourceExt,
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use serde::de::DeserializeOwned;
use tokio::time::interval;

use crate::process::Daemon;

/// How often is looked for what cannot be watched, and whether the programs still run.
const INTERVAL: Duration = Duration::from_secs(1);

/// How long a measurement waits, and which programs must run meanwhile.
#[derive(Debug, Clone)]
pub struct Patience {
    /// The longest time to wait.
    pub limit: Duration,
    /// The programs without which the wait would be in vain.
    pub daemons: Vec<Daemon>,
}

impl Patience {
    /// Watches objects until `count` of them fulfil `is_done`, and returns when that was.
    ///
    /// # Errors
    /// Fails at the limit, and if a program has exited.
    pub async fn wait_for_all<K>(
        &self,
        api: Api<K>,
        config: watcher::Config,
        count: usize,
        is_done: impl Fn(&K) -> bool,
    ) -> Result<Timestamp>
    where
        K: Resource + Clone + Debug + DeserializeOwned + Send + 'static,
    {
        let mut events = watcher(api, config).default_backoff().boxed();
        let mut done = HashSet::new();
        let deadline = Instant::now() + self.limit;
        let mut tick = interval(INTERVAL);
        loop {
            tokio::select! {
                event = events.next() => match event.context("the watch has ended")? {
                    Ok(event) => update(&mut done, &event, &is_done),
                    // The stream connects again by itself.
                    Err(error) => tracing::debug!(%error, "watch interrupted"),
                },
                _ = tick.tick() => self.check(deadline, || format!("{} of {count} objects are done", done.len()))?,
            }
            if done.len() >= count {
                return Ok(Timestamp::now());
            }
        }
    }

    /// Repeats a check every second until it succeeds, and returns when that was.
    ///
    /// # Errors
    /// Fails at the limit, if a program has exited, and if the check itself fails.
    pub async fn wait_until(
        &self,
        goal: &str,
        mut check: impl AsyncFnMut() -> Result<bool>,
    ) -> Result<Timestamp> {
        let deadline = Instant::now() + self.limit;
        let mut tick = interval(INTERVAL);
        loop {
            tick.tick().await;
            if check().await? {
                return Ok(Timestamp::now());
            }
            self.check(deadline, || format!("not yet: {goal}"))?;
        }
    }

    fn check(&self, deadline: Instant, state: impl Fn() -> String) -> Result<()> {
        self.daemons.iter().try_for_each(Daemon::ensure_running)?;
        if Instant::now() > deadline {
            bail!("after {} s: {}", self.limit.as_secs(), state());
        }
        Ok(())
    }
}

/// Keeps the set of the objects that are done up to date.
fn update<K: Resource>(
    done: &mut HashSet<(Option<String>, String)>,
    event: &watcher::Event<K>,
    is_done: impl Fn(&K) -> bool,
) {
    let key = |object: &K| (object.namespace(), object.name_any());
    match event {
        watcher::Event::Init => done.clear(),
        watcher::Event::InitDone => {}
        watcher::Event::Apply(object) | watcher::Event::InitApply(object) if is_done(object) => {
            done.insert(key(object));
        }
        watcher::Event::Apply(object)
        | watcher::Event::InitApply(object)
        | watcher::Event::Delete(object) => {
            done.remove(&key(object));
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::api::ObjectMeta;

    use super::*;

    #[test]
    fn an_object_counts_as_long_as_it_is_done() {
        let object = |name: &str, immutable: bool| ConfigMap {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..Default::default() },
            immutable: Some(immutable),
            ..Default::default()
        };
        let mut done = HashSet::new();
        let mut count = |event| {
            update(&mut done, &event, |object: &ConfigMap| object.immutable == Some(true));
            done.len()
        };
        assert_eq!(count(watcher::Event::InitApply(object("a", true))), 1);
        assert_eq!(count(watcher::Event::Apply(object("b", false))), 1);
        assert_eq!(count(watcher::Event::Apply(object("b", true))), 2);
        assert_eq!(count(watcher::Event::Apply(object("a", false))), 1);
        assert_eq!(count(watcher::Event::Delete(object("b", true))), 0);
    }
}
