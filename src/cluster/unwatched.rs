// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Reads the Secrets and ConfigMaps that the operator made. It has no right to watch them in the whole cluster; so
//! they are listed once per town and resync period, and in between the ledger knows what the operator wrote.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::api::ListParams;

use super::Error;
use super::apply::{TownObjects, dynamic_api};
use crate::desired::{Kind, labels};

/// Time of the last lists of a namespace; locked while they are made.
type LastLists = Arc<tokio::sync::Mutex<Option<Instant>>>;

/// When each town's Secrets and ConfigMaps were listed last.
#[derive(Debug, Default)]
pub struct Unwatched(Mutex<HashMap<String, LastLists>>);

impl Unwatched {
    /// Lists a town's Secrets and ConfigMaps and records them in the ledger, unless that is younger than `max_age`.
    /// Runs for several modules of a town wait for one list. The label only selects: an object that has lost it is
    /// found by its name when it is written.
    ///
    /// # Errors
    /// The API server cannot be read.
    pub async fn read(&self, town: TownObjects<'_>, namespace: &str, max_age: Duration) -> Result<(), Error> {
        let last = self.of(namespace);
        let asked = Instant::now();
        let mut last = last.lock().await;
        let begun = Instant::now();
        // A list that began after this call has waited for it.
        if last.is_some_and(|time| time >= asked || begun.saturating_duration_since(time) < max_age) {
            return Ok(());
        }
        let ours = ListParams::default().labels(&format!("{}=rathaus", labels::MANAGED_BY));
        for kind in [Kind::Secret, Kind::ConfigMap] {
            let api = dynamic_api(town.client, kind, Some(namespace));
            let action = format!("list {} in {namespace}", kind.api_resource().plural);
            let list = api.list(&ours).await.map_err(Error::from_kube(action))?;
            let version = list.metadata.resource_version.and_then(|version| version.parse().ok());
            town.ledger.replace(kind, namespace, &list.items, version.unwrap_or_default());
        }
        *last = Some(begun);
        Ok(())
    }

    /// Forgets a town that no longer exists.
    pub fn forget(&self, namespace: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(namespace);
    }

    fn of(&self, namespace: &str) -> LastLists {
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lists.entry(namespace.to_owned()).or_default().clone()
    }
}
