// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Says what a long step does while it does it, and how long it took.

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
    /// Runs `work` under `title`. On a terminal the elapsed time counts on one line; elsewhere only
    /// the start of long work and the end of any are printed.
    ///
    /// # Errors
    /// Whatever `work` returns, with the title in front.
    pub async fn step<T>(&mut self, title: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
        self.live(title, &RefCell::default(), work).await
    }

    /// As [`Self::step`], with a text that `work` may change while it goes on.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub async fn live<T>(
        &mut self,
        title: &str,
        now: &RefCell<String>,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let started = Instant::now();
        let outcome = watched(title, now, started, work).await;
        let took = started.elapsed();
        let mark = if outcome.is_ok() { "✓" } else { "✗" };
        say(&format!("{mark} {title} ({})", seconds(took)), true);
        self.steps.push((title.to_owned(), took));
        outcome.with_context(|| title.to_owned())
    }

    /// One line for each step and one for the total.
    pub fn table(&self) -> String {
        let rows = self.steps.iter().map(|(title, took)| (title.as_str(), *took));
        rows.chain([("in all", self.started.elapsed())])
            .map(|(title, took)| format!("  {:>8}  {title}\n", seconds(took)))
            .collect()
    }
}

async fn watched<T>(
    title: &str,
    now: &RefCell<String>,
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
                let now = now.borrow().clone();
                let colon = if now.is_empty() { "" } else { ": " };
                if terminal {
                    say(&format!("… {title}{colon}{now} ({passed} s)"), false);
                } else if passed % 10 == 5 {
                    say(&format!("… {title}{colon}{now} ({passed} s)"), true);
                }
            }
        }
    }
}

/// Overwrites the current line of a terminal; `stays` ends it.
fn say(line: &str, stays: bool) {
    let mut out = stderr().lock();
    let terminal = out.is_terminal();
    let (start, end) = (if terminal { "\r\x1b[2K" } else { "" }, if stays { "\n" } else { "" });
    // A closed standard error must not stop the work.
    let _ = write!(out, "{start}{line}{end}").and_then(|()| out.flush());
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
