// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Parses the CSV file of a confirmation.

use std::io::Read;

use csv::ByteRecord;
use jiff::civil::Date;

use super::Error;
use crate::money::Cents;

/// The largest file that is imported. It has about thirty thousand lines, more than the payments of a small
/// municipality in a year.
const MAX_FILE_BYTES: usize = 1024 * 1024;
/// The limit of each field in characters. No receipt number is that long.
const MAX_FIELD_LENGTH: usize = 64;
const BOM: &[u8] = "\u{feff}".as_bytes();
const COLUMN_NAMES: [&str; 3] = ["receiptNumber", "amount", "bookedOn"];

/// A well-formed line: a payment that the treasury booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The receipt number (Kassenzeichen) of the payment.
    pub receipt_number: String,
    /// The amount that the treasury booked.
    pub amount: Cents,
    /// The day on which the treasury booked it.
    pub booked_on: Date,
}

/// The number of a line in the file, and the parsed line or the reason why it is malformed.
pub type NumberedLine = (u64, Result<Line, String>);

/// Parses the lines of a file. The separator is a semicolon if the header has one, otherwise a comma. Other
/// columns are ignored and may have any encoding.
///
/// # Errors
/// Fails if the file cannot be read, is larger than [`MAX_FILE_BYTES`], or has no header with the names of
/// the columns. Malformed lines are part of the result.
pub fn parse_file(reader: impl Read) -> Result<Vec<NumberedLine>, Error> {
    let mut bytes = Vec::new();
    reader.take(MAX_FILE_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("the file has more than {MAX_FILE_BYTES} bytes; import it in parts");
        return Err(Error::NotAConfirmation(message));
    }
    let bytes = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if header.contains(&b';') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(bytes);
    let mut records = reader.byte_records();
    let header = records.next().transpose().map_err(std::io::Error::from)?.unwrap_or_default();
    let columns = find_columns(&header)?;
    // Lines are counted here because the reader's line number does not count empty lines.
    let (mut counted, mut number) = (0, 1);
    let lines = records.map(|record| {
        let record = record.map_err(std::io::Error::from)?;
        let start =
            record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(counted);
        let line_breaks = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        number += bytes[counted..start + line_breaks].iter().filter(|byte| **byte == b'\n').count();
        counted = start + line_breaks;
        Ok((number as u64, parse_line(&record, header.len(), columns)))
    });
    lines.collect()
}

/// The indexes of the columns, in the order of [`COLUMN_NAMES`].
fn find_columns(header: &ByteRecord) -> Result<[usize; 3], Error> {
    let find = |name: &str| {
        header.iter().position(|field| field.trim_ascii() == name.as_bytes()).ok_or_else(|| {
            let names = COLUMN_NAMES.join(";");
            Error::NotAConfirmation(format!("the first line has no column {name}; it must name {names}"))
        })
    };
    let [number, amount, day] = COLUMN_NAMES.map(find);
    Ok([number?, amount?, day?])
}

fn parse_line(
    record: &ByteRecord,
    columns: usize,
    [number, amount, day]: [usize; 3],
) -> Result<Line, String> {
    if record.len() != columns {
        let hint = "if commas separate the fields, an amount with a comma needs quotes";
        return Err(format!(
            "the line has {} fields, but the first line has {columns}; {hint}",
            record.len()
        ));
    }
    let field = |column: usize, name: &str| {
        let field = record.get(column).unwrap_or_default().trim_ascii();
        let is_valid = field.len() <= MAX_FIELD_LENGTH && field.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(field).ok().filter(|text| is_valid && !text.is_empty());
        text.ok_or_else(|| format!("{name} must be 1 to {MAX_FIELD_LENGTH} visible ASCII characters"))
    };
    let [number, amount, day] =
        [(number, 0), (amount, 1), (day, 2)].map(|(column, name)| field(column, COLUMN_NAMES[name]));
    let (amount, day) = (amount?, day?);
    Ok(Line {
        receipt_number: number?.to_owned(),
        amount: Cents::parse(&amount.replacen(',', ".", 1)).map_err(|_| {
            format!("amount {amount:?} must be euros with at most two decimals, such as 28,80 or 28.80")
        })?,
        booked_on: parse_date(day)
            .ok_or_else(|| format!("bookedOn {day:?} must be a day such as 2026-11-24 or 24.11.2026"))?,
    })
}

