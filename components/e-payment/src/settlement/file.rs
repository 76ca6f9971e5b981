// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Formats a settlement as CSV or JSON Lines. This module has no I/O.

use std::borrow::Cow;
use std::io;

use serde::Serialize;

use super::{Payment, Settlement, Total};
use crate::booking_data::BookingData;

const CSV_COLUMNS: [&str; 18] = [
    "record",
    "ars",
    "day",
    "receiptNumber",
    "transactionId",
    "endPointId",
    "originatorId",
    "requestId",
    "payedAt",
    "paymentMethod",
    "bookedOn",
    "amount",
    "payments",
    "itemId",
    "itemReference",
    "itemNetAmount",
    "itemTaxAmount",
    "itemBookingData",
];

/// A line of the CSV file. Fields that do not apply to its kind are empty.
#[derive(Default)]
struct CsvRecord<'a> {
    /// `ITEM`, `SUBTOTAL` or `TOTAL`.
    kind: &'a str,
    payment: Option<&'a Payment>,
    end_point: &'a str,
    amount: &'a str,
    payments: String,
    /// Id, reference, net amount, tax amount, booking data.
    item: [String; 5],
}

/// Formats a settlement as CSV (RFC 4180) with semicolons and decimal commas: a line for each item, then
/// one for each end point, then one for the day.
///
/// # Errors
/// Does not fail in practice, since the file is written to memory.
pub fn to_csv(settlement: &Settlement) -> io::Result<Vec<u8>> {
    let mut writer =
        csv::WriterBuilder::new().delimiter(b';').terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(CSV_COLUMNS)?;
    let day = settlement.day.to_string();
    let mut write = |record: CsvRecord| {
        let payment = |field: fn(&Payment) -> &str| record.payment.map_or("", field);
        let fields = [
            record.kind,
            &settlement.municipality.ars,
            &day,
            payment(|payment| &payment.receipt_number),
            payment(|payment| &payment.transaction_id),
            record.end_point,
            payment(|payment| &payment.originator_id),
            payment(|payment| &payment.request_id),
            payment(|payment| &payment.paid_at),
            payment(|payment| payment.method.as_deref().unwrap_or_default()),
            payment(|payment| payment.booked_on.as_deref().unwrap_or_default()),
            &record.amount.replace('.', ","),
            &record.payments,
        ];
        let fields = fields.into_iter().chain(record.item.iter().map(String::as_str));
        writer.write_record(fields.map(|field| escape_formula(field).into_owned()))
    };
    for payment in &settlement.payments {
        for item in &payment.items {
            write(CsvRecord {
                kind: "ITEM",
                payment: Some(payment),
                end_point: &payment.end_point_id,
                amount: &payment.amount,
                item: [
                    item.id.clone(),
                    item.reference.clone(),
                    item.total_net_amount.to_string().replace('.', ","),
                    item.total_tax_amount.to_string().replace('.', ","),
                    format_booking_data(&item.booking_data),
                ],
                ..CsvRecord::default()
            })?;
        }
    }
    for (end_point, subtotal) in &settlement.end_points {
        write(total_record("SUBTOTAL", end_point, subtotal))?;
    }
    write(total_record("TOTAL", "", &settlement.total))?;
    writer.into_inner().map_err(|error| error.into_error())
}

fn total_record<'a>(
    kind: &'a str,
    end_point: &'a str,
    Total { payments, amount }: &'a Total,
) -> CsvRecord<'a> {
    CsvRecord { kind, end_point, amount, payments: payments.to_string(), ..CsvRecord::default() }
}

/// Puts an apostrophe in front of a field that a spreadsheet would evaluate as a formula (OWASP, CSV
/// injection). Online services choose the content of some fields.
fn escape_formula(field: &str) -> Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{field}"))
    } else {
        Cow::Borrowed(field)
    }
}

/// Formats booking data as `key=value|key=value` in the order of the keys. `=`, `|` and backslashes in keys
/// and values are escaped with a backslash.
fn format_booking_data(data: &BookingData) -> String {
    let escape = |text: &str| text.replace('\\', r"\\").replace('=', r"\=").replace('|', r"\|");
    let pairs: Vec<String> =
        data.iter().map(|(key, value)| format!("{}={}", escape(key), escape(value))).collect();
    pairs.join("|")
}

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
enum JsonRecord<'a> {
    Payment {
        receipt_number: &'a str,
        transaction_id: &'a str,
        end_point_id: &'a str,
        originator_id: &'a str,
        request_id: &'a str,
        payed_at: &'a str,
        payment_method: Option<&'a str>,
        booked_on: Option<&'a str>,
        amount: &'a str,
        items: Vec<ItemObject<'a>>,
    },
    Subtotal {
        end_point_id: &'a str,
        payments: i64,
        amount: &'a str,
    },
    Total {
        payments: i64,
        amount: &'a str,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ItemObject<'a> {
    id: &'a str,
    reference: &'a str,
    net_amount: String,
    tax_amount: String,
    booking_data: &'a BookingData,
}

#[derive(Serialize)]
struct Line<'a> {
    ars: &'a str,
    day: String,
    #[serde(flatten)]
    record: JsonRecord<'a>,
}

