// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Ends a node, or what a crash has left of one, from what the machine shows rather than from memory.

use std::{
    fs, io,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    mount::{UnmountFlags, unmount},
    process::{Pid, Signal, kill_process},
};
use tokio::{process::Command, time::sleep};

use crate::{
    command, netpol,
    network::{BRIDGE, CNI_NETWORK},
    paths::STATE,
    process,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// Those that react to others ending come first.
const DAEMONS: &[&str] = &[
    "agent",
    "kubelet",
    "kube-proxy",
    "kube-scheduler",
    "kube-controller-manager",
    "containerd",
    "kube-apiserver",
    "etcd",
    "postgres",
];

/// Programs of the node beside those: they may live on without their parent.
const ORPHANS: &[&str] = &["containerd-shim-runc-v2", "runc", "xtask"];

/// Makes the groups of processes that belong to pods.
const CGROUPS: &[&str] = &["kubepods", "k8s.io"];

/// Ends every process of the node and removes everything that it has made.
pub async fn all() -> Result<()> {
    for name in DAEMONS {
        // Nothing of them is kept, so nothing is lost; PostgreSQL alone has children and shared memory
        // that it must clear away itself.
        let signal = if *name == "postgres" { Signal::INT } else { Signal::KILL };
        process::stop(name, signal).await?;
    }
    kill_all().await?;
    unmount_all()?;
    remove_cgroups();
    remove_network().await;
    remove_scattered();
    match fs::remove_dir_all(STATE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {STATE}"))
        }
        _ => Ok(()),
    }
}

/// Containers first by their groups, then whatever of ours still runs.
async fn kill_all() -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut left = in_pods();
        left.extend(orphans());
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("these processes do not end: {left:?}");
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            // It may have ended by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn in_pods() -> Vec<i32> {
    cgroups()
        .iter()
        .filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok())
        .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>())
        .collect()
}

/// Processes of the node's programs that name its state folder. A user's `kubectl` names it too, and
/// is none of them.
fn orphans() -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            is_ours(&String::from_utf8_lossy(&command))
        })
        .collect()
}

fn is_ours(command: &str) -> bool {
    let mut words = command.split('\0');
    let program = words.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    (DAEMONS.contains(&program) || ORPHANS.contains(&program))
        && words.any(|word| word.contains(&format!("{STATE}/")))
}

/// Deepest first, in every hierarchy of version 1 and in version 2.
fn cgroups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut roots = vec![root.to_path_buf()];
    roots.extend(subfolders(root));
    let mut found: Vec<PathBuf> = roots
        .iter()
        .flat_map(|root| CGROUPS.iter().map(move |name| root.join(name)))
        .filter(|group| group.is_dir())
        .collect();
    let mut next = 0;
    while let Some(group) = found.get(next) {
        let below = subfolders(group);
        found.extend(below);
        next += 1;
    }
    found.reverse();
    found
}

fn subfolders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| path.is_dir()).collect()
}

/// A group with a process in it stays: then it is not ours.
fn remove_cgroups() {
    for group in cgroups() {
        let _ = fs::remove_dir(group);
    }
}

fn unmount_all() -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo")?;
    for point in mount_points(&mounts).into_iter().rev() {
        unmount(&point, UnmountFlags::DETACH).with_context(|| format!("unmounting {point}"))?;
    }
    Ok(())
}

/// In the order in which they were mounted.
fn mount_points(mountinfo: &str) -> Vec<String> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| point.replace("\\040", " "))
        .filter(|point| point.starts_with(&format!("{STATE}/")))
        .collect()
}

/// Each may be there or not.
async fn remove_network() {
    let limit = Duration::from_secs(20);
    let _ = command::output(Command::new("ip").args(["link", "delete", BRIDGE]), limit).await;
    for table in [netpol::TABLE, "ip kube-proxy", "ip6 kube-proxy"] {
        let mut nft = Command::new("nft");
        let _ = command::output(nft.arg(format!("delete table {table}")), limit).await;
    }
}

/// What the kubelet, containerd and the CNI plugins put outside the state folder, wherever it is. A
/// folder with anything else in it stays.
fn remove_scattered() {
    for link in entries("/var/log/containers") {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(STATE)) {
            let _ = fs::remove_file(link);
        }
    }
    let results = entries("/var/lib/cni/results");
    // containerd's own loopback network has no name of ours, but the pod's id.
    let pods: Vec<String> = results.iter().filter_map(|result| pod_of(&file_name(result))).collect();
    for result in results {
        if pods.iter().any(|pod| file_name(&result).contains(pod)) {
            let _ = fs::remove_file(result);
        }
    }
    for socket in entries("/run/containerd/s").into_iter().chain(entries("/var/lib/kubelet/device-plugins")) {
        if is_dead_socket(&socket) {
            let _ = fs::remove_file(socket);
        }
    }
    for folder in [
        "/run/containerd/s",
        "/run/containerd",
        "/var/lib/cni/results",
        "/var/lib/cni",
        "/var/lib/kubelet/device-plugins",
        "/var/lib/kubelet",
        "/var/log/containers",
    ] {
        let _ = fs::remove_dir(folder);
    }
}

/// The pod's id in the name of a result of our network.
fn pod_of(result: &str) -> Option<String> {
    let rest = result.strip_prefix(CNI_NETWORK)?.strip_prefix('-')?;
    rest.split('-').next().map(str::to_owned)
}

/// Nobody listens at it any more.
fn is_dead_socket(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.filter_map(|entry| Some(entry.ok()?.path())).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_nodes_programs_with_the_nodes_folder_are_ours() {
        let shim = "/c/containerd-shim-runc-v2\0-namespace\0k8s.io\0-address\0/var/lib/rathaus/containerd/containerd.sock\0";
        assert!(is_ours(shim));
        assert!(is_ours("/usr/lib/postgresql/15/bin/postgres\0-D\0/var/lib/rathaus/postgres\0"));
        assert!(!is_ours("kubectl\0--kubeconfig\0/var/lib/rathaus/admin.kubeconfig\0"));
        assert!(!is_ours("/usr/lib/postgresql/15/bin/postgres\0-D\0/var/lib/postgresql/15/main\0"));
        assert!(!is_ours(""));
    }

    #[test]
    fn only_results_of_our_network_name_our_pods() {
        assert_eq!(pod_of("rathaus-d117-eth0").as_deref(), Some("d117"));
        assert_eq!(pod_of("cni-loopback-d117-lo"), None);
        assert_eq!(pod_of("rathausen-d117-eth0"), None);
    }

    #[test]
    fn mounts_elsewhere_are_left_alone() {
        let text = "1 0 0:1 / / rw - ext4 /dev/a rw\n\
                    2 1 0:2 / /var/lib/rathaus/a rw - tmpfs t rw\n\
                    3 1 0:3 / /var/lib/rathausen rw - tmpfs t rw\n\
                    4 1 0:4 / /var/lib/rathaus/a/b\\040c rw - tmpfs t rw\n";
        assert_eq!(mount_points(text), ["/var/lib/rathaus/a", "/var/lib/rathaus/a/b c"]);
    }
}
