//! One value as a database hands it over.

use std::fmt;

use serde::Serialize;

use super::views::Short;

/// Largest power of ten that an `i128` holds.
const MAX_DIGITS: u32 = 38;

/// An exact decimal number: `unscaled` / 10^`scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decimal {
    pub(crate) unscaled: i128,
    pub(crate) scale: u32,
}

impl Decimal {
    /// Reads `[+-]digits[.digits][e[+-]digits]`; nothing else, and nothing that an `i128` cannot hold.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let negative = mantissa.starts_with('-');
        let digits = mantissa.strip_prefix(['+', '-']).unwrap_or(mantissa);
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut unscaled: i128 = 0;
        for byte in whole.bytes().chain(fraction.bytes()) {
            let digit = byte.is_ascii_digit().then(|| i128::from(byte - b'0'))?;
            unscaled = unscaled.checked_mul(10)?.checked_add(digit)?;
        }
        let unscaled = if negative { -unscaled } else { unscaled };
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        if scale >= 0 {
            Some(Self { unscaled, scale: u32::try_from(scale).ok()? })
        } else {
            let up = power_of_ten(u32::try_from(-scale).ok()?)?;
            Some(Self { unscaled: unscaled.checked_mul(up)?, scale: 0 })
        }
    }

    /// The number times 10^`digits`, if that is a whole number of 64 bits.
    pub(crate) fn scaled(self, digits: u32) -> Option<i64> {
        let value = if digits >= self.scale {
            self.unscaled.checked_mul(power_of_ten(digits - self.scale)?)?
        } else if self.unscaled == 0 {
            0
        } else {
            let down = power_of_ten(self.scale - digits)?;
            (self.unscaled % down == 0).then(|| self.unscaled / down)?
        };
        i64::try_from(value).ok()
    }

    /// The nearest float, if the number has at most 15 significant digits: then writing the float out gives the number back.
    pub(crate) fn to_float(self) -> Option<f64> {
        const LIMIT: u128 = 1_000_000_000_000_000;
        let (mut unscaled, mut scale) = (self.unscaled, self.scale);
        while scale > 0 && unscaled % 10 == 0 {
            unscaled /= 10;
            scale -= 1;
        }
        // Zeros at the end of a whole number are no significant digits either.
        let mut zeros = 0;
        while unscaled.unsigned_abs() > LIMIT && scale == 0 && unscaled % 10 == 0 {
            unscaled /= 10;
            zeros += 1;
        }
        // Both are exact in 64-bit floats, so one division or multiplication rounds once.
        let fits = unscaled.unsigned_abs() <= LIMIT && scale <= 22 && zeros <= 22;
        fits.then(|| unscaled as f64 / 10_f64.powi(scale as i32) * 10_f64.powi(zeros))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.unscaled < 0 { "-" } else { "" };
        let digits = self.unscaled.unsigned_abs().to_string();
        let scale = self.scale as usize;
        if scale == 0 {
            return write!(f, "{sign}{digits}");
        }
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        write!(f, "{sign}{whole}.{fraction}")
    }
}

pub(crate) fn power_of_ten(digits: u32) -> Option<i128> {
    if digits > MAX_DIGITS { None } else { 10_i128.checked_pow(digits) }
}

/// One value. Text comes as bytes, and the column checks that they are UTF-8.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(
    not(any(feature = "postgres", feature = "mysql")),
    allow(dead_code, reason = "SQLite has no booleans, days and moments of its own")
)]
pub(crate) enum Value<'a> {
    Null,
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), allow(dead_code, reason = "MySQL has no booleans"))]
    Boolean(bool),
    Integer(i64),
    Real(f64),
    /// Behind a reference, which keeps a value at three words.
    Decimal(&'a Decimal),
    Text(&'a [u8]),
    /// Text whose form was looked at already.
    #[cfg_attr(
        not(feature = "postgres"),
        allow(dead_code, reason = "only PostgreSQL's decoder sees what is behind a text")
    )]
    Short(Short),
    /// Bytes that are no text.
    #[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "the others hand blobs out as text"))]
    Blob(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01T00:00:00 UTC.
    Timestamp(i64),
    /// What no column can hold; named for the report.
    Other(&'static str),
}

/// What a value that did not fit holds: a text, or the bytes of what is none. As JSON the one is a string and the other an object, so
/// that neither is taken for the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Held {
    Text(String),
    Bytes {
        /// In hexadecimal digits, two a byte.
        bytes: String,
    },
}

