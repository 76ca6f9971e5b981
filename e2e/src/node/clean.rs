// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Removes a node, or what a crash has left of one. It searches the machine for processes, mounts and files,
//! and does not rely on records of what was started.

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
    command, database, netpol,
    network::{BRIDGE, CNI_NETWORK},
    paths::STATE,
    process,
};

/// How long killed processes may take to disappear.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// The daemons in the order in which they are stopped: those that react to the exit of others come first.
const DAEMONS: &[&str] = &[
    // The operator and KWOK run as daemons only in benchmarks.
    "operator",
    "kwok",
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

/// Other programs of the node, which may survive the daemon that has started them.
const CHILD_PROGRAMS: &[&str] = &["containerd-shim-runc-v2", "runc", "xtask"];

/// The control groups that hold the processes of pods.
const POD_CGROUPS: &[&str] = &["kubepods", "k8s.io"];

/// Ends every process of the node and removes everything that it has created.
pub async fn remove_everything() -> Result<()> {
    for name in DAEMONS {
        // Their data is deleted anyway. Only PostgreSQL needs an orderly shutdown, in which it ends its child
        // processes and removes its shared memory.
        let signal = if *name == "postgres" { Signal::INT } else { Signal::KILL };
        process::stop(name, signal).await?;
    }
    kill_all().await?;
    unmount_all()?;
    remove_cgroups();
    remove_network().await;
    remove_files_outside_state();
    match fs::remove_dir_all(STATE) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {STATE}"))
        }
        _ => Ok(()),
    }
}

/// Kills the processes of pods, and all others of the node that are still running.
async fn kill_all() -> Result<()> {
    let deadline = Instant::now() + KILL_LIMIT;
    loop {
        let mut running = pod_processes();
        running.extend(other_processes());
        if running.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("these processes do not exit: {running:?}");
        }
        for pid in running.into_iter().filter_map(Pid::from_raw) {
            // It may have exited by itself.
            let _ = kill_process(pid, Signal::KILL);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn pod_processes() -> Vec<i32> {
    pod_cgroups()
        .iter()
        .filter_map(|group| fs::read_to_string(group.join("cgroup.procs")).ok())
        .flat_map(|text| text.lines().filter_map(|line| line.parse().ok()).collect::<Vec<i32>>())
        .collect()
}

/// Processes of the node's programs that have its state folder in their command line. A user's `kubectl` may
/// have it, too, but is none of these programs.
fn other_processes() -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            is_node_process(&String::from_utf8_lossy(&command))
        })
        .collect()
}

fn is_node_process(command: &str) -> bool {
    let mut words = command.split('\0');
    let program = words.next().and_then(|path| path.rsplit('/').next()).unwrap_or_default();
    (DAEMONS.contains(&program) || CHILD_PROGRAMS.contains(&program))
        && words.any(|word| word.contains(&format!("{STATE}/")))
}

/// The control groups of pods, the deepest first, in every hierarchy of cgroup v1 and in cgroup v2.
fn pod_cgroups() -> Vec<PathBuf> {
    let root = Path::new("/sys/fs/cgroup");
    let mut roots = vec![root.to_path_buf()];
    roots.extend(subfolders(root));
    let mut found: Vec<PathBuf> = roots
        .iter()
        .flat_map(|root| POD_CGROUPS.iter().map(move |name| root.join(name)))
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

/// Removes the control groups of pods. The kernel refuses to remove one that still has a process in it.
fn remove_cgroups() {
    for group in pod_cgroups() {
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

/// The mount points below the state folder, in the order in which they were mounted.
fn mount_points(mountinfo: &str) -> Vec<String> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| point.replace("\\040", " "))
        .filter(|point| point.starts_with(&format!("{STATE}/")))
        .collect()
}

/// Removes the bridge and the packet filter tables, as far as they exist.
async fn remove_network() {
    let limit = Duration::from_secs(20);
    let _ = command::output(Command::new("ip").args(["link", "delete", BRIDGE]), limit).await;
    for table in [netpol::TABLE, database::SILENCE, "ip kube-proxy", "ip6 kube-proxy"] {
        let mut nft = Command::new("nft");
        let _ = command::output(nft.arg(format!("delete table {table}")), limit).await;
    }
}

/// Removes the files that the kubelet, containerd and the CNI plugins write outside the state folder. A
/// folder with other files in it stays.
fn remove_files_outside_state() {
    for link in list("/var/log/containers") {
        if fs::read_link(&link).is_ok_and(|target| target.starts_with(STATE)) {
            let _ = fs::remove_file(link);
        }
    }
    let results = list("/var/lib/cni/results");
    // The results of containerd's loopback network do not have our network's name, but the id of the same
    // pod.
    let pods: Vec<String> = results.iter().filter_map(|result| pod_id(&file_name(result))).collect();
    for result in results {
        if pods.iter().any(|pod| file_name(&result).contains(pod)) {
            let _ = fs::remove_file(result);
        }
    }
    for socket in list("/run/containerd/s").into_iter().chain(list("/var/lib/kubelet/device-plugins")) {
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

/// The pod's id in the file name of a result of our network, such as `rathaus-ID-eth0`.
fn pod_id(result: &str) -> Option<String> {
    let rest = result.strip_prefix(CNI_NETWORK)?.strip_prefix('-')?;
    rest.split('-').next().map(str::to_owned)
}

/// Whether no process listens at a socket any more.
fn is_dead_socket(path: &Path) -> bool {
    UnixStream::connect(path).is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

fn list(folder: &str) -> Vec<PathBuf> {
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
    fn only_the_nodes_programs_with_its_state_folder_are_node_processes() {
        let shim = "/c/containerd-shim-runc-v2\0-namespace\0k8s.io\0-address\0/var/lib/rathaus/containerd/containerd.sock\0";
        assert!(is_node_process(shim));
        assert!(is_node_process("/usr/lib/postgresql/15/bin/postgres\0-D\0/var/lib/rathaus/postgres\0"));
        assert!(!is_node_process("kubectl\0--kubeconfig\0/var/lib/rathaus/admin.kubeconfig\0"));
        assert!(!is_node_process("/usr/lib/postgresql/15/bin/postgres\0-D\0/var/lib/postgresql/15/main\0"));
        assert!(!is_node_process(""));
    }

    #[test]
    fn pod_ids_come_only_from_results_of_our_network() {
        assert_eq!(pod_id("rathaus-d117-eth0").as_deref(), Some("d117"));
        assert_eq!(pod_id("cni-loopback-d117-lo"), None);
        assert_eq!(pod_id("rathausen-d117-eth0"), None);
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
