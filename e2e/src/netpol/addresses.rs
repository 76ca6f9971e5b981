// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Which pod has which address, as the CNI plugins have given them out.
//!
//! A pod's status tells its address about a second after its first container has started. Until then
//! its packets would be dropped, and a resolver waits five seconds before it asks again. The plugins'
//! results are there before the container is.

use std::{collections::BTreeMap, fs, mem::MaybeUninit, net::Ipv4Addr, path::Path, thread};

use anyhow::{Context, Result};
use futures::{Stream, stream};
use rustix::fs::inotify;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::network::CNI_NETWORK;

/// libcni's own folder, which has no setting.
const RESULTS: &str = "/var/lib/cni/results";

/// The part of a kept result that counts here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    network_name: String,
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    result: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    #[serde(default)]
    ips: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    /// With the length of its prefix.
    address: String,
}

/// Addresses by the pods' UIDs.
pub fn read() -> BTreeMap<String, Ipv4Addr> {
    let Ok(entries) = fs::read_dir(RESULTS) else { return BTreeMap::new() };
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter_map(|text| of_pod(&text)).collect()
}

/// A file that is being written is not read; its end is a change of its own.
fn of_pod(text: &str) -> Option<(String, Ipv4Addr)> {
    let kept: Kept = serde_json::from_str(text).ok()?;
    if kept.network_name != CNI_NETWORK {
        return None;
    }
    let (_, uid) = kept.cni_args.into_iter().find(|(name, _)| name == "K8S_POD_UID")?;
    let (address, _) = kept.result.ips.first()?.address.split_once('/')?;
    Some((uid, address.parse().ok()?))
}

/// Yields whenever results have been written or removed.
///
/// # Errors
/// The kernel refuses to watch the folder.
pub fn changes() -> Result<impl Stream<Item = ()> + Send> {
    fs::create_dir_all(RESULTS)?;
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let events =
        inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, Path::new(RESULTS), events).context(RESULTS)?;
    // One place is enough: who takes a change reads all results.
    let (tell, changed) = mpsc::channel(1);
    thread::spawn(move || {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        while rustix::io::read(&watch, &mut buffer).is_ok() && !tell.is_closed() {
            let _ = tell.try_send(());
        }
    });
    Ok(stream::unfold(changed, |mut changed| async { Some((changed.recv().await?, changed)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: &str = r#"{"kind":"cniCacheV1","networkName":"rathaus",
        "cniArgs":[["IgnoreUnknown","1"],["K8S_POD_UID","u1"]],
        "result":{"cniVersion":"1.0.0","ips":[{"address":"10.88.0.3/16","interface":2}]}}"#;

    #[test]
    fn a_result_names_its_pod() {
        assert_eq!(of_pod(KEPT), Some(("u1".to_owned(), Ipv4Addr::new(10, 88, 0, 3))));
    }

    #[test]
    fn other_networks_and_half_written_files_are_left_out() {
        assert_eq!(of_pod(&KEPT.replace("rathaus", "cni-loopback")), None);
        assert_eq!(of_pod(&KEPT[..80]), None);
    }
}
