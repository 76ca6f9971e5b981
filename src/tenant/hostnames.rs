// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Host names of municipalities, and which of them stand in each other's way.

use std::collections::{BTreeMap, BTreeSet};

/// Annotation of a municipality's namespace with the host name that it holds.
pub const HOSTNAME: &str = "rathaus.dev/hostname";

/// Annotation of a municipality's namespace with the seal of [`HOSTNAME`].
pub const HOSTNAME_SEAL: &str = "rathaus.dev/hostname-seal";

/// The host names that municipalities hold, by the municipalities' names.
pub type HeldHostnames = BTreeMap<String, String>;

/// Whether a host name equals the domain or lies below it.
pub fn is_within(name: &str, domain: &str) -> bool {
    name.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether two host names are equal, or one is below the other.
pub fn overlap(left: &str, right: &str) -> bool {
    is_within(left, right) || is_within(right, left)
}

/// Objects by their host names, so that those whose names overlap with a name are found without looking at all.
#[derive(Debug)]
pub struct HostnameIndex<T>(
    /// By host name, with its labels in reverse order: `example.rathaus.ahaus.`, so that all names below a name
    /// begin with it.
    BTreeMap<String, BTreeSet<T>>,
);

impl<T> Default for HostnameIndex<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord> HostnameIndex<T> {
    /// Adds an object.
    pub fn insert(&mut self, hostname: &str, object: T) {
        self.0.entry(reversed(hostname)).or_default().insert(object);
    }

    /// Removes an object; nothing happens if it is not there.
    pub fn remove(&mut self, hostname: &str, object: &T) {
        let name = reversed(hostname);
        if let Some(objects) = self.0.get_mut(&name) {
            objects.remove(object);
            if objects.is_empty() {
                self.0.remove(&name);
            }
        }
    }

    /// The objects whose host names are equal to, above or below this one.
    pub fn overlapping(&self, hostname: &str) -> BTreeSet<&T> {
        let name = reversed(hostname);
        let ends_of_labels = name.match_indices('.').map(|(end, _)| &name[..=end]);
        let equal_or_above = ends_of_labels.filter_map(|above| self.0.get(above));
        let below = self.0.range(name.clone()..).take_while(|(other, _)| other.starts_with(&name));
        equal_or_above.chain(below.map(|(_, objects)| objects)).flatten().collect()
    }
}

fn reversed(hostname: &str) -> String {
    hostname.rsplit('.').flat_map(|label| [label, "."]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_overlap_if_they_are_equal_or_one_is_below_the_other() {
        let names =
            ["ahaus.example", "neu.ahaus.example", "heek.example", "ahaus.example.org", "kahaus.example"];
        let mut index = HostnameIndex::default();
        for name in names {
            index.insert(name, name);
        }
        for (name, expected) in [
            ("ahaus.example", vec!["ahaus.example", "neu.ahaus.example"]),
            ("neu.ahaus.example", vec!["ahaus.example", "neu.ahaus.example"]),
            ("alt.neu.ahaus.example", vec!["ahaus.example", "neu.ahaus.example"]),
            ("vreden.example", vec![]),
        ] {
            assert_eq!(index.overlapping(name).into_iter().copied().collect::<Vec<_>>(), expected, "{name}");
            let pairwise: Vec<_> = names.into_iter().filter(|other| overlap(name, other)).collect();
            assert_eq!(pairwise, expected, "{name}");
        }
        index.remove("ahaus.example", &"ahaus.example");
        index.remove("ahaus.example", &"ahaus.example");
        assert_eq!(index.overlapping("ahaus.example").len(), 1);
    }
}
