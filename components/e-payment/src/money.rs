// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Amounts of money: whole cents, never a floating-point number.

use std::fmt;
use std::ops::Add;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

/// The largest amount of XBezahldienste 1.0.0, in cents: 999,999 euros.
const LARGEST: u64 = 99_999_900;

/// An amount in cents, 0 to 999,999.00 euros. On the wire a JSON number with at most two decimals,
/// read from its digits and not through a floating-point number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cents(u64);

impl Cents {
    /// 100: the largest tax rate, which is read as an amount is.
    pub const HUNDRED: Self = Self(10_000);

    /// Parses a decimal number.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text} must be an amount from 0 to 999999 with at most two decimals");
        let (euros, cents) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, longest| {
            (1..=longest).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(euros, 6) || !digits(cents, 2) {
            return Err(wrong());
        }
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
        let total = number(euros)? * 100 + number(&format!("{cents:0<2}"))?;
        if total > LARGEST { Err(wrong()) } else { Ok(Self(total)) }
    }
}

/// A sum of amounts, which may be larger than any of them may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Add<Cents> for Sum {
    type Output = Self;

    fn add(self, amount: Cents) -> Self {
        Self(self.0 + amount.0)
    }
}

impl PartialEq<Cents> for Sum {
    fn eq(&self, amount: &Cents) -> bool {
        self.0 == amount.0
    }
}

fn decimal(cents: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}.{:02}", cents / 100, cents % 100)
}

impl fmt::Display for Cents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(self.0, f)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(self.0, f)
    }
}

impl<'de> Deserialize<'de> for Cents {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

impl Serialize for Cents {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_at_the_edges() {
        for (text, wire) in
            [("0", "0.00"), ("0.01", "0.01"), ("28.8", "28.80"), ("999999", "999999.00"), ("007", "7.00")]
        {
            assert_eq!(Cents::parse(text).unwrap().to_string(), wire);
        }
        for text in [
            "-0.01",
            "999999.01",
            "1000000",
            "1.001",
            "1.",
            ".5",
            "1e2",
            "\"1\"",
            "null",
            "NaN",
            "",
            " 1",
            "+1",
            "1,00",
        ] {
            assert!(Cents::parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(cents in 0..=LARGEST) {
            let json = serde_json::to_string(&Cents(cents)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cents>(&json).unwrap(), Cents(cents));
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Cents::parse(&text);
        }
    }
}
