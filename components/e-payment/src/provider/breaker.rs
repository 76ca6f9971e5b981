// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A circuit breaker: what failed several times in a row is left alone for a while. Our own, since the
//! libraries of the field measure rates instead of failures in a row, let everybody through at once
//! when they try again, and do not tell their state to metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After this many failures in a row nothing is tried for a while.
const FAILURES: u32 = 5;
/// How long; then one call may try, and the next one after the same time if it does not come back.
const PAUSE: Duration = Duration::from_secs(30);

/// Counts failures in a row. Times are given, so that tests need not wait.
#[derive(Debug, Default)]
pub struct Breaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next call may go through; none while all may.
    next: Option<Instant>,
}

impl Breaker {
    /// Whether a call may go through now.
    ///
    /// # Errors
    /// How long it takes until one may.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.lock();
        match state.next {
            Some(next) if now < next => Err(next - now),
            Some(_) => {
                state.next = Some(now + PAUSE);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A call came back: what was called is there, or is not.
    pub fn record(&self, there: bool, now: Instant) {
        let mut state = self.lock();
        if there {
            *state = State::default();
        } else {
            state.failures = state.failures.saturating_add(1);
            state.next = (state.failures >= FAILURES).then(|| now + PAUSE);
        }
    }

    /// Whether calls fail without being tried.
    pub fn is_open(&self, now: Instant) -> bool {
        self.lock().next.is_some_and(|next| now < next)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it is held, and every state of it is a good one.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_in_a_row_open_it_and_one_success_closes_it() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 1..FAILURES {
            breaker.record(false, start);
            assert_eq!(breaker.admit(start), Ok(()));
        }
        breaker.record(true, start);
        for _ in 1..FAILURES {
            breaker.record(false, start);
        }
        assert!(!breaker.is_open(start), "only failures in a row count");
        breaker.record(false, start);
        assert!(breaker.is_open(start));
        assert_eq!(breaker.admit(start), Err(PAUSE));
        breaker.record(true, start + PAUSE);
        assert_eq!(breaker.admit(start + PAUSE), Ok(()));
    }

    #[test]
    fn after_the_pause_one_call_tries_and_the_others_wait() {
        let (breaker, start) = (Breaker::default(), Instant::now());
        for _ in 0..FAILURES {
            breaker.record(false, start);
        }
        let later = start + PAUSE;
        assert!(!breaker.is_open(later));
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(PAUSE), "one is under way");
        // It was given up and never came back.
        assert_eq!(breaker.admit(later + PAUSE), Ok(()));
        breaker.record(false, later + PAUSE);
        assert_eq!(breaker.admit(later + PAUSE), Err(PAUSE));
    }
}
