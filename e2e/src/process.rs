// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Programs that outlive the command that started them: each in its own session, with its own log and
//! a file that says which process it is.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

use crate::paths::state;

/// How long a program may take to end after the signal that asks it to.
const GRACE: Duration = Duration::from_secs(20);

/// A program of the node, started or to be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Names its log and its process file.
    pub name: &'static str,
    /// Program and arguments. The first may also be a wrapper that replaces itself by the second, such
    /// as `setpriv`.
    pub argv: Vec<String>,
    /// What asks it to end.
    pub stop: Signal,
}

/// A process id alone is not an identity: the kernel hands it out again. Together with the start time
/// it is.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    pid: i32,
    /// In clock ticks since boot, as field 22 of `/proc/PID/stat` has it.
    started: u64,
}

impl Daemon {
    /// A daemon that ends on SIGTERM.
    pub fn new(name: &'static str, argv: Vec<String>) -> Self {
        Self { name, argv, stop: Signal::TERM }
    }

    /// Starts it, appending its output to its log.
    ///
    /// # Errors
    /// The log cannot be written or the program cannot be started.
    pub fn start(&self) -> Result<()> {
        fs::create_dir_all(state("log"))?;
        fs::create_dir_all(state("pid"))?;
        let log = File::options().create(true).append(true).open(log_of(self.name))?;
        // `setsid` replaces itself by the program, so the id is the program's own.
        let child = Command::new("setsid")
            .args(&self.argv)
            .current_dir(state(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let pid = i32::try_from(child.id())?;
        let started = start_time(pid)
            .with_context(|| format!("{} ended at once; see {}", self.name, log_of(self.name).display()))?;
        fs::write(file_of(self.name), format!("{pid} {started}\n"))?;
        // Reaps the process if it ends while this program still runs; else it would look alive.
        std::thread::spawn(move || {
            let mut child = child;
            child.wait()
        });
        Ok(())
    }

    /// Whether [`Self::start`] has started it and nothing has stopped it since. It may have crashed.
    pub fn was_started(&self) -> bool {
        file_of(self.name).exists()
    }

    /// Whether it runs.
    pub fn runs(&self) -> bool {
        running(self.name).is_some()
    }

    /// Asks it to end and waits until it has; after 20 s it is killed. Nothing to do if it does not
    /// run.
    ///
    /// # Errors
    /// Not even SIGKILL ended it.
    pub async fn stop(&self) -> Result<()> {
        stop(self.name, self.stop).await
    }

    /// Fails with the end of its log if it has ended.
    ///
    /// # Errors
    /// It does not run any more.
    pub fn check(&self) -> Result<()> {
        if self.runs() {
            return Ok(());
        }
        let log = fs::read_to_string(log_of(self.name)).unwrap_or_default();
        let lines: Vec<&str> = log.trim_end().lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        bail!("{} has ended; the end of {}:\n{last}", self.name, log_of(self.name).display())
    }
}

/// Where the output of the daemon `name` goes.
pub fn log_of(name: &str) -> PathBuf {
    state("log").join(format!("{name}.log"))
}

/// Stops the daemon `name` as [`Daemon::stop`] does.
///
/// # Errors
/// Not even SIGKILL ended it.
pub async fn stop(name: &str, signal: Signal) -> Result<()> {
    for (signal, patience) in [(signal, GRACE), (Signal::KILL, GRACE)] {
        let Some(identity) = running(name) else { break };
        if let Some(pid) = Pid::from_raw(identity.pid) {
            // It may have ended in this moment, which is what was wanted.
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + patience;
        while running(name).is_some() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
    }
    if running(name).is_some() {
        bail!("{name} does not end; see {}", log_of(name).display());
    }
    let _ = fs::remove_file(file_of(name));
    Ok(())
}

/// The ids of all processes whose command line begins with these words.
pub fn with_command(words: &[&str]) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line);
        words.iter().copied().eq(line.split('\0').take(words.len()))
    })
    .collect()
}

/// What a process holds in memory, in bytes.
pub fn resident_memory(pid: i32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn file_of(name: &str) -> PathBuf {
    state("pid").join(name)
}

fn running(name: &str) -> Option<Identity> {
    let text = fs::read_to_string(file_of(name)).ok()?;
    let (pid, started) = text.trim().split_once(' ')?;
    let identity = Identity { pid: pid.parse().ok()?, started: started.parse().ok()? };
    (start_time(identity.pid) == Some(identity.started)).then_some(identity)
}

/// Of a live process; a zombie counts as ended.
fn start_time(pid: i32) -> Option<u64> {
    started_in(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The name in field 2 may hold blanks and brackets, so fields are counted after its last bracket.
fn started_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9 9";

    #[test]
    fn the_start_time_is_found_behind_a_name_with_brackets() {
        assert_eq!(started_in(STAT), Some(4242));
    }

    #[test]
    fn a_zombie_has_ended() {
        assert_eq!(started_in(&STAT.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn this_process_runs_and_the_reused_id_of_another_does_not() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some());
        assert_ne!(start_time(own), start_time(1));
    }
}
