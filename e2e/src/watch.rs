// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Local copies of all objects of a kind, kept up to date by a watch.

use std::fmt::Debug;

use anyhow::Result;
use futures::{Stream, StreamExt, future::ready, stream::BoxStream};
use kube::{
    Api, Resource,
    runtime::{
        WatchStreamExt,
        reflector::{self, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;

/// Returns a copy that is kept up to date, and a stream that yields whenever the copy has changed.
pub fn mirror<K>(api: Api<K>) -> (Store<K>, BoxStream<'static, ()>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let changes =
        watcher(api, watcher::Config::default()).default_backoff().reflect(writer).filter_map(|event| {
            if let Err(error) = &event {
                tracing::warn!(kind = %K::kind(&()), %error, "watch interrupted");
            }
            ready(event.ok().map(drop))
        });
    (store, changes.boxed())
}

/// Runs `work` after every change and every five seconds until the stream ends. Changes within a few
/// milliseconds cause one run. An error is logged, and the work is retried at the next change or tick.
pub async fn run_on_change<F: Future<Output = Result<()>>>(
    changes: impl Stream<Item = ()>,
    name: &str,
    mut work: impl FnMut() -> F,
) {
    let mut changes = std::pin::pin!(changes);
    let mut tick = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        tokio::select! {
            change = changes.next() => if change.is_none() { return },
            _ = tick.tick() => {}
        }
        // Changes that arrive within this time are handled together.
        let pause = tokio::time::sleep(std::time::Duration::from_millis(5));
        let mut pause = std::pin::pin!(pause);
        loop {
            tokio::select! {
                () = &mut pause => break,
                change = changes.next() => if change.is_none() { return },
            }
        }
        if let Err(error) = work().await {
            tracing::warn!("{name}: {error:#}");
        }
    }
}