impl Value<'_> {
    pub(crate) fn storage_class(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Decimal(_) => "decimal",
            Self::Text(_) | Self::Short(_) => "text",
            Self::Blob(_) => "blob",
            Self::Date(_) => "date",
            Self::Timestamp(_) => "timestamp",
            Self::Other(name) => name,
        }
    }

    /// All that it holds, for a quarantine.
    pub(crate) fn held(self) -> Held {
        let hexadecimal =
            |bytes: &[u8]| Held::Bytes { bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
        match self {
            Self::Text(bytes) => {
                std::str::from_utf8(bytes).map_or_else(|_| hexadecimal(bytes), |text| Held::Text(text.to_owned()))
            }
            Self::Blob(bytes) => hexadecimal(bytes),
            other => Held::Text(other.written().unwrap_or_default()),
        }
    }

    /// Written out.
    pub(crate) fn written(self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Boolean(v) => v.to_string(),
            Self::Integer(v) => v.to_string(),
            Self::Real(v) => format!("{v:?}"),
            Self::Decimal(v) => v.to_string(),
            Self::Text(v) | Self::Blob(v) => String::from_utf8_lossy(v).into_owned(),
            Self::Short(v) => Value::Text(v.view().get_inlined_slice().unwrap_or_default()).written()?,
            Self::Date(v) => crate::iso::written_date(v),
            Self::Timestamp(v) => crate::iso::written_timestamp(v),
            Self::Other(name) => format!("({name})"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_text_is_held_byte_by_byte() {
        let json = |value: Value<'_>| serde_json::to_string(&value.held()).unwrap();
        assert_eq!(json(Value::Text("é".as_bytes())), "\"é\"");
        assert_eq!(json(Value::Text(&[0xFF, 0x41])), r#"{"bytes":"ff41"}"#);
        assert_eq!(json(Value::Blob(&[0x41, 0x00])), r#"{"bytes":"4100"}"#);
        assert_eq!(json(Value::Blob(&[])), r#"{"bytes":""}"#);
        assert_eq!(json(Value::Real(0.5)), "\"0.5\"");
    }

    #[test]
    fn decimals_are_exact() {
        let read = |text: &str| Decimal::parse(text).unwrap();
        assert_eq!(read("12.30").scaled(2), Some(1230));
        assert_eq!(read("-0.05").scaled(2), Some(-5));
        assert_eq!(read("12.345").scaled(2), None);
        assert_eq!(read("12.3400").scaled(2), Some(1234));
        assert_eq!(read("1e3").scaled(0), Some(1000));
        assert_eq!(read("1.5e-1").to_string(), "0.15");
        assert_eq!(read("92233720368547758.08").scaled(2), None, "beyond 64 bits");
        assert_eq!(read("0.1").to_float(), Some(0.1));
        assert_eq!(read("1234567890.12345678").to_float(), None, "18 digits");
        assert_eq!(read("1000000000000000.000").to_float(), Some(1e15));
        assert_eq!(read("10000000000000000").to_float(), Some(1e16));
        assert_eq!(read("-123456789012345e21").to_float(), Some(-123_456_789_012_345e21));
        assert_eq!(read("10000000000000001").to_float(), None, "17 digits");
        for bad in ["", "-", ".", "1,5", "12a", "1e", "NaN", "1234567890123456789012345678901234567890"] {
            assert_eq!(Decimal::parse(bad), None, "{bad}");
        }
        for text in ["0.00", "-0.07", "123456789.10", "5"] {
            assert_eq!(read(text).to_string(), text);
        }
    }
}
