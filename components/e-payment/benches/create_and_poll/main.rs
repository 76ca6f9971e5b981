// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Measures the overhead of the program over PostgreSQL. Payments are created and polled over HTTP, and the
//! same statements are executed by `pgbench`, in turns, on a private server with Debian's settings.
//!
//! `cargo xtask bench e-payment` runs it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a failing benchmark panics")]

mod load;
mod pgbench;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::fs;
use std::time::Duration;

use clap::Parser;
use support::{Server, Service};

/// The options of the benchmark. `cargo xtask bench e-payment` documents them.
#[derive(Parser)]
struct Arguments {
    #[arg(long, default_value_t = 16)]
    clients: u16,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 3)]
    turns: u16,
    /// Passed by `cargo bench`, without any effect.
    #[arg(long, hide = true)]
    bench: bool,
}

// One thread is enough for the load generator, and leaves the other cores to the program under test.
#[tokio::main(flavor = "current_thread")]
async fn main() {
    let Arguments { clients, seconds, turns, .. } = Arguments::parse();
    let duration = Duration::from_secs(seconds);
    let server = Server::start_with("");
    let service = Service::start(&server).await;
    let statements = pgbench::Statements::capture(&service).await;
    println!("{}", describe_machine(&server));
    println!(
        "{clients} clients, {turns} turns of {seconds} s each; a pair is one payment created and polled once\n"
    );
    println!("resident memory before: {:.1} MB", megabytes(&service, "VmRSS"));

    let (mut e_payment_rates, mut pgbench_rates) = (Vec::new(), Vec::new());
    for turn in 1..=turns {
        let result = load::run(&service, clients, duration).await;
        println!("turn {turn}: e-payment {result}");
        e_payment_rates.push(result.pairs_per_second());
        let rate = pgbench::run(&server, &service.database, &statements, clients, duration);
        println!("turn {turn}: pgbench   {rate:8.0} pairs/s");
        pgbench_rates.push(rate);
    }
    println!(
        "\nresident memory under load: {:.1} MB at most, {:.1} MB at the end",
        megabytes(&service, "VmHWM"),
        megabytes(&service, "VmRSS")
    );
    let (e_payment, pgbench) = (median(e_payment_rates), median(pgbench_rates));
    let share = 100.0 * e_payment / pgbench;
    println!(
        "median: e-payment {e_payment:.0} pairs/s ({:.0} requests/s), pgbench {pgbench:.0} pairs/s: {share:.0} %",
        2.0 * e_payment
    );
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The time, the machine and the version and durability settings of PostgreSQL, for the printed report.
fn describe_machine(server: &Server) -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let value = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':').map(str::to_owned));
        value.unwrap_or_default().trim().to_owned()
    };
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let setting = |name: &str| server.psql("postgres", &format!("SHOW {name}")).1;
    format!(
        "{}, {cores} × {}, {} memory\nPostgreSQL {} (fsync {}, synchronous_commit {})",
        jiff::Zoned::now().strftime("%Y-%m-%d %H:%M %Z"),
        field("/proc/cpuinfo", "model name"),
        field("/proc/meminfo", "MemTotal"),
        setting("server_version"),
        setting("fsync"),
        setting("synchronous_commit"),
    )
}

/// `VmRSS` (current resident memory) or `VmHWM` (its peak) of the program, in megabytes (10⁶ bytes).
fn megabytes(service: &Service, name: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{}/status", service.process_id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    let kibibytes: f64 = line.trim_matches([':', '\t', ' ']).trim_end_matches(" kB").trim().parse().unwrap();
    kibibytes * 1024.0 / 1e6
}
