//! Amounts of money as whole cents.

use super::mapping::AmountUnit;

/// No single amount is larger: sums over any number of rows then stay far within 128 bits, and a number is exact as a float.
pub(super) const LIMIT: i64 = 1_000_000_000_000_000;

fn within(cents: i64) -> Option<i64> {
    (-LIMIT..=LIMIT).contains(&cents).then_some(cents)
}

/// Cents of a text: digits with an optional sign before or behind, thousands separators, the symbol of a currency, and parentheses for negative amounts.
/// `None` if it is none.
pub(super) fn parse(text: &str, unit: AmountUnit) -> Option<i64> {
    let text = text.trim();
    let (text, in_parentheses) = match text.strip_prefix('(').and_then(|t| t.strip_suffix(')')) {
        Some(inner) => (inner, true),
        None => (text, false),
    };
    let (text, symbol) = without_symbol(text);
    let (text, minus) = match text.as_bytes() {
        [b'-', ..] => (&text[1..], true),
        [b'+', ..] => (&text[1..], false),
        [.., b'-'] => (&text[..text.len() - 1], true),
        _ => (text, false),
    };
    let (text, second) = without_symbol(text);
    if symbol && second {
        return None;
    }
    let (point, separator) = match unit {
        AmountUnit::DecimalComma => (',', '.'),
        AmountUnit::Currency | AmountUnit::Cents => ('.', ','),
    };
    let (whole, fraction) = text.split_once(point).unwrap_or((text, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut units: i64 = 0;
    let mut grouped = whole.split(separator);
    let first = grouped.next().unwrap_or_default();
    let groups: Vec<&str> = grouped.collect();
    // `1,5` is no number with a thousands separator.
    if groups.iter().any(|g| g.len() != 3) || (!groups.is_empty() && !(1..=3).contains(&first.len())) {
        return None;
    }
    for digit in std::iter::once(first).chain(groups).flat_map(str::bytes) {
        units = units.checked_mul(10)?.checked_add(i64::from(digit_of(digit)?))?;
    }
    let fraction: Vec<u8> = fraction.bytes().map(digit_of).collect::<Option<_>>()?;
    let cents = if unit == AmountUnit::Cents {
        // `500.00` cents are 500; a part of a cent is none.
        if fraction.iter().any(|&d| d != 0) {
            return None;
        }
        units
    } else {
        let digit = |i: usize| i64::from(fraction.get(i).copied().unwrap_or(0));
        let cents = units.checked_mul(100)?.checked_add(digit(0) * 10 + digit(1))?;
        let rest = fraction.get(2..).unwrap_or_default();
        let half = rest.first().map(|d| d.cmp(&5));
        let beyond = rest.iter().skip(1).any(|&d| d != 0);
        let up = match half {
            Some(std::cmp::Ordering::Greater) => true,
            Some(std::cmp::Ordering::Equal) => beyond || cents % 2 == 1,
            _ => false,
        };
        cents + i64::from(up)
    };
    within(if minus != in_parentheses { -cents } else { cents })
}

/// The text without a currency's symbol and blanks around it, and whether there was one: which currency it is, a column says.
fn without_symbol(text: &str) -> (&str, bool) {
    const SYMBOLS: [char; 4] = ['$', '\u{20ac}', '\u{a3}', '\u{a5}'];
    let text = text.trim();
    match text.strip_prefix(SYMBOLS).or_else(|| text.strip_suffix(SYMBOLS)) {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    }
}

fn digit_of(byte: u8) -> Option<u8> {
    byte.is_ascii_digit().then(|| byte - b'0')
}

/// Cents of a number of this unit.
pub(super) fn of_float(value: f64, unit: AmountUnit) -> Option<i64> {
    let cents = match unit {
        AmountUnit::Cents if value.fract() != 0.0 => return None,
        AmountUnit::Cents => value,
        // A decimal text read as a float is off by less than half a unit in the last place, so this finds its cents again.
        AmountUnit::Currency | AmountUnit::DecimalComma => (value * 100.0).round_ties_even(),
    };
    (cents.abs() <= LIMIT as f64).then_some(cents as i64)
}

/// Cents of a whole number of this unit.
pub(super) fn of_integer(value: i64, unit: AmountUnit) -> Option<i64> {
    within(if unit == AmountUnit::Cents { value } else { value.checked_mul(100)? })
}

/// The amount times a factor, to the cent, halves to even. `None` where that leaves the range of amounts.
pub(super) fn scaled(cents: i64, factor: f64) -> Option<i64> {
    let scaled = (cents as f64 * factor).round_ties_even();
    (scaled.abs() <= LIMIT as f64).then_some(scaled as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_to_the_cent() {
        let cents = |text| parse(text, AmountUnit::Currency);
        for (text, expected) in [
            ("123.45", 12_345),
            ("-0.5", -50),
            ("+7", 700),
            (".1", 10),
            ("5.", 500),
            ("1,234,567.8", 123_456_780),
            ("(12.30)", -1_230),
            ("99.55-", -9_955),
            ("0.125", 12),
            ("0.135", 14),
            ("0.1251", 13),
            (" 2 ", 200),
            ("$1,234.50", 123_450),
            ("($ 12.30)", -1_230),
            ("-$0.50", -50),
            ("$-7", -700),
            ("5.20 \u{20ac}", 520),
        ] {
            assert_eq!(cents(text), Some(expected), "{text}");
        }
        for bad in ["", ".", "-", "1.2.3", "12a", "1e3", "NaN", "1,5", "1,2345", "$", "$$5", "99999999999999999"] {
            assert_eq!(cents(bad), None, "{bad}");
        }
        assert_eq!(parse("1.234,5", AmountUnit::DecimalComma), Some(123_450));
        assert_eq!(parse("-1234", AmountUnit::Cents), Some(-1_234));
        assert_eq!((parse("12.00", AmountUnit::Cents), parse("12.5", AmountUnit::Cents)), (Some(12), None));
    }

    #[test]
    fn numbers_are_read_to_the_cent() {
        assert_eq!(of_float(99.55, AmountUnit::Currency), Some(9_955));
        assert_eq!(of_float(1.115, AmountUnit::Currency), Some(112));
        assert_eq!((of_float(f64::NAN, AmountUnit::Currency), of_float(0.5, AmountUnit::Cents)), (None, None));
        assert_eq!(of_integer(3, AmountUnit::Currency), Some(300));
        assert_eq!(of_integer(i64::MAX, AmountUnit::Currency), None);
        assert_eq!((scaled(101, 0.5), scaled(103, 0.5), scaled(LIMIT, 2.0)), (Some(50), Some(52), None));
    }
}
