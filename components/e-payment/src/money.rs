// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Amounts of money and tax rates: whole hundredths, never a floating-point number.

use std::fmt;
use std::ops::Add;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A number of hundredths, at most `LARGEST`. On the wire a JSON number with at most two decimals, read
/// from its digits and not through a floating-point number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hundredths<const LARGEST: u64>(u64);

/// An amount in cents, 0 to 999,999.00 euros: the largest of XBezahldienste 1.0.0.
pub type Cents = Hundredths<99_999_900>;

/// A tax rate in hundredths of a per cent, 0 to 100.00 %.
pub type TaxRate = Hundredths<10_000>;

impl<const LARGEST: u64> Hundredths<LARGEST> {
    /// Parses a decimal number.
    ///
    /// # Errors
    /// Says what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let largest = LARGEST / 100;
        let wrong = || format!("{text} must be a number from 0 to {largest} with at most two decimals");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, longest| {
            (1..=longest).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 6) || !digits(decimals, 2) {
            return Err(wrong());
        }
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| wrong());
        let total = number(whole)? * 100 + number(&format!("{decimals:0<2}"))?;
        if total > LARGEST { Err(wrong()) } else { Ok(Self(total)) }
    }

    /// The number of hundredths, such as cents.
    pub fn hundredths(self) -> u64 {
        self.0
    }
}

impl<const LARGEST: u64> PartialSchema for Hundredths<LARGEST> {
    fn schema() -> RefOr<Schema> {
        let largest = u32::try_from(LARGEST / 100).unwrap_or(u32::MAX);
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(largest))
            .multiple_of(Some(0.01))
            .into()
    }
}

impl<const LARGEST: u64> ToSchema for Hundredths<LARGEST> {}

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

fn decimal(hundredths: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
}

impl<const LARGEST: u64> fmt::Display for Hundredths<LARGEST> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(self.0, f)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decimal(self.0, f)
    }
}

impl<'de, const LARGEST: u64> Deserialize<'de> for Hundredths<LARGEST> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

impl<const LARGEST: u64> Serialize for Hundredths<LARGEST> {
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

    #[test]
    fn each_kind_of_number_has_its_own_end() {
        assert_eq!(TaxRate::parse("100").unwrap().to_string(), "100.00");
        let told = TaxRate::parse("100.01").unwrap_err();
        assert_eq!(told, "100.01 must be a number from 0 to 100 with at most two decimals");
    }

    proptest! {
        #[test]
        fn up_to_the_largest_amount_what_is_written_is_read_back(cents in 0..=99_999_900_u64) {
            let json = serde_json::to_string(&Hundredths::<99_999_900>(cents)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cents>(&json).unwrap(), Hundredths(cents));
        }

        #[test]
        fn beyond_the_largest_amount_nothing_is_read(cents in 99_999_901_u64..) {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            prop_assert!(Cents::parse(&text).is_err(), "{text}");
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Cents::parse(&text);
        }
    }
}
