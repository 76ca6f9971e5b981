// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Runs groups of promises one after the other, and the promises of a group side by side.
//!
//! The built-in test harness knows neither groups nor durations.

use std::future::Future;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

/// How many of the slowest promises are printed.
const SLOWEST: usize = 10;

static DURATIONS: Mutex<Vec<(Duration, &str)>> = Mutex::new(Vec::new());

/// A list of [`Trial`]s, each named for the function that keeps the promise.
macro_rules! promises {
    ($($module:ident::$name:ident),+ $(,)?) => {
        vec![$($crate::runner::promise(concat!(stringify!($module), "::", stringify!($name)), $crate::$module::$name)),+]
    };
}
pub(crate) use promises;

/// Wraps a promise, so that it gets a runtime of its own and its duration is kept.
pub fn promise<F>(name: &'static str, keep: fn() -> F) -> Trial
where
    F: Future<Output = ()> + 'static,
{
    Trial::test(name, move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let start = Instant::now();
        runtime.block_on(keep());
        durations().push((start.elapsed(), name));
        Ok(())
    })
}

/// Runs the groups in their order, each with as many threads as stand before it unless `--test-threads`
/// says otherwise, and prints the slowest promises and the result of all.
pub fn run(groups: impl IntoIterator<Item = (usize, Vec<Trial>)>) -> ExitCode {
    let (mut passed, mut failed) = (0, 0);
    for (threads, trials) in groups {
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(threads);
        let conclusion = libtest_mimic::run(&arguments, trials);
        passed += conclusion.num_passed;
        failed += conclusion.num_failed;
    }
    let mut slowest = durations();
    slowest.sort_unstable_by_key(|(duration, _)| std::cmp::Reverse(*duration));
    for (duration, name) in slowest.iter().take(SLOWEST) {
        println!("  {:>6.1} s  {name}", duration.as_secs_f64());
    }
    println!("{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn durations() -> std::sync::MutexGuard<'static, Vec<(Duration, &'static str)>> {
    DURATIONS.lock().unwrap_or_else(PoisonError::into_inner)
}
