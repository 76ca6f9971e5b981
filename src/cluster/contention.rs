// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Notices a second writer that changes the same fields of an object back each time the operator repairs them.
//! Two programs that never give in would keep the API server busy for ever, and restart pods at each turn.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::desired::Digest;

/// After so many repairs of the same fields within [`WINDOW`], an object counts as contested.
const REPAIRS: usize = 5;
const WINDOW: Duration = Duration::from_secs(600);

/// How many repairs of an object are remembered.
const REMEMBERED: usize = 64;

/// How long a contested object is left alone before the next repair.
const PAUSE: Duration = Duration::from_secs(3600);

/// The repairs of one object.
#[derive(Clone, Debug)]
pub(super) struct Repairs {
    /// What the object is to be. Another value is a change of the operator's own, and no repair.
    desired: Digest,
    /// When it was repaired lately, and which fields.
    recent: VecDeque<(Instant, Vec<String>)>,
    /// Until when it is left alone, once it is contested.
    paused_until: Option<Instant>,
}

impl Repairs {
    /// The first write of an object, which is to be as `desired`.
    pub fn new(desired: Digest) -> Self {
        Self { desired, recent: VecDeque::new(), paused_until: None }
    }

    /// Whether the object may be replaced now so that it is as `desired`.
    pub fn may_replace(&self, desired: Digest, now: Instant) -> bool {
        self.desired != desired || self.paused_until.is_none_or(|until| now >= until)
    }

    /// Notes that the object was replaced. `fields` are the JSON pointers at which it differed.
    pub fn note(&mut self, desired: Digest, fields: &[String], now: Instant) {
        if self.desired != desired {
            *self = Self::new(desired);
        }
        self.recent.retain(|(time, _)| now.saturating_duration_since(*time) < WINDOW);
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((now, fields.to_vec()));
        if self.paused_until.is_some() || self.count(fields, now) >= REPAIRS {
            self.paused_until = Some(now + PAUSE);
        }
    }

    /// How often the same fields were repaired lately.
    fn count(&self, fields: &[String], now: Instant) -> usize {
        let is_recent = |time: Instant| now.saturating_duration_since(time) < WINDOW;
        self.recent.iter().filter(|(time, repaired)| is_recent(*time) && repaired == fields).count()
    }

    /// Whether nothing of it matters any more.
    pub fn is_over(&self, now: Instant) -> bool {
        let last = self.recent.back().is_none_or(|(time, _)| now.saturating_duration_since(*time) >= WINDOW);
        last && self.paused_until.is_none_or(|until| now >= until + PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::desired::{Kind, Tolerated, digest};

    fn desired(text: &str) -> Digest {
        digest(Kind::Service, &json!({"spec": text}), &Tolerated::default())
    }

    fn fields(pointer: &str) -> Vec<String> {
        vec![pointer.to_owned()]
    }

    /// Replaces the object if that is allowed, and returns whether it was.
    fn replace(repairs: &mut Repairs, object: &str, field: &str, now: Instant) -> bool {
        let may_replace = repairs.may_replace(desired(object), now);
        if may_replace {
            repairs.note(desired(object), &fields(field), now);
        }
        may_replace
    }

    #[test]
    fn five_repairs_in_ten_minutes_are_the_last_for_an_hour_and_then_there_is_one_each_hour() {
        let (mut repairs, start) = (Repairs::new(desired("a")), Instant::now());
        let mut at =
            |minutes: u64| replace(&mut repairs, "a", "/spec", start + Duration::from_secs(60 * minutes));
        assert!((0..5).all(&mut at), "five repairs");
        assert!(!at(5) && !at(30) && !at(63), "contested");
        assert!(at(64), "an hour after the last one");
        assert!(!at(65) && !at(123));
        assert!(at(124));
    }

    #[test]
    fn rare_repairs_other_fields_and_changes_of_the_operators_own_are_no_contest() {
        let (mut repairs, start) = (Repairs::new(desired("a")), Instant::now());
        for hour in 0..20 {
            assert!(replace(&mut repairs, "a", "/spec", start + Duration::from_secs(3600 * hour)));
        }
        for number in 0..100 {
            assert!(replace(&mut repairs, "a", &number.to_string(), start));
            assert!(repairs.recent.len() <= REMEMBERED);
        }
        for change in 0..20 {
            assert!(replace(&mut repairs, &change.to_string(), "/spec", start));
        }
    }

    #[test]
    fn a_change_of_the_operators_own_ends_a_contest() {
        let (mut repairs, now) = (Repairs::new(desired("a")), Instant::now());
        while replace(&mut repairs, "a", "/spec", now) {}
        assert!(!repairs.is_over(now + WINDOW), "an hour has to pass");
        assert!(replace(&mut repairs, "b", "/spec", now));
        assert!(repairs.is_over(now + WINDOW));
    }
}
