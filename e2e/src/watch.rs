// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A local copy of what the cluster holds of a kind.

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

/// A kept-up-to-date copy, and a stream that yields whenever it has changed.
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

/// Runs `work` once at first and again after every change, but once only for changes that come
/// together. An error is logged, and the work done again at the next tick.
pub async fn on_change<F: Future<Output = Result<()>>>(
    changes: impl Stream<Item = ()>,
    what: &str,
    mut work: impl FnMut() -> F,
) {
    let mut changes = std::pin::pin!(changes);
    let mut tick = tokio::time::interval(std::time::Duration::from_secs(5));
    loop {
        tokio::select! {
            change = changes.next() => if change.is_none() { return },
            _ = tick.tick() => {}
        }
        // What comes within this time comes together.
        let calm = tokio::time::sleep(std::time::Duration::from_millis(5));
        let mut calm = std::pin::pin!(calm);
        loop {
            tokio::select! {
                () = &mut calm => break,
                change = changes.next() => if change.is_none() { return },
            }
        }
        if let Err(error) = work().await {
            tracing::warn!("{what}: {error:#}");
        }
    }
}
