// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Booking data of an item: the account, cost centre and the like by which the treasury books it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// The treasury's keys and their values. Deserializing fails if a key occurs twice, since the module cannot
/// know which of two accounts is the right one.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct BookingData(BTreeMap<String, String>);

impl BookingData {
    /// Keys and values in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &String)> {
        self.0.iter()
    }

    /// The value of a key; `None` if the key is missing.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }
}

impl<'de> Deserialize<'de> for BookingData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(UniqueKeysVisitor)
    }
}

struct UniqueKeysVisitor;

impl<'de> Visitor<'de> for UniqueKeysVisitor {
    type Value = BookingData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<BookingData, A::Error> {
        let mut data = BTreeMap::new();
        while let Some((key, value)) = map.next_entry()? {
            match data.entry(key) {
                Entry::Vacant(entry) => drop(entry.insert(value)),
                Entry::Occupied(entry) => {
                    return Err(A::Error::custom(format_args!("the key {} occurs twice", entry.key())));
                }
            }
        }
        Ok(BookingData(data))
    }
}
