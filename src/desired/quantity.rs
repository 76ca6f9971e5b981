// SPDX-FileCopyrightText: 2026 The rathaus authors
// SPDX-License-Identifier: EUPL-1.2

//! Kubernetes' quantities in one form, since the API server returns them in another than it was given.

/// Suffixes and what they multiply by, in units of 10⁻⁹.
const SUFFIXES: [(&str, i128); 15] = [
    ("Ki", NANO << 10),
    ("Mi", NANO << 20),
    ("Gi", NANO << 30),
    ("Ti", NANO << 40),
    ("Pi", NANO << 50),
    ("Ei", NANO << 60),
    ("n", 1),
    ("u", 1_000),
    ("m", 1_000_000),
    ("k", NANO * 1_000),
    ("M", NANO * 1_000_000),
    ("G", NANO * 1_000_000_000),
    ("T", NANO * 1_000_000_000_000),
    ("P", NANO * 1_000_000_000_000_000),
    ("E", NANO * 1_000_000_000_000_000_000),
];
const NANO: i128 = 1_000_000_000;
/// The API server rounds up to thousandths.
const MILLI: i128 = 1_000_000;

/// Returns a quantity in thousandths, such as `1500m` for `1.5`; `None` if the text is no quantity.
pub(super) fn normalise(text: &str) -> Option<String> {
    let end_of_number = text.find(|c: char| !c.is_ascii_digit() && !"+-.".contains(c)).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end_of_number);
    let (unit, exponent) = parse_suffix(suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let exponent = exponent - i32::try_from(fraction.len()).ok()?;
    let power = 10_i128.checked_pow(exponent.unsigned_abs())?;
    let nanos = digits.checked_mul(unit)?;
    let nanos = if exponent < 0 { div_ceil(nanos, power) } else { nanos.checked_mul(power)? };
    Some(format!("{}m", div_ceil(nanos, MILLI)))
}

/// Returns the unit and the decimal exponent of a suffix.
fn parse_suffix(suffix: &str) -> Option<(i128, i32)> {
    if let Some((_, unit)) = SUFFIXES.iter().find(|(name, _)| *name == suffix) {
        return Some((*unit, 0));
    }
    match suffix.strip_prefix(['e', 'E']) {
        Some(exponent) => Some((NANO, exponent.parse().ok()?)),
        None => suffix.is_empty().then_some((NANO, 0)),
    }
}

fn div_ceil(value: i128, divisor: i128) -> i128 {
    let quotient = value.div_euclid(divisor);
    if value.rem_euclid(divisor) == 0 { quotient } else { quotient + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_quantities_have_one_form() {
        for same in [
            vec!["1", "1000m", "1.0", "1e0", "1E0", "10e-1", "0.001k", "+1"],
            vec!["1Gi", "1024Mi", "1073741824", "1073741824000m"],
            vec!["0.7", "700m", "700000u", ".7"],
            vec!["1E", "1000P", "1e18"],
            vec!["0.5Ki", "512"],
            vec!["0.0001", "1m", "100u"],
            vec!["0", "0m", "0Gi"],
        ] {
            let forms: Vec<_> = same.iter().map(|text| normalise(text).unwrap()).collect();
            assert!(forms.windows(2).all(|pair| pair[0] == pair[1]), "{same:?}: {forms:?}");
        }
        assert_ne!(normalise("1M"), normalise("1Mi"));
        assert_eq!(normalise("-1.5"), Some("-1500m".to_owned()));
    }

    #[test]
    fn what_is_no_quantity_has_no_form() {
        for text in [
            "",
            "x",
            "1x",
            "1.2.3",
            "--1",
            "1e",
            "Ki",
            "1 Gi",
            "1e400",
            "99999999999999999999999999999999999E",
        ] {
            assert_eq!(normalise(text), None, "{text}");
        }
    }
}
