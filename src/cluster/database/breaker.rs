// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Keeps calls from waiting for a server that does not answer.

use std::time::{Duration, Instant};

/// The pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long the others wait for the result of an attempt. Longer than any attempt takes; an attempt that is
/// cancelled has none.
const ATTEMPT: Duration = Duration::from_secs(5);

/// A circuit breaker. While it is closed, every attempt is admitted. After a failure it is open: calls get the
/// error of the last attempt at once, until a pause has passed and one attempt is admitted; its success closes
/// the breaker.
pub(super) struct Breaker<E> {
    outage: Option<Outage<E>>,
}

struct Outage<E> {
    /// Number of attempts that failed one after the other.
    failures: u32,
    /// When the last of them failed.
    last: Instant,
    /// When the next one is admitted.
    next: Instant,
    error: E,
}

impl<E: Clone> Breaker<E> {
    /// A closed breaker.
    pub fn new() -> Self {
        Self { outage: None }
    }

    /// Admits an attempt, which then reports its result, or returns the error of the last one.
    pub fn admit(&mut self, now: Instant) -> Result<(), E> {
        let Some(outage) = &mut self.outage else { return Ok(()) };
        if now < outage.next {
            return Err(outage.error.clone());
        }
        outage.next = now + ATTEMPT;
        Ok(())
    }

    /// Reports that an attempt succeeded.
    pub fn record_success(&mut self) {
        self.outage = None;
    }

    /// Reports that an attempt failed that was admitted at `began`. `jitter` from 0 to 1 shortens the pause by
    /// up to a quarter.
    pub fn record_failure(&mut self, began: Instant, now: Instant, error: E, jitter: f64) {
        let before = match &self.outage {
            // It was under way when another one failed: both met the same outage.
            Some(outage) if began < outage.last => return,
            Some(outage) => outage.failures,
            None => 0,
        };
        let failures = before.saturating_add(1);
        self.outage = Some(Outage { failures, last: now, next: now + pause(failures, jitter), error });
    }
}

/// The pause after this number of failures.
fn pause(failures: u32, jitter: f64) -> Duration {
    let doubled = 2u32.saturating_pow(failures.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
    pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: f64 = 0.0;

    #[test]
    fn after_a_failure_calls_fail_at_once_until_one_attempt_succeeds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs_f64(seconds);
        let mut breaker = Breaker::new();
        assert_eq!((breaker.admit(start), breaker.admit(start)), (Ok(()), Ok(())), "closed");
        breaker.record_failure(start, at(3.0), "down", NO_JITTER);
        assert_eq!(breaker.admit(at(3.9)), Err("down"));
        assert_eq!(breaker.admit(at(4.0)), Ok(()), "one attempt");
        assert_eq!(breaker.admit(at(4.0)), Err("down"), "and no other");
        breaker.record_failure(at(4.0), at(7.0), "still down", NO_JITTER);
        assert_eq!(breaker.admit(at(8.9)), Err("still down"));
        assert_eq!(breaker.admit(at(9.0)), Ok(()));
        breaker.record_success();
        assert_eq!((breaker.admit(at(9.0)), breaker.admit(at(9.0))), (Ok(()), Ok(())), "closed again");
    }

    #[test]
    fn attempts_that_were_under_way_together_count_as_one_failure() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::new();
        for _ in 0..4 {
            breaker.record_failure(start, at(3), (), NO_JITTER);
        }
        assert_eq!(breaker.admit(at(4)), Ok(()));
    }

    #[test]
    fn an_attempt_without_a_result_does_not_keep_the_breaker_open() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut breaker = Breaker::new();
        breaker.record_failure(start, start, (), NO_JITTER);
        assert_eq!(breaker.admit(at(1)), Ok(()), "this one is cancelled");
        assert_eq!(breaker.admit(at(5)), Err(()));
        assert_eq!(breaker.admit(at(6)), Ok(()));
    }

    #[test]
    fn pauses_grow_up_to_a_limit() {
        let seconds: Vec<f64> = (1..=6).map(|failures| pause(failures, NO_JITTER).as_secs_f64()).collect();
        assert_eq!(seconds, [1.0, 2.0, 4.0, 8.0, 15.0, 15.0]);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST_PAUSE.mul_f64(0.75));
    }
}
