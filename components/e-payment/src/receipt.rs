// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Receipt numbers (Kassenzeichen): their format, and how a payment gets the next one of a range. A number
//! consists of a prefix, a running number with leading zeros and an optional check digit.

use rathaus_contract::{CheckDigit, Receipts};
use sqlx::{PgConnection, PgExecutor};

/// How many numbers at the end of a range are reserved for payments that were created before. New payments
/// are refused when only these are left.
const RESERVED_NUMBERS: i64 = 10_000;

/// The largest running number that fits into the configured length.
pub fn max_running_number(receipts: &Receipts) -> i64 {
    let digits = u32::try_from(running_digits(receipts)).unwrap_or(u32::MAX);
    10_i64.checked_pow(digits).unwrap_or(i64::MAX) - 1
}

/// Formats the receipt number with this running number. Beyond [`max_running_number`] the result is longer
/// than configured, and still unique.
pub fn format_number(receipts: &Receipts, running: i64) -> String {
    let body = format!("{}{running:0digits$}", receipts.prefix, digits = running_digits(receipts));
    match receipts.check_digit {
        CheckDigit::None => body,
        CheckDigit::Luhn => format!("{body}{}", luhn_check_digit(&body)),
    }
}

/// The number of digits of the running number.
fn running_digits(receipts: &Receipts) -> usize {
    let check = match receipts.check_digit {
        CheckDigit::None => 0,
        CheckDigit::Luhn => 1,
    };
    usize::from(receipts.length).saturating_sub(receipts.prefix.len() + check)
}

