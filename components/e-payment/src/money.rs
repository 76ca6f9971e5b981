// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Amounts of money and tax rates as whole hundredths, without any floating-point arithmetic.

use std::fmt;
use std::ops::Add;

use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::openapi::schema::Type;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

/// A number of hundredths, at most `MAX`. In JSON it is a number with at most two decimals, which is parsed
/// from its digits and not by way of a floating-point number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hundredths<const MAX: u64>(u64);

/// An amount in cents, from 0 to 999,999.00 euros, which is the limit of XBezahldienste 1.0.0.
pub type Cents = Hundredths<99_999_900>;

/// A tax rate in hundredths of a per cent, from 0 to 100.00 %.
pub type TaxRate = Hundredths<10_000>;

impl<const MAX: u64> Hundredths<MAX> {
    /// Parses a decimal number such as `28`, `28.8` or `28.80`.
    ///
    /// # Errors
    /// Fails if the text has another format or the number is larger than `MAX`; the message gives the
    /// expected range.
    pub fn parse(text: &str) -> Result<Self, String> {
        let largest = MAX / 100;
        let error = || format!("{text} must be a number from 0 to {largest} with at most two decimals");
        let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
        let digits = |part: &str, longest| {
            (1..=longest).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
        };
        if !digits(whole, 6) || !digits(decimals, 2) {
            return Err(error());
        }
        let number = |digits: &str| digits.parse::<u64>().map_err(|_| error());
        let total = number(whole)? * 100 + number(&format!("{decimals:0<2}"))?;
        if total > MAX { Err(error()) } else { Ok(Self(total)) }
    }

    /// The number of hundredths: of an amount, the cents.
    pub fn hundredths(self) -> u64 {
        self.0
    }
}

impl<const MAX: u64> PartialSchema for Hundredths<MAX> {
    fn schema() -> RefOr<Schema> {
        let largest = u32::try_from(MAX / 100).unwrap_or(u32::MAX);
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .minimum(Some(0))
            .maximum(Some(largest))
            .multiple_of(Some(0.01))
            .into()
    }
}

impl<const MAX: u64> ToSchema for Hundredths<MAX> {}

/// A sum of amounts, which may exceed the limit of a single amount.
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

fn write_decimal(hundredths: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, "{}.{:02}", hundredths / 100, hundredths % 100)
}

impl<const MAX: u64> fmt::Display for Hundredths<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(self.0, f)
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_decimal(self.0, f)
    }
}

impl<'de, const MAX: u64> Deserialize<'de> for Hundredths<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::parse(raw.get()).map_err(D::Error::custom)
    }
}

impl<const MAX: u64> Serialize for Hundredths<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(S::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_within_the_limits_are_parsed_and_others_rejected() {
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
    fn tax_rates_have_a_limit_of_their_own() {
        assert_eq!(TaxRate::parse("100").unwrap().to_string(), "100.00");
        let message = TaxRate::parse("100.01").unwrap_err();
        assert_eq!(message, "100.01 must be a number from 0 to 100 with at most two decimals");
    }

    proptest! {
        #[test]
        fn amounts_up_to_the_limit_survive_a_round_trip(cents in 0..=99_999_900_u64) {
            let json = serde_json::to_string(&Hundredths::<99_999_900>(cents)).unwrap();
            prop_assert_eq!(serde_json::from_str::<Cents>(&json).unwrap(), Hundredths(cents));
        }

        #[test]
        fn amounts_beyond_the_limit_are_rejected(cents in 99_999_901_u64..) {
            let text = format!("{}.{:02}", cents / 100, cents % 100);
            prop_assert!(Cents::parse(&text).is_err(), "{text}");
        }

        #[test]
        fn no_text_panics(text in "\\PC*") {
            let _ = Cents::parse(&text);
        }
    }
}
