// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! How a settlement is written. Pure.

use std::borrow::Cow;
use std::io;

use serde::Serialize;

use super::{Payment, Settlement, Total};
use crate::booking_data::BookingData;

const COLUMNS: [&str; 18] = [
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

/// A line of the CSV file; what does not belong to its record is empty.
#[derive(Default)]
struct Line<'a> {
    record: &'a str,
    payment: Option<&'a Payment>,
    end_point: &'a str,
    amount: &'a str,
    payments: String,
    /// Id, reference, net amount, tax amount, booking data.
    item: [String; 5],
}

/// Comma-separated values (RFC 4180), separated by semicolons and with decimal commas. A line for each
/// item, then one for each end point, then one for the day.
pub fn csv(settlement: &Settlement) -> io::Result<Vec<u8>> {
    let mut writer =
        csv::WriterBuilder::new().delimiter(b';').terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    writer.write_record(COLUMNS)?;
    let day = settlement.day.to_string();
    let mut write = |line: Line| {
        let payment = |field: fn(&Payment) -> &str| line.payment.map_or("", field);
        let fields = [
            line.record,
            &settlement.town.ars,
            &day,
            payment(|payment| &payment.receipt_number),
            payment(|payment| &payment.transaction_id),
            line.end_point,
            payment(|payment| &payment.originator_id),
            payment(|payment| &payment.request_id),
            payment(|payment| &payment.paid_at),
            payment(|payment| payment.method.as_deref().unwrap_or_default()),
            payment(|payment| payment.booked_on.as_deref().unwrap_or_default()),
            &line.amount.replace('.', ","),
            &line.payments,
        ];
        let fields = fields.into_iter().chain(line.item.iter().map(String::as_str));
        writer.write_record(fields.map(|field| harmless(field).into_owned()))
    };
    for payment in &settlement.payments {
        for item in &payment.items {
            write(Line {
                record: "ITEM",
                payment: Some(payment),
                end_point: &payment.end_point_id,
                amount: &payment.amount,
                item: [
                    item.id.clone(),
                    item.reference.clone(),
                    item.total_net_amount.to_string().replace('.', ","),
                    item.total_tax_amount.to_string().replace('.', ","),
                    pairs(&item.booking_data),
                ],
                ..Line::default()
            })?;
        }
    }
    for (end_point, of_it) in &settlement.end_points {
        write(total("SUBTOTAL", end_point, of_it))?;
    }
    write(total("TOTAL", "", &settlement.total))?;
    writer.into_inner().map_err(|error| error.into_error())
}

fn total<'a>(record: &'a str, end_point: &'a str, Total { payments, amount }: &'a Total) -> Line<'a> {
    Line { record, end_point, amount, payments: payments.to_string(), ..Line::default() }
}

/// A field that no spreadsheet takes for a formula: online services choose some of them, and what
/// begins like a formula gets an apostrophe in front (OWASP, CSV injection).
fn harmless(field: &str) -> Cow<'_, str> {
    if field.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        Cow::Owned(format!("'{field}"))
    } else {
        Cow::Borrowed(field)
    }
}

/// `key=value|key=value`, by key; a backslash in front of what is `=`, `|` or a backslash itself.
fn pairs(data: &BookingData) -> String {
    let escaped = |text: &str| text.replace('\\', r"\\").replace('=', r"\=").replace('|', r"\|");
    let pairs: Vec<String> =
        data.iter().map(|(key, value)| format!("{}={}", escaped(key), escaped(value))).collect();
    pairs.join("|")
}

#[derive(Serialize)]
#[serde(tag = "record", rename_all = "UPPERCASE", rename_all_fields = "camelCase")]
enum Record<'a> {
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
        items: Vec<Position<'a>>,
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
struct Position<'a> {
    id: &'a str,
    reference: &'a str,
    net_amount: String,
    tax_amount: String,
    booking_data: &'a BookingData,
}

