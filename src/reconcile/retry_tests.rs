// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

use super::*;

const RESYNC: Duration = Duration::from_secs(300);

fn key() -> ObjectKey {
    ObjectKey::module("mun-ahaus", "e-payment")
}

/// Ends `count` runs that no change caused, and returns the pauses after them.
fn pauses_after(retries: &Retries, outcome: Outcome, reason: Option<&str>, count: usize) -> Vec<Duration> {
    let mut now = Instant::now();
    let mut run = || {
        assert_eq!(retries.begin(&key(), now), None);
        let pause = retries.end(&key(), outcome, reason, RESYNC, now);
        now += pause;
        pause
    };
    std::iter::repeat_with(&mut run).take(count).collect()
}

#[track_caller]
fn assert_about(pauses: &[Duration], seconds: &[u64]) {
    assert_eq!(pauses.len(), seconds.len());
    for (pause, &seconds) in pauses.iter().zip(seconds) {
        let longest = Duration::from_secs(seconds);
        assert!((longest.mul_f64(0.8)..=longest).contains(pause), "{pauses:?} instead of {seconds}");
    }
}

#[test]
fn the_outcome_decides_how_long_to_wait() {
    let cases = [
        (Outcome::Ready, None, Wait::Resync),
        (Outcome::Suspended, Some("Suspended"), Wait::Resync),
        (Outcome::Waiting, Some("RollingOut"), Wait::Pause(FIRST_PAUSE_IN_PROGRESS)),
        (Outcome::Waiting, Some("RightsPropagating"), Wait::Pause(FIRST_PAUSE)),
        (Outcome::Failed, Some("ObjectRejected"), Wait::Pause(FIRST_PAUSE)),
        (Outcome::Invalid, Some("ClassInvalid"), Wait::Resync),
        (Outcome::Invalid, Some("SecretNotFound"), Wait::Pause(FIRST_PAUSE)),
        (Outcome::Refused, Some("ModuleLimitReached"), Wait::Resync),
        (Outcome::Refused, Some("DatabaseForeign"), Wait::Pause(FIRST_PAUSE)),
        (Outcome::Refused, Some("Contested"), Wait::Resync),
    ];
    for (outcome, reason, expected) in cases {
        assert_eq!(wait_after(outcome, reason), expected, "{outcome:?} {reason:?}");
    }
}

#[test]
fn pauses_grow_to_a_limit() {
    let growing = [1, 2, 4, 8, 16, 32, 60, 60];
    for outcome in [Outcome::Waiting, Outcome::Failed] {
        assert_about(&pauses_after(&Retries::default(), outcome, None, 8), &growing);
    }
    let missing = pauses_after(&Retries::default(), Outcome::Invalid, Some("SecretNotFound"), 8);
    assert_about(&missing, &growing);
    assert_eq!(growing_pause(FIRST_PAUSE, u32::MAX), MAX_PAUSE);
}

#[test]
fn what_a_person_must_change_is_not_asked_for() {
    let pauses = pauses_after(&Retries::default(), Outcome::Refused, Some("ClassNotOffered"), 3);
    assert_about(&pauses, &[300, 300, 300]);
}

#[test]
fn pauses_start_anew_when_something_changed_but_not_after_a_failure() {
    for (outcome, next) in [(Outcome::Waiting, 1), (Outcome::Failed, 8)] {
        let retries = Retries::default();
        pauses_after(&retries, outcome, None, 3);
        retries.wake(&key());
        assert_about(&pauses_after(&retries, outcome, None, 1), &[next]);
    }
}

#[test]
fn a_run_that_is_neither_due_nor_woken_knows_how_long_the_object_waits() {
    let (retries, now) = (Retries::default(), Instant::now());
    assert_eq!(retries.begin(&key(), now), None, "the first run");
    let pause = retries.end(&key(), Outcome::Ready, None, RESYNC, now);
    assert_eq!(retries.begin(&key(), now), Some(pause));
    assert_eq!(retries.begin(&key(), now + pause), None, "it is due");
    retries.wake(&key());
    assert_eq!(retries.begin(&key(), now), None, "it is woken");
    assert_eq!(retries.begin(&key(), now), Some(pause), "once");
}

#[test]
fn a_number_is_written_at_once_and_then_at_most_once_in_an_interval() {
    let (retries, now) = (Retries::default(), Instant::now());
    retries.end(&key(), Outcome::Ready, None, RESYNC, now);
    assert_eq!(retries.wait_before_count(&key(), now), None);
    assert_eq!(retries.wait_before_count(&key(), now), Some(COUNT_INTERVAL));
    let second = Duration::from_secs(1);
    assert_eq!(retries.wait_before_count(&key(), now + second), Some(COUNT_INTERVAL - second));
    assert_eq!(retries.wait_before_count(&key(), now + COUNT_INTERVAL), None);
    assert_eq!(retries.wait_before_count(&key(), now + COUNT_INTERVAL), Some(COUNT_INTERVAL));
}

#[test]
fn a_change_during_the_first_run_is_not_lost() {
    let (retries, now) = (Retries::default(), Instant::now());
    assert_eq!(retries.begin(&key(), now), None);
    retries.wake(&key());
    retries.end(&key(), Outcome::Refused, Some("HostnameForeign"), RESYNC, now);
    assert_eq!(retries.begin(&key(), now), None, "it is woken");
}

#[test]
fn usable_secrets_are_remembered_for_a_while_and_a_generation() {
    let (retries, now) = (Retries::default(), Instant::now());
    retries.begin(&key(), now);
    let is_known = |generation, age| {
        retries.has_checked_secrets(&key(), Some(generation), RESYNC, now + Duration::from_secs(age))
    };
    assert!(!is_known(1, 0));
    retries.note_secrets(&key(), Some(1), now);
    assert!(is_known(1, 299) && !is_known(1, 300) && !is_known(2, 0));
}

#[test]
fn what_is_forgotten_leaves_nothing_behind() {
    let retries = Retries::default();
    pauses_after(&retries, Outcome::Failed, None, 3);
    retries.forget(&key());
    retries.wake(&key());
    assert!(retries.lock().is_empty());
}

#[test]
fn resyncs_are_spread_and_never_delayed() {
    for name in ["ahaus", "bocholt", "vreden"] {
        assert!((240..=300).contains(&with_jitter(RESYNC, &name).as_secs()));
    }
    assert_ne!(with_jitter(RESYNC, &"ahaus"), with_jitter(RESYNC, &"bocholt"));
}