/// Parses a date in ISO 8601 (`2026-11-24`) or in the format of German spreadsheets (`24.11.2026`).
fn parse_date(text: &str) -> Option<Date> {
    let day = ["%Y-%m-%d", "%d.%m.%Y"].iter().find_map(|format| Date::strptime(format, text).ok())?;
    (text.len() == 10).then_some(day)
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &[u8]) -> Vec<NumberedLine> {
        parse_file(text).unwrap()
    }

    fn valid_line(line: u64, number: &str, amount: &str) -> NumberedLine {
        let amount = Cents::parse(amount).unwrap();
        (line, Ok(Line { receipt_number: number.to_owned(), amount, booked_on: civil::date(2026, 11, 24) }))
    }

    #[test]
    fn separators_and_decimal_marks_of_german_and_other_programs_are_parsed() {
        let expected = [valid_line(2, "PA-1", "28.80"), valid_line(3, "PA-2", "0.01")];
        for text in [
            "receiptNumber;amount;bookedOn\nPA-1;28,80;2026-11-24\nPA-2;0.01;24.11.2026\n",
            "receiptNumber,amount,bookedOn\r\nPA-1,28.8,2026-11-24\r\nPA-2,\"0,01\",2026-11-24",
            "\u{feff}bookedOn;receiptNumber;name;amount\n2026-11-24;PA-1;Müller;28,80\n24.11.2026; PA-2 ;;0,01\n",
        ] {
            assert_eq!(lines(text.as_bytes()), expected, "{text}");
        }
        let other_encoding = b"name;receiptNumber;amount;bookedOn\nM\xfcller;PA-1;28,80;2026-11-24\n";
        assert_eq!(lines(other_encoding), [valid_line(2, "PA-1", "28.80")]);
    }

    #[test]
    fn malformed_lines_have_a_reason_and_do_not_stop_others() {
        for (line, reason) in [
            ("PA-1;28,80", "the line has 2 fields"),
            ("PA-1;28,80;2026-11-24;x", "the line has 4 fields"),
            (";28,80;2026-11-24", "receiptNumber must be 1 to 64 visible"),
            ("PA\0;28,80;2026-11-24", "receiptNumber must be"),
            ("P\u{c4};28,80;2026-11-24", "receiptNumber must be"),
            ("PA-1;-28,80;2026-11-24", "amount \"-28,80\" must be"),
            ("PA-1;1.028,80;2026-11-24", "amount \"1.028,80\" must be"),
            ("PA-1;28,805;2026-11-24", "amount"),
            ("PA-1;28,80;2026-02-30", "bookedOn \"2026-02-30\" must be a day"),
            ("PA-1;28,80;24.11.26", "bookedOn"),
            ("PA-1;28,80;2026-11-24T00:00", "bookedOn"),
        ] {
            let text = format!("receiptNumber;amount;bookedOn\n{line}\nPA-2;1;2026-11-24\n");
            let parsed = lines(text.as_bytes());
            assert!(parsed[0].1.as_ref().unwrap_err().starts_with(reason), "{line}: {:?}", parsed[0]);
            assert_eq!((parsed[0].0, &parsed[1]), (2, &valid_line(3, "PA-2", "1")), "{line}");
        }
    }

    #[test]
    fn files_that_are_no_confirmation_are_refused_as_a_whole() {
        let error = |bytes: &[u8]| parse_file(bytes).unwrap_err().to_string();
        assert_eq!(
            error(b"receiptNumber;amount\nPA-1;1\n"),
            "the first line has no column bookedOn; it must name receiptNumber;amount;bookedOn"
        );
        assert!(error(b"").contains("no column receiptNumber"));
        assert!(error(&vec![b'x'; MAX_FILE_BYTES + 1]).contains("more than 1048576 bytes"));
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse_file(&bytes[..]);
            let _ = parse_file(&[b"receiptNumber;amount;bookedOn\n", &bytes[..]].concat()[..]);
        }
    }
}