/// Formats a settlement as JSON Lines: an object for each payment, then one for each end point, then one
/// for the day. Amounts are strings, so that no program parses them as floating-point numbers.
///
/// # Errors
/// Does not fail in practice, since the file is written to memory.
pub fn to_json_lines(settlement: &Settlement) -> io::Result<Vec<u8>> {
    let payments = settlement.payments.iter().map(|payment| JsonRecord::Payment {
        receipt_number: &payment.receipt_number,
        transaction_id: &payment.transaction_id,
        end_point_id: &payment.end_point_id,
        originator_id: &payment.originator_id,
        request_id: &payment.request_id,
        payed_at: &payment.paid_at,
        payment_method: payment.method.as_deref(),
        booked_on: payment.booked_on.as_deref(),
        amount: &payment.amount,
        items: payment
            .items
            .iter()
            .map(|item| ItemObject {
                id: &item.id,
                reference: &item.reference,
                net_amount: item.total_net_amount.to_string(),
                tax_amount: item.total_tax_amount.to_string(),
                booking_data: &item.booking_data,
            })
            .collect(),
    });
    let end_points = settlement.end_points.iter().map(|(end_point_id, total)| JsonRecord::Subtotal {
        end_point_id,
        payments: total.payments,
        amount: &total.amount,
    });
    let Total { payments: count, amount } = &settlement.total;
    let day = JsonRecord::Total { payments: *count, amount };
    let mut lines = Vec::new();
    for record in payments.chain(end_points).chain([day]) {
        let line = Line { ars: &settlement.municipality.ars, day: settlement.day.to_string(), record };
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use rathaus_contract::Municipality;
    use serde_json::json;

    use super::*;

    fn payment(number: &str, request_id: &str, amount: &str, items: serde_json::Value) -> Payment {
        Payment {
            receipt_number: number.to_owned(),
            transaction_id: "00ff".to_owned(),
            end_point_id: "055540004004".to_owned(),
            originator_id: "parkausweis".to_owned(),
            request_id: request_id.to_owned(),
            amount: amount.to_owned(),
            paid_at: "2026-11-24T10:00:00.123Z".to_owned(),
            method: Some("PAYPAL".to_owned()),
            booked_on: None,
            items: serde_json::from_value(items).unwrap(),
        }
    }

    fn item(id: &str, net: &str, tax: &str, data: serde_json::Value) -> serde_json::Value {
        let number = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        json!({"id": id, "reference": "99108", "description": "Parkausweis", "taxRate": 19, "quantity": 1,
            "totalNetAmount": number(net), "totalTaxAmount": number(tax), "singleNetAmount": number(net),
            "singleTaxAmount": number(tax), "bookingData": data})
    }

    fn render(write: fn(&Settlement) -> io::Result<Vec<u8>>) -> String {
        let municipality = Municipality {
            name: "ahaus".to_owned(),
            display_name: "Stadt Ahaus".to_owned(),
            ars: "055540004004".to_owned(),
        };
        let items = json!([
            item("1", "20", "3.8", json!({"hhst": "1.1100", "kst": "47|11"})),
            item("=1+1", "5", "0", json!({}))
        ]);
        let total = Total { payments: 1, amount: "28.80".to_owned() };
        let settlement = Settlement {
            municipality: &municipality,
            day: date(2026, 11, 24),
            payments: vec![payment("PA-1", "-2;3", "28.80", items)],
            end_points: vec![("055540004004".to_owned(), total.clone())],
            total,
        };
        String::from_utf8(write(&settlement).unwrap()).unwrap()
    }

    #[test]
    fn csv_has_a_line_for_each_item_and_total_and_escapes_formulas() {
        let expected = [
            "record;ars;day;receiptNumber;transactionId;endPointId;originatorId;requestId;payedAt;paymentMethod;bookedOn;amount;payments;itemId;itemReference;itemNetAmount;itemTaxAmount;itemBookingData",
            "ITEM;055540004004;2026-11-24;PA-1;00ff;055540004004;parkausweis;\"'-2;3\";2026-11-24T10:00:00.123Z;PAYPAL;;28,80;;1;99108;20,00;3,80;hhst=1.1100|kst=47\\|11",
            "ITEM;055540004004;2026-11-24;PA-1;00ff;055540004004;parkausweis;\"'-2;3\";2026-11-24T10:00:00.123Z;PAYPAL;;28,80;;'=1+1;99108;5,00;0,00;",
            "SUBTOTAL;055540004004;2026-11-24;;;055540004004;;;;;;28,80;1;;;;;",
            "TOTAL;055540004004;2026-11-24;;;;;;;;;28,80;1;;;;;",
            "",
        ];
        assert_eq!(render(to_csv), expected.join("\r\n"));
    }

    #[test]
    fn json_lines_has_an_object_for_each_payment_and_total() {
        let expected = [
            r#"{"ars":"055540004004","day":"2026-11-24","record":"PAYMENT","receiptNumber":"PA-1","transactionId":"00ff","endPointId":"055540004004","originatorId":"parkausweis","requestId":"-2;3","payedAt":"2026-11-24T10:00:00.123Z","paymentMethod":"PAYPAL","bookedOn":null,"amount":"28.80","items":[{"id":"1","reference":"99108","netAmount":"20.00","taxAmount":"3.80","bookingData":{"hhst":"1.1100","kst":"47|11"}},{"id":"=1+1","reference":"99108","netAmount":"5.00","taxAmount":"0.00","bookingData":{}}]}"#,
            r#"{"ars":"055540004004","day":"2026-11-24","record":"SUBTOTAL","endPointId":"055540004004","payments":1,"amount":"28.80"}"#,
            r#"{"ars":"055540004004","day":"2026-11-24","record":"TOTAL","payments":1,"amount":"28.80"}"#,
            "",
        ];
        assert_eq!(render(to_json_lines), expected.join("\n"));
    }
}
