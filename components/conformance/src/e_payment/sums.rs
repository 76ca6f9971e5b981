// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! grosAmount is the sum of what the items cost with their taxes, to the cent.

use serde_json::Value;

use super::expect::{AMOUNT, REQUEST, SUM, both_sides, cents, rule};
use super::payment::{Sample, euros};
use super::session::Session;
use crate::Report;

pub async fn judge(session: &Session, report: &mut Report) {
    let of = |items: Vec<Value>| session.payment_of(items);
    let right = |request: Value| Sample { told: format!("the sum is {}", request["grosAmount"]), request };
    let off = |request: Value, by: i64| {
        let sum = cents(&request["grosAmount"]).unwrap_or_default() + by;
        Sample::new(request, "/grosAmount", euros(u32::try_from(sum).unwrap_or_default()))
    };

    // 0.1 + 0.2 and 99 times 0.07 are not what binary fractions make of them.
    let tenths = || of(vec![session.item(10, 0, 0), session.item(20, 0, 0)]);
    let taxed =
        || of(vec![session.item(33_33, 6_33, 19), session.item(33_33, 2_33, 7), session.item(1, 0, 0)]);
    let many = || of(vec![session.item(7, 0, 0); 99]);
    let largest = of([vec![session.item(1_010_100, 0, 0); 98], vec![session.item(1_010_100, 0, 0)]].concat());
    let exact = vec![right(tenths()), right(taxed()), right(many()), right(largest)];
    report.judge(EQUAL, both_sides(session, exact, vec![], SUM)).await;

    let one = || of(vec![session.item(28_80, 0, 0)]);
    let cent_off =
        [1, -1].into_iter().flat_map(|by| [one(), tenths(), taxed(), many()].map(|request| off(request, by)));
    report.judge(CENT, both_sides(session, vec![], cent_off.collect(), SUM)).await;

    let untaxed = vec![off(taxed(), -8_66)];
    report.judge(TAX, both_sides(session, vec![], untaxed, SUM)).await;

    let beyond = Sample::new(of(vec![session.item(99_999_900, 0, 0); 2]), "/grosAmount", euros(99_999_900));
    report.judge(BEYOND, both_sides(session, vec![], vec![beyond], AMOUNT)).await;
}

const EQUAL: crate::Rule =
    rule("sums.exact", "A sum that is right to the cent is accepted, however many items there are.", REQUEST);
const CENT: crate::Rule =
    rule("sums.one-cent-off", "A sum that is one cent off is refused with CALCULATION_ERROR.", REQUEST);
const TAX: crate::Rule =
    rule("sums.tax-counts", "A sum without the taxes is refused with CALCULATION_ERROR.", REQUEST);
const BEYOND: crate::Rule =
    rule("sums.beyond", "Items of more than grosAmount may be are refused, not cut off.", REQUEST);
