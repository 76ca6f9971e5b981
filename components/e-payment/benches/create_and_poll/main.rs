// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What the program adds to what PostgreSQL costs: payments created and polled over HTTP, and the same
//! statements by `pgbench`, by turns, on a private server with Debian's settings.
//!
//! `cargo xtask bench e-payment` runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a measurement may end so")]

mod load;
mod raw;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::time::Duration;

use clap::Parser;
use support::{Server, Service};

/// What `cargo xtask bench e-payment` explains.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 16)]
    clients: u16,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    turns: u16,
    /// Said by `cargo bench`.
    #[arg(long, hide = true)]
    bench: bool,
}

// The load needs one thread only, and the machine has few.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Arguments { clients, seconds, turns, .. } = Arguments::parse();
    let turn = Duration::from_secs(seconds);
    let server = Server::start_with("");
    let service = Service::start(&server).await;
    let statements = raw::Statements::of_the_program(&service).await;
    println!("{}", machine(&server));
    println!(
        "{clients} clients, {turns} turns of {seconds} s each; a pair is one payment created and polled once\n"
    );
    println!("resident memory before: {:.1} MB", memory(&service, "VmRSS"));

    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for number in 1..=turns {
        let load = load::run(&service, clients, turn).await;
        println!("turn {number}: e-payment {load}");
        ours.push(load.pairs_per_second());
        let raw = raw::run(&server, &service.database, &statements, clients, turn);
        println!("turn {number}: pgbench   {raw:8.0} pairs/s");
        theirs.push(raw);
    }
    println!(
        "\nresident memory under load: {:.1} MB at most, {:.1} MB at the end",
        memory(&service, "VmHWM"),
        memory(&service, "VmRSS")
    );
    let (ours, theirs) = (median(ours), median(theirs));
    let share = 100.0 * ours / theirs;
    println!(
        "median: e-payment {ours:.0} pairs/s ({:.0} requests/s), pgbench {theirs:.0} pairs/s: {share:.0} %",
        2.0 * ours
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn machine(server: &Server) -> String {
    let line = |file: &str, start: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let found = text
            .lines()
            .find_map(|line| line.strip_prefix(start)?.trim_start().strip_prefix(':').map(str::to_owned));
        found.unwrap_or_default().trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let setting = |name: &str| server.psql("postgres", &format!("SHOW {name}")).1;
    format!(
        "{}, {cores} × {}, {} memory\nPostgreSQL {} (fsync {}, synchronous_commit {})",
        jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z"),
        line("/proc/cpuinfo", "model name"),
        line("/proc/meminfo", "MemTotal"),
        setting("server_version"),
        setting("fsync"),
        setting("synchronous_commit"),
    )
}

/// `VmRSS` or `VmHWM` of the program, in megabytes (10⁶ bytes).
fn memory(service: &Service, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kibibytes: f64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse().unwrap();
    kibibytes * 1024.0 / 1e6
}
