// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! What was verified on the server, and until when that counts.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long it counts that role, database and password of a module were verified.
const PERIOD: Duration = Duration::from_secs(600);

/// What a module's role must be, and the URL that the module has now. Two calls for the same that follow each
/// other need the server only once.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Whose role it is, as in its comment.
    pub owner: &'a str,
    /// Number of connections that it may hold.
    pub connection_limit: i32,
    /// The URL in the module's Secret, if there is one.
    pub current_url: Option<&'a str>,
}

/// The records of all databases, by name.
#[derive(Default)]
pub(super) struct Records(HashMap<String, Record>);

struct Record {
    owner: String,
    connection_limit: i32,
    /// The module's URL as it was returned.
    url: String,
    /// Whether there was no URL before, so that the password is the derived one.
    derived: bool,
    until: Instant,
}

impl Records {
    /// Returns the module's URL if what is wanted was verified a short time ago.
    pub fn find(&self, name: &str, wanted: Wanted<'_>, now: Instant) -> Option<String> {
        let record = self.0.get(name)?;
        let same_url = match wanted.current_url {
            Some(url) => url == record.url,
            None => record.derived,
        };
        let same = record.owner == wanted.owner && record.connection_limit == wanted.connection_limit;
        (same && same_url && now < record.until).then(|| record.url.clone())
    }

    /// Notes that what is wanted was verified just now and has this URL. `jitter` from 0 to 1 shortens the
    /// period by up to a quarter, so that what was verified together is not due together.
    pub fn remember(&mut self, name: &str, wanted: Wanted<'_>, url: &str, now: Instant, jitter: f64) {
        // So records of modules that went without a word go as well.
        self.0.retain(|_, record| now < record.until);
        let record = Record {
            owner: wanted.owner.to_owned(),
            connection_limit: wanted.connection_limit,
            url: url.to_owned(),
            derived: wanted.current_url.is_none(),
            until: now + PERIOD.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 4.0),
        };
        self.0.insert(name.to_owned(), record);
    }

    /// Forgets what was verified about this database.
    pub fn forget(&mut self, name: &str) {
        self.0.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Wanted<'_> = Wanted { owner: "Ahaus", connection_limit: 17, current_url: None };
    const URL: &str = "postgres://a_b:pw@db.example/a_b";

    #[test]
    fn what_was_verified_counts_for_a_period_and_only_for_the_same() {
        let (start, mut records) = (Instant::now(), Records::default());
        records.remember("a_b", NEW, URL, start, 0.0);
        let find = |name, wanted, after| records.find(name, wanted, start + after);
        let known = Wanted { current_url: Some(URL), ..NEW };
        assert_eq!(find("a_b", NEW, Duration::ZERO).as_deref(), Some(URL));
        assert_eq!(find("a_b", known, Duration::from_secs(599)).as_deref(), Some(URL));
        assert_eq!(find("a_b", known, PERIOD), None, "too old");
        assert_eq!(find("a_c", known, Duration::ZERO), None, "another database");
        let another = Wanted { current_url: Some("postgres://a_b:other@db.example/a_b"), ..NEW };
        assert_eq!(find("a_b", another, Duration::ZERO), None, "another URL");
        assert_eq!(find("a_b", Wanted { connection_limit: 22, ..known }, Duration::ZERO), None, "limit");
        assert_eq!(find("a_b", Wanted { owner: "Heek", ..known }, Duration::ZERO), None, "owner");
    }

    #[test]
    fn a_password_from_a_secret_that_is_lost_since_is_not_remembered() {
        let (start, mut records) = (Instant::now(), Records::default());
        records.remember("a_b", Wanted { current_url: Some(URL), ..NEW }, URL, start, 0.0);
        assert_eq!(records.find("a_b", NEW, start), None);
    }

    #[test]
    fn records_go_when_they_are_forgotten_or_too_old() {
        let (start, mut records) = (Instant::now(), Records::default());
        records.remember("a_b", NEW, URL, start, 1.0);
        records.remember("a_c", NEW, URL, start, 0.0);
        records.remember("a_d", NEW, URL, start + PERIOD.mul_f64(0.75), 0.0);
        assert_eq!(records.0.len(), 2, "a_b was due");
        records.forget("a_c");
        records.forget("a_d");
        assert!(records.0.is_empty());
    }
}
