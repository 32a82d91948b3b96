//! Values: one cell, what makes two cells the same value, and how columns hold them.
//!
//! Missing is what is null or not a number. Infinities and empty texts are values.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, NaiveDateTime, TimeDelta};
use polars::prelude::DataType;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::bound::parse_moment;
use crate::error::RunError;

/// One value that is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cell<'a> {
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(&'a str),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01, UTC.
    Time(i64),
}

/// What makes two values the same value: 1, 1.0 and true are, 0.0 and -0.0 are, 1 and "1" are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key<'a> {
    Whole(i64),
    Real(u64),
    Text(&'a str),
    Date(i32),
    Time(i64),
}

impl Key<'_> {
    pub(crate) fn of_number(number: f64) -> Self {
        if number.fract() == 0.0 && (-9.2e18..=9.2e18).contains(&number) {
            Key::Whole(number as i64)
        } else {
            Key::Real(number.to_bits())
        }
    }
}

impl<'a> Cell<'a> {
    pub(crate) fn key(self) -> Key<'a> {
        match self {
            Self::Bool(value) => Key::Whole(i64::from(value)),
            Self::Int(value) => Key::Whole(value),
            Self::Float(value) => Key::of_number(value),
            Self::Text(value) => Key::Text(value),
            Self::Date(value) => Key::Date(value),
            Self::Time(value) => Key::Time(value),
        }
    }

    pub(crate) fn number(self) -> Option<f64> {
        match self {
            Self::Bool(value) => Some(f64::from(u8::from(value))),
            Self::Int(value) => Some(value as f64),
            Self::Float(value) => Some(value),
            _ => None,
        }
    }

    /// Order of two values, where they have one.
    pub(crate) fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Text(a), Self::Text(b)) => Some(a.cmp(b)),
            (Self::Date(a), Self::Date(b)) => Some(a.cmp(&b)),
            (Self::Time(a), Self::Time(b)) | (Self::Int(a), Self::Int(b)) => Some(a.cmp(&b)),
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }

    /// The value in results. An infinity, which JSON has no number for, is written as text.
    pub(crate) fn to_json(self) -> Value {
        match self {
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::from(value),
            Self::Float(value) => number_json(value),
            Self::Text(value) => Value::from(value),
            Self::Date(days) => date(days).map_or(Value::Null, |d| Value::from(d.to_string())),
            Self::Time(micros) => {
                moment(micros).map_or(Value::Null, |t| Value::from(t.format("%Y-%m-%dT%H:%M:%S%.f").to_string()))
            }
        }
    }

    /// The value as text, as Python's `str` writes it: what patterns and lengths look at.
    pub(crate) fn to_text(self) -> String {
        match self {
            Self::Bool(value) => if value { "True" } else { "False" }.to_owned(),
            Self::Int(value) => value.to_string(),
            Self::Float(value) => float_text(value),
            Self::Text(value) => value.to_owned(),
            Self::Date(days) => date(days).map_or(String::new(), |d| d.to_string()),
            Self::Time(micros) => {
                moment(micros).map_or(String::new(), |t| t.format("%Y-%m-%d %H:%M:%S%.f").to_string())
            }
        }
    }
}

/// A number in results; infinities as text, not-a-number as null.
pub(crate) fn number_json(value: f64) -> Value {
    if value.is_infinite() {
        Value::from(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        Value::from(value)
    }
}

/// `5.0`, `0.1`, `1e+16`: shortest digits that read back, exponent from 1e16 and below 1e-4.
fn float_text(value: f64) -> String {
    if value.is_infinite() {
        return if value > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e16).contains(&size) {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    if value.fract() == 0.0 { format!("{value:.1}") } else { format!("{value}") }
}

fn date(days: i32) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(TimeDelta::days(i64::from(days)))
}

fn moment(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|t| t.naive_utc())
}

/// Days since 1970-01-01.
pub(crate) fn days_of(date: NaiveDate) -> i32 {
    date.signed_duration_since(NaiveDate::default()).num_days() as i32
}

/// Microseconds since 1970-01-01.
pub(crate) fn micros_of(time: NaiveDateTime) -> i64 {
    time.and_utc().timestamp_micros()
}

/// How a column holds its values: the six ways a table knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Held {
    Bool,
    Int,
    Float,
    Text,
    Date,
    Time,
}

impl Held {
    /// How a frame's type is held once widened; `None` for what no table holds.
    pub(crate) fn of(dtype: &DataType) -> Option<Self> {
        Some(match dtype {
            DataType::Boolean => Self::Bool,
            d if d.is_integer() => Self::Int,
            DataType::Float32 | DataType::Float64 => Self::Float,
            DataType::String | DataType::Categorical(..) | DataType::Enum(..) | DataType::Null => Self::Text,
            DataType::Date => Self::Date,
            DataType::Datetime(..) => Self::Time,
            _ => return None,
        })
    }

    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Bool => "booleans",
            Self::Int => "whole numbers",
            Self::Float => "numbers",
            Self::Text => "text",
            Self::Date => "dates",
            Self::Time => "timestamps",
        }
    }
}

