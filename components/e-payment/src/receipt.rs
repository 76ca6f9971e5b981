// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Receipt numbers (Kassenzeichen): how they are written, and how the next one is taken.

use rathaus_contract::{CheckDigit, Receipts};
use sqlx::{PgConnection, PgExecutor};

/// Numbers at the end of a range that are kept for payments under way: new ones are refused before.
const RESERVE: i64 = 10_000;

/// The largest running number that fits into the numbers' length.
pub fn capacity(receipts: &Receipts) -> i64 {
    let digits = u32::try_from(digits(receipts)).unwrap_or(u32::MAX);
    10_i64.checked_pow(digits).unwrap_or(i64::MAX) - 1
}

/// The receipt number with a running number. Beyond [`capacity`] it is longer than it should be, and
/// still like no other.
pub fn format(receipts: &Receipts, running: i64) -> String {
    let body = format!("{}{running:0digits$}", receipts.prefix, digits = digits(receipts));
    match receipts.check_digit {
        CheckDigit::None => body,
        CheckDigit::Luhn => format!("{body}{}", luhn(&body)),
    }
}

/// Places of the running number.
fn digits(receipts: &Receipts) -> usize {
    let check = match receipts.check_digit {
        CheckDigit::None => 0,
        CheckDigit::Luhn => 1,
    };
    usize::from(receipts.length).saturating_sub(receipts.prefix.len() + check)
}

/// Luhn (ISO/IEC 7812-1 annex B) over the digits, a letter standing for two of them, 10 to 35, as in
/// an ISIN (ISO 6166); hyphens do not count.
fn luhn(body: &str) -> u32 {
    let digits: Vec<u32> = body
        .chars()
        .filter_map(|character| character.to_digit(36))
        .flat_map(|value| if value < 10 { vec![value] } else { vec![value / 10, value % 10] })
        .collect();
    // The check digit comes to stand behind: the last digit here is the first to be doubled.
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(place, &digit)| if place % 2 == 0 { digit * 2 / 10 + digit * 2 % 10 } else { digit })
        .sum();
    (10 - sum % 10) % 10
}

/// Takes the next number of an end point's range within the caller's transaction. Others wait for its
/// end, and a number that is rolled back is taken by the next: there are no gaps.
///
/// A payment is never refused for want of a number: beyond the range, numbers grow by a place and an
/// error is logged. New payments are kept away before, see [`last_for_new`].
///
/// # Errors
/// The database does not answer.
pub async fn take_number(
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
        let number = format(receipts, running);
        if running > capacity(receipts) {
            tracing::error!(
                end_point,
                number,
                "the range of receipt numbers is used up; configure another prefix"
            );
        }
        // Prefix, length and check digit may have been others before, and made the same characters.
        let given = "SELECT EXISTS (SELECT FROM transactions WHERE receipt_number = $1)";
        if !sqlx::query_scalar::<_, bool>(given).bind(&number).fetch_one(&mut *connection).await? {
            return Ok(number);
        }
    }
}

/// The running number after which an end point's range takes no new payments.
pub fn last_for_new(receipts: &Receipts) -> i64 {
    capacity(receipts) - RESERVE
}

/// Whether an end point's range takes no new payments any more.
///
/// # Errors
/// The database does not answer.
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
        .bind(last_for_new(receipts))
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
    fn numbers_are_prefix_zeros_running_number_and_check_digit() {
        assert_eq!(format(&receipts("PA-", 10, CheckDigit::None), 42), "PA-0000042");
        assert_eq!(format(&receipts("PA-", 10, CheckDigit::Luhn), 42), "PA-0000428");
        assert_eq!(format(&receipts("", 4, CheckDigit::None), 9999), "9999");
    }

    #[test]
    fn the_check_digit_is_that_of_card_numbers_and_isins() {
        assert_eq!(luhn("7992739871"), 3);
        assert_eq!(luhn("US037833100"), 5);
        assert_eq!(luhn("DE000BAY001"), 7);
        assert_eq!(luhn("US-0378-33100"), 5, "hyphens do not count");
    }

    #[test]
    fn a_range_ends_where_its_digits_do_and_grows_rather_than_repeat() {
        let short = receipts("A", 3, CheckDigit::Luhn);
        assert_eq!(
            (capacity(&short), format(&short, 9), format(&short, 10)),
            (9, "A99".into(), "A108".into())
        );
        assert_eq!(capacity(&receipts("ABC", 3, CheckDigit::Luhn)), 0);
        assert_eq!(capacity(&receipts("", u8::MAX, CheckDigit::None)), i64::MAX - 1);
    }

    prop_compose! {
        fn any_receipts()(prefix in "[A-Z0-9-]{0,12}", digits in 1_u8..=18, luhn: bool) -> Receipts {
            let length = u8::try_from(prefix.len()).unwrap() + digits + u8::from(luhn);
            receipts(&prefix, length, if luhn { CheckDigit::Luhn } else { CheckDigit::None })
        }
    }

    proptest! {
        #[test]
        fn within_the_range_every_number_has_the_length(receipts in any_receipts(), share in 0.0..1.0) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "any number will do")]
            let running = ((capacity(&receipts) as f64 * share) as i64).min(capacity(&receipts));
            prop_assert_eq!(format(&receipts, running).len(), usize::from(receipts.length));
        }

        #[test]
        fn different_numbers_are_written_differently(receipts in any_receipts(), one in 0_i64.., other in 0_i64..) {
            prop_assume!(one != other);
            prop_assert_ne!(format(&receipts, one), format(&receipts, other));
        }

        #[test]
        fn a_single_wrong_digit_is_detected(
            prefix in "[A-Z0-9-]{0,12}", running in 0_i64..1_000_000, place in 0_usize..7, by in 1_u8..10,
        ) {
            let receipts = receipts(&prefix, u8::try_from(prefix.len() + 7).unwrap(), CheckDigit::Luhn);
            let number = format(&receipts, running);
            let mut wrong = number.into_bytes();
            let at = prefix.len() + place;
            wrong[at] = b'0' + (wrong[at] - b'0' + by) % 10;
            let wrong = String::from_utf8(wrong).unwrap();
            let (body, check) = wrong.split_at(wrong.len() - 1);
            prop_assert_ne!(luhn(body).to_string(), check);
        }
    }
}
