//! How numbers and JSON values read in a cell.
//!
//! | value | reads as |
//! | --- | --- |
//! | missing, not a number | `–` |
//! | whole, below 10^15 | all digits, with thousands separators |
//! | other, from 0.0001 to below 10^15 | four significant digits and no fewer than the whole ones, without trailing zeros |
//! | smaller or larger | `1.234e-7` |

use serde_json::Value;

/// What stands where there is no value.
pub(crate) const MISSING: &str = "–";
/// The most characters of a text in a cell; the report's JSON has all of it.
const LONGEST: usize = 400;
/// How deep a JSON value is shown.
const DEEPEST: usize = 4;

/// A number with the digits that matter.
pub(crate) fn number(x: f64) -> String {
    let size = x.abs();
    if x.is_nan() {
        return MISSING.to_owned();
    }
    let digits = if size.is_infinite() {
        "∞".to_owned()
    } else if size == 0.0 || (size < 1e15 && size.fract() == 0.0) {
        separated(&format!("{size:.0}"))
    } else if (1e-4..1e15).contains(&size) {
        let places = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
        separated(trimmed(&format!("{size:.places$}")))
    } else {
        let text = format!("{size:.3e}");
        match text.split_once('e') {
            Some((mantissa, exponent)) => format!("{}e{exponent}", trimmed(mantissa)),
            None => text,
        }
    };
    if x < 0.0 { format!("−{digits}") } else { digits }
}

/// A number that may be missing.
pub(crate) fn maybe(x: Option<f64>) -> String {
    x.map_or_else(|| MISSING.to_owned(), number)
}

/// A p-value. A very small one is only said to be small: its digits mean nothing.
pub(crate) fn p_value(p: Option<f64>) -> String {
    match p {
        Some(p) if (0.0..1e-4).contains(&p) => "<0.0001".to_owned(),
        other => maybe(other),
    }
}

/// A count with thousands separators.
pub(crate) fn count(n: u64) -> String {
    separated(&n.to_string())
}

/// A count that may be missing.
pub(crate) fn maybe_count(n: Option<u64>) -> String {
    n.map_or_else(|| MISSING.to_owned(), count)
}

/// The difference of two counts, with its sign.
pub(crate) fn change(from: u64, to: u64) -> String {
    match to.cmp(&from) {
        std::cmp::Ordering::Less => format!("−{}", count(from - to)),
        std::cmp::Ordering::Equal => "0".to_owned(),
        std::cmp::Ordering::Greater => format!("+{}", count(to - from)),
    }
}

/// A part of a whole in percent. Only nothing is 0% and only all is 100%.
pub(crate) fn share(part: u64, whole: u64) -> String {
    let percent = 100.0 * part as f64 / whole as f64;
    match part {
        _ if whole == 0 => MISSING.to_owned(),
        0 => "0%".to_owned(),
        _ if part == whole => "100%".to_owned(),
        _ if percent < 0.1 => "<0.1%".to_owned(),
        _ if percent > 99.9 && part < whole => ">99.9%".to_owned(),
        _ => format!("{percent:.1}%"),
    }
}

/// A number as short as an axis wants it: `1.5k`, `20M`.
pub(crate) fn short(x: f64) -> String {
    match x.abs() {
        size if (1e3..1e6).contains(&size) => format!("{}k", number(x / 1e3)),
        size if (1e6..1e12).contains(&size) => format!("{}M", number(x / 1e6)),
        _ => number(x),
    }
}

/// A text that may be missing, cut if it is very long.
pub(crate) fn text(text: Option<&str>) -> String {
    match text {
        None | Some("") => MISSING.to_owned(),
        Some(text) => cut(text),
    }
}

/// A JSON value as plain text: lists with commas, tables as `key: value; key: value`.
pub(crate) fn value(value: &Value) -> String {
    let mut out = String::new();
    write_value(value, 0, &mut out);
    text(Some(&out))
}

