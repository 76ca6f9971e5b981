// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! How a confirmation is read. Pure.

use std::io::Read;

use csv::ByteRecord;
use jiff::civil::Date;

use super::Error;
use crate::money::Cents;

/// Thirty thousand lines: more than a small town has in a year.
const LARGEST_FILE: usize = 1024 * 1024;
/// Longer than any receipt number.
const LONGEST_FIELD: usize = 64;
const BOM: &[u8] = "\u{feff}".as_bytes();
const COLUMNS: [&str; 3] = ["receiptNumber", "amount", "bookedOn"];

/// A well-formed line: what the treasury booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Kassenzeichen.
    pub receipt_number: String,
    /// How much.
    pub amount: Cents,
    /// On which day.
    pub booked_on: Date,
}

/// A line's number in the file, and the line, well formed or with what is wrong with it.
pub type Numbered = (u64, Result<Line, String>);

/// The lines of a file. Separated by semicolons or commas, as the header is; other columns, in whatever
/// encoding, are ignored.
///
/// # Errors
/// The file is too large or has no header that names the columns.
pub fn read(reader: impl Read) -> Result<Vec<Numbered>, Error> {
    let mut bytes = Vec::new();
    reader.take(LARGEST_FILE as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > LARGEST_FILE {
        let told = format!("the file has more than {LARGEST_FILE} bytes; import it in parts");
        return Err(Error::NotAConfirmation(told));
    }
    let bytes = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    let header = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let delimiter = if header.contains(&b';') { b';' } else { b',' };
    let mut reader =
        csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(bytes);
    let mut records = reader.byte_records();
    let header = records.next().transpose().map_err(std::io::Error::from)?.unwrap_or_default();
    let columns = columns(&header)?;
    // The reader's own count stands still at the end of a line and misses empty ones.
    let (mut counted, mut number) = (0, 1);
    let lines = records.map(|record| {
        let record = record.map_err(std::io::Error::from)?;
        let start =
            record.position().and_then(|position| usize::try_from(position.byte()).ok()).unwrap_or(counted);
        let ends = bytes[start..].iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        number += bytes[counted..start + ends].iter().filter(|byte| **byte == b'\n').count();
        counted = start + ends;
        Ok((number as u64, line(&record, header.len(), columns)))
    });
    lines.collect()
}

/// Where the columns are.
fn columns(header: &ByteRecord) -> Result<[usize; 3], Error> {
    let find = |name: &str| {
        header.iter().position(|field| field.trim_ascii() == name.as_bytes()).ok_or_else(|| {
            let names = COLUMNS.join(";");
            Error::NotAConfirmation(format!("the first line has no column {name}; it must name {names}"))
        })
    };
    let [number, amount, day] = COLUMNS.map(find);
    Ok([number?, amount?, day?])
}

fn line(record: &ByteRecord, columns: usize, [number, amount, day]: [usize; 3]) -> Result<Line, String> {
    if record.len() != columns {
        let told = "an amount with a comma needs quotes where commas separate";
        return Err(format!("it has {} fields, and the first line {columns}; {told}", record.len()));
    }
    let field = |column: usize, name: &str| {
        let field = record.get(column).unwrap_or_default().trim_ascii();
        let visible = field.len() <= LONGEST_FIELD && field.iter().all(u8::is_ascii_graphic);
        let text = std::str::from_utf8(field).ok().filter(|text| visible && !text.is_empty());
        text.ok_or_else(|| format!("{name} must be 1 to {LONGEST_FIELD} visible ASCII characters"))
    };
    let [number, amount, day] =
        [(number, 0), (amount, 1), (day, 2)].map(|(at, name)| field(at, COLUMNS[name]));
    let (amount, day) = (amount?, day?);
    Ok(Line {
        receipt_number: number?.to_owned(),
        amount: Cents::parse(&amount.replacen(',', ".", 1)).map_err(|_| {
            format!("amount {amount:?} must be euros with at most two decimals, such as 28,80 or 28.80")
        })?,
        booked_on: date(day)
            .ok_or_else(|| format!("bookedOn {day:?} must be a day such as 2026-11-24 or 24.11.2026"))?,
    })
}

/// ISO 8601, and what a German spreadsheet makes of it.
fn date(text: &str) -> Option<Date> {
    let day = ["%Y-%m-%d", "%d.%m.%Y"].iter().find_map(|format| Date::strptime(format, text).ok())?;
    (text.len() == 10).then_some(day)
}

#[cfg(test)]
mod tests {
    use jiff::civil;
    use proptest::prelude::*;

    use super::*;

    fn lines(text: &[u8]) -> Vec<Numbered> {
        read(text).unwrap()
    }

    fn good(line: u64, number: &str, amount: &str) -> Numbered {
        let amount = Cents::parse(amount).unwrap();
        (line, Ok(Line { receipt_number: number.to_owned(), amount, booked_on: civil::date(2026, 11, 24) }))
    }

    #[test]
    fn files_of_german_and_other_programs_are_read() {
        let expected = [good(2, "PA-1", "28.80"), good(3, "PA-2", "0.01")];
        for text in [
            "receiptNumber;amount;bookedOn\nPA-1;28,80;2026-11-24\nPA-2;0.01;24.11.2026\n",
            "receiptNumber,amount,bookedOn\r\nPA-1,28.8,2026-11-24\r\nPA-2,\"0,01\",2026-11-24",
            "\u{feff}bookedOn;receiptNumber;name;amount\n2026-11-24;PA-1;Müller;28,80\n24.11.2026; PA-2 ;;0,01\n",
        ] {
            assert_eq!(lines(text.as_bytes()), expected, "{text}");
        }
        let other_encoding = b"name;receiptNumber;amount;bookedOn\nM\xfcller;PA-1;28,80;2026-11-24\n";
        assert_eq!(lines(other_encoding), [good(2, "PA-1", "28.80")]);
    }

    #[test]
    fn wrong_lines_are_told_and_hold_no_other_up() {
        for (line, told) in [
            ("PA-1;28,80", "it has 2 fields"),
            ("PA-1;28,80;2026-11-24;x", "it has 4 fields"),
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
            let read = lines(text.as_bytes());
            assert!(read[0].1.as_ref().unwrap_err().starts_with(told), "{line}: {:?}", read[0]);
            assert_eq!((read[0].0, &read[1]), (2, &good(3, "PA-2", "1")), "{line}");
        }
    }

    #[test]
    fn what_is_no_confirmation_is_refused_as_a_whole() {
        let told = |bytes: &[u8]| read(bytes).unwrap_err().to_string();
        assert_eq!(
            told(b"receiptNumber;amount\nPA-1;1\n"),
            "the first line has no column bookedOn; it must name receiptNumber;amount;bookedOn"
        );
        assert!(told(b"").contains("no column receiptNumber"));
        assert!(told(&vec![b'x'; LARGEST_FILE + 1]).contains("more than 1048576 bytes"));
    }

    proptest! {
        #[test]
        fn no_file_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes[..]);
            let _ = read(&[b"receiptNumber;amount;bookedOn\n", &bytes[..]].concat()[..]);
        }
    }
}
