// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Daemons: programs that keep running after the command that started them has exited. Each has its own
//! session, its own log, and a file that identifies its process.

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

/// How long a daemon may take to exit after it got a signal.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);

/// A program of the local node, running or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Daemon {
    /// Determines the names of its log and of its process file.
    pub name: &'static str,
    /// Program and arguments. The program may be a wrapper that replaces itself by another one, such as
    /// `setpriv`.
    pub argv: Vec<String>,
    /// The signal on which it shuts down.
    pub stop_signal: Signal,
}

/// Identifies a process. The kernel reuses process ids, so that only id and start time together are unique.
#[derive(Debug, PartialEq, Eq)]
struct Identity {
    pid: i32,
    /// In clock ticks since boot: field 22 of `/proc/PID/stat`, see proc(5).
    start_time: u64,
}

impl Daemon {
    /// Returns a daemon that shuts down on SIGTERM.
    pub fn new(name: &'static str, argv: Vec<String>) -> Self {
        Self { name, argv, stop_signal: Signal::TERM }
    }

    /// Starts the program and appends its output to its log.
    ///
    /// # Errors
    /// Fails if the log cannot be written, or if the program cannot be started or exits at once.
    pub fn start(&self) -> Result<()> {
        fs::create_dir_all(state("log"))?;
        fs::create_dir_all(state("pid"))?;
        let log = File::options().create(true).append(true).open(log_file(self.name))?;
        // `setsid` replaces itself by the program, so that the process id is the program's.
        let child = Command::new("setsid")
            .args(&self.argv)
            .current_dir(state(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let pid = i32::try_from(child.id())?;
        let start_time = start_time(pid).with_context(|| {
            format!("{} exited at once; see {}", self.name, log_file(self.name).display())
        })?;
        fs::write(identity_file(self.name), format!("{pid} {start_time}\n"))?;
        // Reaps the process if it exits while this program still runs; otherwise it would stay a zombie.
        std::thread::spawn(move || {
            let mut child = child;
            child.wait()
        });
        Ok(())
    }

    /// Returns whether the daemon was started and not stopped since. It may have crashed meanwhile.
    pub fn was_started(&self) -> bool {
        identity_file(self.name).exists()
    }

    /// Returns whether the process is running.
    pub fn is_running(&self) -> bool {
        running_process(self.name).is_some()
    }

    /// Returns the id of the process, or `None` if it is not running.
    pub fn pid(&self) -> Option<i32> {
        running_process(self.name).map(|process| process.pid)
    }

    /// Sends the stop signal and waits until the process has exited; after 20 s it is killed. Does nothing if
    /// it is not running.
    ///
    /// # Errors
    /// Fails if the process survives even SIGKILL.
    pub async fn stop(&self) -> Result<()> {
        stop(self.name, self.stop_signal).await
    }

    /// Checks that the process is running.
    ///
    /// # Errors
    /// Fails with the last lines of its log if it has exited.
    pub fn ensure_running(&self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let log = fs::read_to_string(log_file(self.name)).unwrap_or_default();
        let lines: Vec<&str> = log.trim_end().lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n");
        bail!("{} has exited; the end of {}:\n{last}", self.name, log_file(self.name).display())
    }
}

/// Returns the path of the log of the daemon `name`.
pub fn log_file(name: &str) -> PathBuf {
    state("log").join(format!("{name}.log"))
}

/// Stops the daemon `name` by a signal, as [`Daemon::stop`] does.
///
/// # Errors
/// Fails if the process survives even SIGKILL.
pub async fn stop(name: &str, signal: Signal) -> Result<()> {
    for signal in [signal, Signal::KILL] {
        let Some(identity) = running_process(name) else { break };
        if let Some(pid) = Pid::from_raw(identity.pid) {
            // It may have exited meanwhile, which is the goal.
            let _ = kill_process(pid, signal);
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        while running_process(name).is_some() && Instant::now() < deadline {
            sleep(Duration::from_millis(50)).await;
        }
    }
    if running_process(name).is_some() {
        bail!("{name} does not exit; see {}", log_file(name).display());
    }
    let _ = fs::remove_file(identity_file(name));
    Ok(())
}

/// Returns the ids of all processes whose command line begins with these words.
pub fn find_by_command(words: &[&str]) -> Vec<i32> {
    find("cmdline", |line| words.iter().copied().eq(line.split('\0').take(words.len())))
}

/// Returns the ids of all processes that were started with this variable, given as `NAME=value`.
pub fn find_by_environment(variable: &str) -> Vec<i32> {
    find("environ", |environment| environment.split('\0').any(|found| found == variable))
}

/// The processes whose file of this name in `/proc` fulfils a condition.
fn find(file: &str, fulfils: impl Fn(&str) -> bool) -> Vec<i32> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        fulfils(&String::from_utf8_lossy(&content))
    })
    .collect()
}

/// Returns the resident memory of a process, in bytes; `None` if there is no such process.
pub fn resident_memory(pid: i32) -> Option<u64> {
    memory_field(pid, "VmRSS:")
}

/// Returns the largest resident memory that a process has had so far, in bytes; `None` if there is no such
/// process.
pub fn peak_memory(pid: i32) -> Option<u64> {
    memory_field(pid, "VmHWM:")
}

/// Returns the processor time that a process has used so far; `None` if there is no such process.
pub fn cpu_time(pid: i32) -> Option<Duration> {
    let ticks = parse_cpu_ticks(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?;
    Some(Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second()))
}

fn memory_field(pid: i32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn identity_file(name: &str) -> PathBuf {
    state("pid").join(name)
}

/// The process of the daemon `name`, unless it has exited.
fn running_process(name: &str) -> Option<Identity> {
    let text = fs::read_to_string(identity_file(name)).ok()?;
    let (pid, start) = text.trim().split_once(' ')?;
    let identity = Identity { pid: pid.parse().ok()?, start_time: start.parse().ok()? };
    (start_time(identity.pid) == Some(identity.start_time)).then_some(identity)
}

/// The start time of a live process; a zombie counts as exited.
fn start_time(pid: i32) -> Option<u64> {
    parse_start_time(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// Reads the start time from `/proc/PID/stat`. The program name in field 2 may contain blanks and brackets,
/// so fields are counted after the last bracket.
fn parse_start_time(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok())?
}

/// Reads from `/proc/PID/stat` the clock ticks in user mode and in the kernel: fields 14 and 15.
fn parse_cpu_ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(ticks()? + ticks()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4242 9 9 9";

    #[test]
    fn the_start_time_is_found_behind_a_name_with_brackets() {
        assert_eq!(parse_start_time(STAT), Some(4242));
    }

    #[test]
    fn processor_time_is_that_of_user_mode_and_of_the_kernel() {
        assert_eq!(parse_cpu_ticks(STAT), Some(5 + 6));
    }

    #[test]
    fn a_zombie_counts_as_exited() {
        assert_eq!(parse_start_time(&STAT.replace(") S ", ") Z ")), None);
    }

    #[test]
    fn processes_differ_by_their_start_time() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(start_time(own).is_some());
        assert_ne!(start_time(own), start_time(1));
    }
}