fn write_value(value: &Value, depth: usize, out: &mut String) {
    // Bytes are at least characters, so nothing that would be shown is left out.
    if depth > DEEPEST || out.len() > 4 * LONGEST {
        out.push('…');
        return;
    }
    match value {
        Value::Null => out.push_str(MISSING),
        Value::Bool(yes) => out.push_str(if *yes { "true" } else { "false" }),
        Value::Number(n) => out.push_str(&match (n.as_u64(), n.as_i64()) {
            (Some(n), _) => count(n),
            (None, Some(n)) => format!("−{}", count(n.unsigned_abs())),
            (None, None) => maybe(n.as_f64()),
        }),
        Value::String(text) => out.push_str(text),
        Value::Array(items) if items.is_empty() => out.push_str("none"),
        Value::Array(items) => {
            enclosed(depth, out, |out| {
                for (i, item) in items.iter().take(LONGEST).enumerate() {
                    out.push_str(if i == 0 { "" } else { ", " });
                    write_value(item, depth + 1, out);
                }
            });
        }
        Value::Object(fields) if fields.is_empty() => out.push_str("none"),
        Value::Object(fields) => {
            enclosed(depth, out, |out| {
                for (i, (key, item)) in fields.iter().take(LONGEST).enumerate() {
                    out.push_str(if i == 0 { "" } else { "; " });
                    out.push_str(key);
                    out.push_str(": ");
                    write_value(item, depth + 1, out);
                }
            });
        }
    }
}

fn enclosed(depth: usize, out: &mut String, body: impl FnOnce(&mut String)) {
    out.push_str(if depth == 0 { "" } else { "(" });
    body(out);
    out.push_str(if depth == 0 { "" } else { ")" });
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", &text[..end]),
    }
}

/// Thousands separators in the whole part of a decimal number without sign.
fn separated(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find('.').unwrap_or(digits.len()));
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    out + rest
}

fn trimmed(decimal: &str) -> &str {
    if decimal.contains('.') { decimal.trim_end_matches('0').trim_end_matches('.') } else { decimal }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_have_the_digits_that_matter() {
        for (x, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (5000.0, "5,000"),
            (-1234567.0, "−1,234,567"),
            (0.96342, "0.9634"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.3333"),
            (0.012345, "0.01235"),
            (0.00012346, "0.0001235"),
            (12.3456, "12.35"),
            (999.96, "1,000"),
            (11234.56, "11,235"),
            (126217341.7, "126,217,342"),
            (1.5e-7, "1.5e-7"),
            (2e18, "2e18"),
            (f64::MAX, "1.798e308"),
            (f64::NAN, "–"),
            (f64::NEG_INFINITY, "−∞"),
        ] {
            assert_eq!(number(x), expected, "{x:?}");
        }
        assert_eq!((maybe(None).as_str(), p_value(Some(1e-30)).as_str()), ("–", "<0.0001"));
        assert_eq!((p_value(Some(0.04)).as_str(), p_value(Some(f64::NAN)).as_str()), ("0.04", "–"));
    }

    #[test]
    fn counts_and_shares() {
        assert_eq!(count(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!((change(5, 3), change(5, 5), change(0, 1000)), ("−2".into(), "0".into(), "+1,000".into()));
        for (part, whole, expected) in [
            (0, 0, "–"),
            (0, 5, "0%"),
            (5, 5, "100%"),
            (1, 8, "12.5%"),
            (1, 5000, "<0.1%"),
            (999_999, 1_000_000, ">99.9%"),
        ] {
            assert_eq!(share(part, whole), expected);
        }
        assert_eq!((short(1500.0), short(15_000.0), short(-2.5e6)), ("1.5k".into(), "15k".into(), "−2.5M".into()));
    }

    #[test]
    fn json_reads_as_plain_text() {
        for (json, expected) in [
            (json!(null), "–"),
            (json!(-1500), "−1,500"),
            (json!(0.25), "0.25"),
            (json!(""), "–"),
            (json!([]), "none"),
            (json!(["a", 1, null]), "a, 1, –"),
            (json!({"max": 3, "list": [1, 2]}), "list: (1, 2); max: 3"),
            (json!([[[[[[[1]]]]]]]), "((((…))))"),
        ] {
            assert_eq!(value(&json), expected);
        }
        let long = value(&json!(vec![12345; 5000]));
        assert!(long.ends_with('…') && long.chars().count() == LONGEST + 1);
    }

    proptest! {
        #[test]
        fn any_number_is_readable(x in any::<f64>()) {
            for text in [number(x), short(x), p_value(Some(x))] {
                prop_assert!(!text.is_empty() && text.chars().count() < 26, "{}", text);
                prop_assert!(!text.to_lowercase().contains("nan") && !text.contains("inf"));
            }
        }
    }
}
