// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! A circuit breaker: after several failures in a row, calls fail without being tried for a while. It is
//! written here because the available crates measure failure rates instead of failures in a row, let all
//! callers through at once when they try again, and do not expose their state to metrics.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The circuit opens after this many failures in a row.
const FAILURE_THRESHOLD: u32 = 5;
/// How long the circuit stays open. Then one call may try; if it never returns, the next call may try after
/// the same time.
const OPEN_DURATION: Duration = Duration::from_secs(30);

/// Counts failures in a row. The caller passes the time, so that tests need not wait.
#[derive(Debug, Default)]
pub struct CircuitBreaker(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next call may be tried; `None` while the circuit is closed.
    next_attempt: Option<Instant>,
}

impl CircuitBreaker {
    /// Asks for permission to make a call now.
    ///
    /// # Errors
    /// The time until a call may be tried, if none may now.
    pub fn admit(&self, now: Instant) -> Result<(), Duration> {
        let mut state = self.lock();
        match state.next_attempt {
            Some(next) if now < next => Err(next - now),
            Some(_) => {
                state.next_attempt = Some(now + OPEN_DURATION);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Records the result of a call; `success` is false if the provider was unavailable.
    pub fn record(&self, success: bool, now: Instant) {
        let mut state = self.lock();
        if success {
            *state = State::default();
        } else {
            state.failures = state.failures.saturating_add(1);
            state.next_attempt = (state.failures >= FAILURE_THRESHOLD).then(|| now + OPEN_DURATION);
        }
    }

    /// Whether calls fail without being tried at this time.
    pub fn is_open(&self, now: Instant) -> bool {
        self.lock().next_attempt.is_some_and(|next| now < next)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock, and every state is valid, so poisoning can be ignored.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_failures_in_a_row_open_the_circuit_and_one_success_closes_it() {
        let (breaker, start) = (CircuitBreaker::default(), Instant::now());
        for _ in 1..FAILURE_THRESHOLD {
            breaker.record(false, start);
            assert_eq!(breaker.admit(start), Ok(()));
        }
        breaker.record(true, start);
        for _ in 1..FAILURE_THRESHOLD {
            breaker.record(false, start);
        }
        assert!(!breaker.is_open(start), "only failures in a row count");
        breaker.record(false, start);
        assert!(breaker.is_open(start));
        assert_eq!(breaker.admit(start), Err(OPEN_DURATION));
        breaker.record(true, start + OPEN_DURATION);
        assert_eq!(breaker.admit(start + OPEN_DURATION), Ok(()));
    }

    #[test]
    fn after_the_open_duration_one_call_is_tried_and_the_others_fail() {
        let (breaker, start) = (CircuitBreaker::default(), Instant::now());
        for _ in 0..FAILURE_THRESHOLD {
            breaker.record(false, start);
        }
        let later = start + OPEN_DURATION;
        assert!(!breaker.is_open(later));
        assert_eq!(breaker.admit(later), Ok(()));
        assert_eq!(breaker.admit(later), Err(OPEN_DURATION), "one is under way");
        // That call was cancelled and its result never recorded.
        assert_eq!(breaker.admit(later + OPEN_DURATION), Ok(()));
        breaker.record(false, later + OPEN_DURATION);
        assert_eq!(breaker.admit(later + OPEN_DURATION), Err(OPEN_DURATION));
    }
}