/// The check digit of the Luhn algorithm (ISO/IEC 7812-1, annex B). As in an ISIN (ISO 6166), a letter
/// stands for two digits, 10 to 35. Hyphens are ignored.
fn luhn_check_digit(body: &str) -> u32 {
    let digits: Vec<u32> = body
        .chars()
        .filter_map(|character| character.to_digit(36))
        .flat_map(|value| if value < 10 { vec![value] } else { vec![value / 10, value % 10] })
        .collect();
    // The check digit will follow these digits, so doubling starts with the last of them.
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

/// Takes the next number of an end point's range within the caller's database transaction. Concurrent
/// callers wait until that transaction ends. If it is rolled back, the next caller gets its number, so the
/// numbers have no gaps.
///
/// A payment that was made always gets a number. Beyond the range, numbers become a digit longer and an
/// error is logged. New payments are refused before that, see [`last_number_for_new_payments`].
///
/// # Errors
/// Fails if the database does not answer.
pub async fn take_next_number(
    connection: &mut PgConnection,
    end_point: &str,
    receipts: &Receipts,
) -> sqlx::Result<String> {
    loop {
        let next = "INSERT INTO receipt_ranges AS range (end_point_id, prefix, last) VALUES ($1, $2, 1) \
                    ON CONFLICT (end_point_id, prefix) DO UPDATE SET last = range.last + 1 RETURNING last";
        let running: i64 = sqlx::query_scalar(next)
            .bind(end_point)
            .bind(&receipts.prefix)
            .fetch_one(&mut *connection)
            .await?;
        let number = format_number(receipts, running);
        if running > max_running_number(receipts) {
            tracing::error!(
                end_point,
                number,
                "the range of receipt numbers is used up; configure another prefix"
            );
        }
        // An earlier configuration of prefix, length and check digit may have produced the same number.
        let is_taken = "SELECT EXISTS (SELECT FROM transactions WHERE receipt_number = $1)";
        if !sqlx::query_scalar::<_, bool>(is_taken).bind(&number).fetch_one(&mut *connection).await? {
            return Ok(number);
        }
    }
}

/// The last running number with which new payments are accepted: [`RESERVED_NUMBERS`] before the end.
pub fn last_number_for_new_payments(receipts: &Receipts) -> i64 {
    max_running_number(receipts) - RESERVED_NUMBERS
}

/// Whether an end point's range has no receipt numbers left for new payments.
///
/// # Errors
/// Fails if the database does not answer.
pub async fn is_used_up(
    executor: impl PgExecutor<'_>,
    end_point: &str,
    receipts: &Receipts,
) -> sqlx::Result<bool> {
    let query =
        "SELECT EXISTS (SELECT FROM receipt_ranges WHERE end_point_id = $1 AND prefix = $2 AND last > $3)";
    sqlx::query_scalar(query)
        .bind(end_point)
        .bind(&receipts.prefix)
        .bind(last_number_for_new_payments(receipts))
        .fetch_one(executor)
        .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn receipts(prefix: &str, length: u8, check_digit: CheckDigit) -> Receipts {
        Receipts { prefix: prefix.to_owned(), length, check_digit }
    }

    #[test]
    fn numbers_consist_of_prefix_running_number_and_check_digit() {
        assert_eq!(format_number(&receipts("PA-", 10, CheckDigit::None), 42), "PA-0000042");
        assert_eq!(format_number(&receipts("PA-", 10, CheckDigit::Luhn), 42), "PA-0000428");
        assert_eq!(format_number(&receipts("", 4, CheckDigit::None), 9999), "9999");
    }

    #[test]
    fn the_check_digit_matches_card_numbers_and_isins() {
        assert_eq!(luhn_check_digit("7992739871"), 3);
        assert_eq!(luhn_check_digit("US037833100"), 5);
        assert_eq!(luhn_check_digit("DE000BAY001"), 7);
        assert_eq!(luhn_check_digit("US-0378-33100"), 5, "hyphens are ignored");
    }

    #[test]
    fn numbers_beyond_the_range_are_longer_instead_of_repeating() {
        let short = receipts("A", 3, CheckDigit::Luhn);
        assert_eq!(
            (max_running_number(&short), format_number(&short, 9), format_number(&short, 10)),
            (9, "A99".into(), "A108".into())
        );
        assert_eq!(max_running_number(&receipts("ABC", 3, CheckDigit::Luhn)), 0);
        assert_eq!(max_running_number(&receipts("", u8::MAX, CheckDigit::None)), i64::MAX - 1);
    }

    prop_compose! {
        fn any_receipts()(prefix in "[A-Z0-9-]{0,12}", digits in 1_u8..=18, luhn: bool) -> Receipts {
            let length = u8::try_from(prefix.len()).unwrap() + digits + u8::from(luhn);
            receipts(&prefix, length, if luhn { CheckDigit::Luhn } else { CheckDigit::None })
        }
    }

    proptest! {
        #[test]
        fn within_the_range_every_number_has_the_configured_length(receipts in any_receipts(), share in 0.0..1.0) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any number will do")]
            let running = ((max_running_number(&receipts) as f64 * share) as i64).min(max_running_number(&receipts));
            prop_assert_eq!(format_number(&receipts, running).len(), usize::from(receipts.length));
        }

        #[test]
        fn different_running_numbers_are_formatted_differently(
            receipts in any_receipts(), left in 0_i64.., right in 0_i64..,
        ) {
            prop_assume!(left != right);
            prop_assert_ne!(format_number(&receipts, left), format_number(&receipts, right));
        }

        #[test]
        fn a_single_wrong_digit_is_detected(
            prefix in "[A-Z0-9-]{0,12}", running in 0_i64..1_000_000, position in 0_usize..7, difference in 1_u8..10,
        ) {
            let receipts = receipts(&prefix, u8::try_from(prefix.len() + 7).unwrap(), CheckDigit::Luhn);
            let number = format_number(&receipts, running);
            let mut altered = number.into_bytes();
            let index = prefix.len() + position;
            altered[index] = b'0' + (altered[index] - b'0' + difference) % 10;
            let altered = String::from_utf8(altered).unwrap();
            let (body, check) = altered.split_at(altered.len() - 1);
            prop_assert_ne!(luhn_check_digit(body).to_string(), check);
        }
    }
}
