// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The addresses of pods, from the results of the CNI plugins.
//!
//! The status of a pod has its address only about a second after its first container has started. Until then
//! the pod's packets would be dropped, and a resolver waits five seconds before it retries. The results of
//! the plugins are written before the container starts.

use std::{collections::BTreeMap, fs, mem::MaybeUninit, net::Ipv4Addr, path::Path, thread};

use anyhow::{Context, Result};
use futures::{Stream, stream};
use rustix::fs::inotify;
use serde::Deserialize;
use tokio::sync::mpsc;

use crate::network::CNI_NETWORK;

/// The folder in which libcni keeps results. It cannot be configured.
const RESULTS_FOLDER: &str = "/var/lib/cni/results";

/// The needed part of a result that libcni keeps.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CachedResult {
    network_name: String,
    #[serde(default)]
    cni_args: Vec<(String, String)>,
    result: PluginResult,
}

#[derive(Deserialize)]
struct PluginResult {
    #[serde(default)]
    ips: Vec<Address>,
}

#[derive(Deserialize)]
struct Address {
    /// The address with its prefix length, such as `10.88.0.3/16`.
    address: String,
}

/// Reads the addresses of all pods, by the UIDs of the pods.
pub fn read_all() -> BTreeMap<String, Ipv4Addr> {
    let Ok(entries) = fs::read_dir(RESULTS_FOLDER) else { return BTreeMap::new() };
    let texts = entries.filter_map(|entry| fs::read_to_string(entry.ok()?.path()).ok());
    texts.filter_map(|text| parse_result(&text)).collect()
}

/// Returns UID and address of the pod in a result. `None` for other networks, and for a file that is still
/// being written: its completion is a separate change.
fn parse_result(text: &str) -> Option<(String, Ipv4Addr)> {
    let cached: CachedResult = serde_json::from_str(text).ok()?;
    if cached.network_name != CNI_NETWORK {
        return None;
    }
    let (_, uid) = cached.cni_args.into_iter().find(|(name, _)| name == "K8S_POD_UID")?;
    let (address, _) = cached.result.ips.first()?.address.split_once('/')?;
    Some((uid, address.parse().ok()?))
}

/// Returns a stream that yields whenever results have been written or removed.
///
/// # Errors
/// Fails if the kernel refuses to watch the folder.
pub fn changes() -> Result<impl Stream<Item = ()> + Send> {
    fs::create_dir_all(RESULTS_FOLDER)?;
    let watch = inotify::init(inotify::CreateFlags::CLOEXEC)?;
    let events =
        inotify::WatchFlags::CLOSE_WRITE | inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVED_TO;
    inotify::add_watch(&watch, Path::new(RESULTS_FOLDER), events).context(RESULTS_FOLDER)?;
    // One pending change is enough, since the receiver reads all results.
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        let mut buffer = [MaybeUninit::<u8>::uninit(); 4096];
        while rustix::io::read(&watch, &mut buffer).is_ok() && !sender.is_closed() {
            let _ = sender.try_send(());
        }
    });
    Ok(stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESULT: &str = r#"{"kind":"cniCacheV1","networkName":"rathaus",
        "cniArgs":[["IgnoreUnknown","1"],["K8S_POD_UID","u1"]],
        "result":{"cniVersion":"1.0.0","ips":[{"address":"10.88.0.3/16","interface":2}]}}"#;

    #[test]
    fn a_result_names_its_pod() {
        assert_eq!(parse_result(RESULT), Some(("u1".to_owned(), Ipv4Addr::new(10, 88, 0, 3))));
    }

    #[test]
    fn other_networks_and_half_written_files_are_left_out() {
        assert_eq!(parse_result(&RESULT.replace("rathaus", "cni-loopback")), None);
        assert_eq!(parse_result(&RESULT[..80]), None);
    }
}
