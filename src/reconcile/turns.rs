// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Turns: how many modules of one town are reconciled at a time, so that a town with a thousand of them leaves
//! room for the others.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::CONCURRENCY;

/// Half of the workers are left for other towns.
const TURNS_OF_A_TOWN: usize = CONCURRENCY as usize / 2;

/// When a module that got no turn asks again.
pub(super) const NEXT_TURN: Duration = Duration::from_millis(500);

/// The number of modules that are being reconciled, by namespace.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<String, usize>>);

/// A turn, which ends when this is dropped.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    turns: &'a Turns,
    namespace: String,
}

impl Turns {
    /// Takes a turn; `None` if modules of the namespace have them all.
    pub fn take(&self, namespace: &str) -> Option<Turn<'_>> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(namespace.to_owned()).or_default();
        if *count == TURNS_OF_A_TOWN {
            return None;
        }
        *count += 1;
        Some(Turn { turns: self, namespace: namespace.to_owned() })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut taken = self.turns.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.namespace) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.namespace);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_town_takes_at_most_half_of_the_workers() {
        let turns = Turns::default();
        let mut taken: Vec<_> = std::iter::from_fn(|| turns.take("mun-ahaus")).collect();
        assert_eq!(taken.len(), TURNS_OF_A_TOWN);
        assert!(turns.take("mun-heek").is_some(), "another town");
        taken.pop();
        assert!(turns.take("mun-ahaus").is_some(), "one has ended");
        drop(taken);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}
