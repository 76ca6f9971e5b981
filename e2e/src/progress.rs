// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Prints the progress of a command: what the current step does, and how long each step took.

use std::{
    cell::RefCell,
    future::Future,
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use tokio::time::{MissedTickBehavior, interval};

/// The steps of one command, in order.
pub struct Progress {
    started: Instant,
    steps: Vec<(String, Duration)>,
}

impl Default for Progress {
    fn default() -> Self {
        Self { started: Instant::now(), steps: Vec::new() }
    }
}

impl Progress {
    /// Runs `work` as a step with a title. On a terminal, one line shows the elapsed seconds; elsewhere, a
    /// line is printed every ten seconds and at the end.
    ///
    /// # Errors
    /// Fails if `work` fails; the error begins with the title.
    pub async fn step<T>(&mut self, title: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.step_with_detail(title, &RefCell::default(), work).await
    }

    /// Like [`Self::step`], and shows beside the title a detail that `work` may change as it goes on.
    ///
    /// # Errors
    /// Fails if `work` fails; the error begins with the title.
    pub async fn step_with_detail<T>(
        &mut self,
        title: &str,
        detail: &RefCell<String>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        let outcome = print_while_running(title, detail, started, work).await;
        let duration = started.elapsed();
        let mark = if outcome.is_ok() { "✓" } else { "✗" };
        print_line(&format!("{mark} {title} ({})", format_seconds(duration)), true);
        self.steps.push((title.to_owned(), duration));
        outcome.with_context(|| title.to_owned())
    }

    /// Returns a table with one line for each step and one for the total.
    pub fn table(&self) -> String {
        let rows = self.steps.iter().map(|(title, duration)| (title.as_str(), *duration));
        rows.chain([("total", self.started.elapsed())])
            .map(|(title, duration)| format!("  {:>8}  {title}\n", format_seconds(duration)))
            .collect()
    }
}

async fn print_while_running<T>(
    title: &str,
    detail: &RefCell<String>,
    started: Instant,
    work: impl Future<Output = T>,
) -> T {
    let mut work = std::pin::pin!(work);
    let mut tick = interval(Duration::from_secs(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let terminal = stderr().is_terminal();
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            _ = tick.tick() => {
                let passed = started.elapsed().as_secs();
                let detail = detail.borrow().clone();
                let colon = if detail.is_empty() { "" } else { ": " };
                if terminal {
                    print_line(&format!("… {title}{colon}{detail} ({passed} s)"), false);
                } else if passed % 10 == 5 {
                    print_line(&format!("… {title}{colon}{detail} ({passed} s)"), true);
                }
            }
        }
    }
}

/// Overwrites the current line of a terminal. With `stays`, the line is kept and the next one begins.
fn print_line(line: &str, stays: bool) {
    let mut out = stderr().lock();
    let terminal = out.is_terminal();
    let (start, end) = (if terminal { "\r\x1b[2K" } else { "" }, if stays { "\n" } else { "" });
    // The work must go on even if standard error is closed.
    let _ = write!(out, "{start}{line}{end}").and_then(|()| out.flush());
}

fn format_seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
