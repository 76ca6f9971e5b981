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

    /// Whether the object may be written now so that it is as `desired`; if so, the write is noted. `fields` are
    /// the JSON pointers at which it differs.
    pub fn may_write(&mut self, desired: Digest, fields: &[String], now: Instant) -> bool {
        if self.desired != desired {
            *self = Self::new(desired);
            return true;
        }
        if let Some(until) = self.paused_until {
            let may_write = now >= until;
            if may_write {
                self.paused_until = Some(now + PAUSE);
            }
            return may_write;
        }
        self.recent.retain(|(time, _)| now.saturating_duration_since(*time) < WINDOW);
        if self.recent.iter().filter(|(_, repaired)| repaired == fields).count() >= REPAIRS {
            self.paused_until = Some(now + PAUSE);
            return false;
        }
        if self.recent.len() == REMEMBERED {
            self.recent.pop_front();
        }
        self.recent.push_back((now, fields.to_vec()));
        true
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

    #[test]
    fn five_repairs_in_ten_minutes_are_the_last_for_an_hour_and_then_there_is_one_each_hour() {
        let (mut repairs, start) = (Repairs::new(desired("a")), Instant::now());
        let mut at = |minutes: u64| {
            repairs.may_write(desired("a"), &fields("/spec"), start + Duration::from_secs(60 * minutes))
        };
        assert!((0..5).all(&mut at), "five repairs");
        assert!(!at(5) && !at(30) && !at(64), "contested");
        assert!(at(65), "an hour later");
        assert!(!at(66) && !at(124));
        assert!(at(125));
    }

    #[test]
    fn rare_repairs_other_fields_and_changes_of_the_operators_own_are_no_contest() {
        let (mut repairs, start) = (Repairs::new(desired("a")), Instant::now());
        for hour in 0..20 {
            let now = start + Duration::from_secs(3600 * hour);
            assert!(repairs.may_write(desired("a"), &fields("/spec"), now));
        }
        for number in 0..100 {
            assert!(repairs.may_write(desired("a"), &fields(&number.to_string()), start));
            assert!(repairs.recent.len() <= REMEMBERED);
        }
        for change in 0..20 {
            assert!(repairs.may_write(desired(&change.to_string()), &fields("/spec"), start));
        }
    }

    #[test]
    fn a_change_of_the_operators_own_ends_a_contest() {
        let (mut repairs, now) = (Repairs::new(desired("a")), Instant::now());
        while repairs.may_write(desired("a"), &fields("/spec"), now) {}
        assert!(!repairs.is_over(now + WINDOW), "an hour has to pass");
        assert!(repairs.may_write(desired("b"), &fields("/spec"), now));
        assert!(repairs.is_over(now + WINDOW));
    }
}