/// A column's name, and how it holds its values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) held: Held,
    /// What its type is called in results.
    pub(crate) type_name: String,
    /// The original's rules about types and dates apply.
    pub(crate) compat: bool,
}

impl Field {
    pub(crate) fn is_number(&self) -> bool {
        matches!(self.held, Held::Bool | Held::Int | Held::Float)
    }

    pub(crate) fn wrong_type(&self, expected: &'static str) -> RunError {
        RunError::Type { column: self.name.clone(), found: self.held.words(), expected }
    }

    pub(crate) fn incomparable(&self, other: impl Into<String>) -> RunError {
        RunError::Incomparable { column: self.name.clone(), found: self.held.words(), other: other.into() }
    }

    /// The cell in results: null where missing, except that a missing moment is `NaT`, as the original writes it.
    pub(crate) fn json(&self, cell: Option<Cell<'_>>) -> Value {
        match cell {
            Some(cell) => cell.to_json(),
            None if self.held == Held::Time => Value::from("NaT"),
            None => Value::Null,
        }
    }

    /// A JSON value as a value of this column, for sets and conditions. `None` is what no value can equal: null, or
    /// another type. Text is read as a date or moment where the column holds such.
    pub(crate) fn member<'v>(&self, value: &'v Value) -> Result<Option<Key<'v>>, RunError> {
        let time =
            |text: &str| parse_moment(text).ok_or_else(|| self.incomparable("a text that is no ISO date or date-time"));
        Ok(match value {
            Value::Bool(flag) => Some(Key::Whole(i64::from(*flag))),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Some(Key::Whole(whole)),
                None => number.as_f64().map(Key::of_number),
            },
            Value::String(text) if self.held == Held::Time => Some(Key::Time(micros_of(time(text)?))),
            Value::String(text) if self.held == Held::Date => {
                let moment = time(text)?;
                (moment.time() == chrono::NaiveTime::MIN).then(|| Key::Date(days_of(moment.date())))
            }
            Value::String(text) if self.is_number() => match text.as_str() {
                // How results write what JSON has no number for.
                "Infinity" => Some(Key::Real(f64::INFINITY.to_bits())),
                "-Infinity" => Some(Key::Real(f64::NEG_INFINITY.to_bits())),
                _ => None,
            },
            Value::String(text) => Some(Key::Text(text)),
            _ => None,
        })
    }
}

/// A cell that is kept beyond its chunk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum Stored {
    Bool(bool),
    Int(i64),
    /// As bits, because JSON has no infinities.
    Float(#[serde(with = "bits")] f64),
    Text(String),
    Date(i32),
    Time(i64),
}

impl From<Cell<'_>> for Stored {
    fn from(cell: Cell<'_>) -> Self {
        match cell {
            Cell::Bool(v) => Self::Bool(v),
            Cell::Int(v) => Self::Int(v),
            Cell::Float(v) => Self::Float(v),
            Cell::Text(v) => Self::Text(v.to_owned()),
            Cell::Date(v) => Self::Date(v),
            Cell::Time(v) => Self::Time(v),
        }
    }
}

impl Stored {
    pub(crate) fn cell(&self) -> Cell<'_> {
        match self {
            Self::Bool(v) => Cell::Bool(*v),
            Self::Int(v) => Cell::Int(*v),
            Self::Float(v) => Cell::Float(*v),
            Self::Text(v) => Cell::Text(v),
            Self::Date(v) => Cell::Date(*v),
            Self::Time(v) => Cell::Time(*v),
        }
    }
}

/// Floats as their bits.
pub(crate) mod bits {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        value.to_bits().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        u64::deserialize(deserializer).map(f64::from_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_read_as_python_writes_them() {
        let check = |value: f64, text: &str| assert_eq!(float_text(value), text);
        check(5.0, "5.0");
        check(0.1, "0.1");
        check(-0.0, "-0.0");
        check(1e16, "1e+16");
        check(1.5e-7, "1.5e-07");
        check(123_456_789.25, "123456789.25");
        check(f64::NEG_INFINITY, "-inf");
    }

    #[test]
    fn equal_numbers_of_any_type_are_one_value() {
        assert_eq!(Cell::Bool(true).key(), Cell::Float(1.0).key());
        assert_eq!(Cell::Int(0).key(), Cell::Float(-0.0).key());
        assert_ne!(Cell::Text("1").key(), Cell::Int(1).key());
        assert_ne!(Cell::Float(0.5).key(), Cell::Float(0.25).key());
    }
}