#[derive(Serialize)]
struct Object<'a> {
    ars: &'a str,
    day: String,
    #[serde(flatten)]
    record: Record<'a>,
}

/// One JSON object a line: the payments, the end points, the day. Amounts are strings, so that no
/// program reads them as floating-point numbers.
pub fn json_lines(settlement: &Settlement) -> io::Result<Vec<u8>> {
    let payments = settlement.payments.iter().map(|payment| Record::Payment {
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
            .map(|item| Position {
                id: &item.id,
                reference: &item.reference,
                net_amount: item.total_net_amount.to_string(),
                tax_amount: item.total_tax_amount.to_string(),
                booking_data: &item.booking_data,
            })
            .collect(),
    });
    let end_points = settlement.end_points.iter().map(|(end_point_id, total)| Record::Subtotal {
        end_point_id,
        payments: total.payments,
        amount: &total.amount,
    });
    let Total { payments: number, amount } = &settlement.total;
    let day = Record::Total { payments: *number, amount };
    let mut lines = Vec::new();
    for record in payments.chain(end_points).chain([day]) {
        let object = Object { ars: &settlement.town.ars, day: settlement.day.to_string(), record };
        serde_json::to_writer(&mut lines, &object)?;
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

    fn written(write: fn(&Settlement) -> io::Result<Vec<u8>>) -> String {
        let town = Municipality {
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
            town: &town,
            day: date(2026, 11, 24),
            payments: vec![payment("PA-1", "-2;3", "28.80", items)],
            end_points: vec![("055540004004".to_owned(), total.clone())],
            total,
        };
        String::from_utf8(write(&settlement).unwrap()).unwrap()
    }

    #[test]
    fn csv_has_a_line_for_each_item_and_the_totals_and_no_formula() {
        let expected = [
            "record;ars;day;receiptNumber;transactionId;endPointId;originatorId;requestId;payedAt;paymentMethod;bookedOn;amount;payments;itemId;itemReference;itemNetAmount;itemTaxAmount;itemBookingData",
            "ITEM;055540004004;2026-11-24;PA-1;00ff;055540004004;parkausweis;\"'-2;3\";2026-11-24T10:00:00.123Z;PAYPAL;;28,80;;1;99108;20,00;3,80;hhst=1.1100|kst=47\\|11",
            "ITEM;055540004004;2026-11-24;PA-1;00ff;055540004004;parkausweis;\"'-2;3\";2026-11-24T10:00:00.123Z;PAYPAL;;28,80;;'=1+1;99108;5,00;0,00;",
            "SUBTOTAL;055540004004;2026-11-24;;;055540004004;;;;;;28,80;1;;;;;",
            "TOTAL;055540004004;2026-11-24;;;;;;;;;28,80;1;;;;;",
            "",
        ];
        assert_eq!(written(csv), expected.join("\r\n"));
    }

    #[test]
    fn json_lines_have_a_line_for_each_payment_and_the_totals() {
        let expected = [
            r#"{"ars":"055540004004","day":"2026-11-24","record":"PAYMENT","receiptNumber":"PA-1","transactionId":"00ff","endPointId":"055540004004","originatorId":"parkausweis","requestId":"-2;3","payedAt":"2026-11-24T10:00:00.123Z","paymentMethod":"PAYPAL","bookedOn":null,"amount":"28.80","items":[{"id":"1","reference":"99108","netAmount":"20.00","taxAmount":"3.80","bookingData":{"hhst":"1.1100","kst":"47|11"}},{"id":"=1+1","reference":"99108","netAmount":"5.00","taxAmount":"0.00","bookingData":{}}]}"#,
            r#"{"ars":"055540004004","day":"2026-11-24","record":"SUBTOTAL","endPointId":"055540004004","payments":1,"amount":"28.80"}"#,
            r#"{"ars":"055540004004","day":"2026-11-24","record":"TOTAL","payments":1,"amount":"28.80"}"#,
            "",
        ];
        assert_eq!(written(json_lines), expected.join("\n"));
    }
}
