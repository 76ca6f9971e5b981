// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Rules on grosAmount, which must be the sum of the items with their taxes, exact to the cent.

use serde_json::Value;

use super::expect::{AMOUNT_CODES, REQUEST, SUM_CODES, check_samples, parse_cents, rule};
use super::payment::{Sample, euros};
use super::session::Session;
use crate::Report;

pub async fn check(session: &Session, report: &mut Report) {
    let payment = |items: Vec<Value>| session.payment_with_items(items);
    let valid = |request: Value| Sample { label: format!("the sum is {}", request["grosAmount"]), request };
    let with_sum_off_by = |request: Value, by: i64| {
        let sum = parse_cents(&request["grosAmount"]).unwrap_or_default() + by;
        Sample::new(request, "/grosAmount", euros(u32::try_from(sum).unwrap_or_default()))
    };

    // Sums such as 0.1 + 0.2 and 99 times 0.07 are not exact in binary floating point.
    let tenths = || payment(vec![session.item(10, 0, 0), session.item(20, 0, 0)]);
    let taxed =
        || payment(vec![session.item(33_33, 6_33, 19), session.item(33_33, 2_33, 7), session.item(1, 0, 0)]);
    let many = || payment(vec![session.item(7, 0, 0); 99]);
    let largest =
        payment([vec![session.item(1_010_100, 0, 0); 98], vec![session.item(1_010_100, 0, 0)]].concat());
    let exact = vec![valid(tenths()), valid(taxed()), valid(many()), valid(largest)];
    report.check(EXACT_SUM, check_samples(session, exact, vec![], SUM_CODES)).await;

    let single = || payment(vec![session.item(28_80, 0, 0)]);
    let cent_off = [1, -1]
        .into_iter()
        .flat_map(|by| [single(), tenths(), taxed(), many()].map(|request| with_sum_off_by(request, by)));
    report.check(ONE_CENT_OFF, check_samples(session, vec![], cent_off.collect(), SUM_CODES)).await;

    let untaxed = vec![with_sum_off_by(taxed(), -8_66)];
    report.check(TAX_COUNTS, check_samples(session, vec![], untaxed, SUM_CODES)).await;

    let too_large =
        Sample::new(payment(vec![session.item(99_999_900, 0, 0); 2]), "/grosAmount", euros(99_999_900));
    report.check(SUM_TOO_LARGE, check_samples(session, vec![], vec![too_large], AMOUNT_CODES)).await;
}

const EXACT_SUM: crate::Rule =
    rule("sums.exact", "A sum that is exact to the cent is accepted, for any number of items.", REQUEST);
const ONE_CENT_OFF: crate::Rule =
    rule("sums.one-cent-off", "A sum that is one cent off is refused with CALCULATION_ERROR.", REQUEST);
const TAX_COUNTS: crate::Rule =
    rule("sums.tax-counts", "A sum without the taxes is refused with CALCULATION_ERROR.", REQUEST);
const SUM_TOO_LARGE: crate::Rule =
    rule("sums.beyond", "Items whose sum exceeds the maximum grosAmount are refused.", REQUEST);
