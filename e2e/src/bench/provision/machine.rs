// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! The machine that a measurement runs on.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};
use jiff::Timestamp;

use super::towns::Size;
use crate::{paths, tools::Tools};

/// Space of an empty database, in bytes.
const DATABASE_SIZE: u64 = 8_000_000;
/// Space of everything else: etcd, the logs, PostgreSQL's write-ahead log.
const BASE_SIZE: u64 = 3_000_000_000;

/// Checks that the disk has room for all databases.
///
/// # Errors
/// Fails if it has not; the message says how much is missing.
pub fn ensure_space(size: Size) -> Result<()> {
    let folder = Path::new(paths::STATE).parent().unwrap_or(Path::new("/"));
    let disk = rustix::fs::statvfs(folder).with_context(|| folder.display().to_string())?;
    let (free, needed) =
        (disk.f_bavail * disk.f_frsize, BASE_SIZE + size.all_modules() as u64 * DATABASE_SIZE);
    if free < needed {
        bail!(
            "{} has {} GB free, and the databases of {} modules need {} GB: choose fewer --towns, or free some space",
            folder.display(),
            free / 1_000_000_000,
            size.all_modules(),
            needed.div_ceil(1_000_000_000)
        );
    }
    Ok(())
}

/// Returns date, machine and versions in one line.
///
/// # Errors
/// Fails if the kernel does not describe the machine.
pub fn describe(tools: &Tools, postgres: &str) -> Result<String> {
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    Ok(format!(
        "{}: {}, {}; Kubernetes {}, etcd {}, KWOK {}, PostgreSQL {postgres} with fsync",
        Timestamp::now().strftime("%Y-%m-%d"),
        describe_processors(&processors),
        describe_memory(&memory).context("/proc/meminfo has no MemTotal")?,
        tools.version("kube-apiserver")?,
        tools.version("etcd")?,
        tools.version("kwok")?,
    ))
}

fn describe_processors(cpuinfo: &str) -> String {
    let count = cpuinfo.lines().filter(|line| line.starts_with("processor")).count();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    format!("{count} × {}", model.map_or("processor", |(_, model)| model))
}

fn describe_memory(meminfo: &str) -> Option<String> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(format!("{} GiB", (kilobytes + (1 << 19)) >> 20))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_by_processors_and_memory() {
        let cpuinfo = "processor\t: 0\nmodel name\t: Fast 1\n\nprocessor\t: 1\nmodel name\t: Fast 1\n";
        assert_eq!(describe_processors(cpuinfo), "2 × Fast 1");
        assert_eq!(describe_memory("MemTotal:       24576000 kB\n").as_deref(), Some("23 GiB"));
    }
}
