//! The values of one column, held as its type.

use med_schema::ValueType;
use polars::prelude::*;
use polars_arrow::array::BooleanArray;
use polars_arrow::bitmap::{Bitmap, MutableBitmap};

use super::text::TextCells;
use super::value::{Decimal, Value};
use crate::iso;

/// Which rows are not null, up to the last null: rows that are not cost nothing.
#[derive(Default)]
pub(crate) struct Validity(MutableBitmap);

impl Validity {
    /// `before` rows came already.
    pub(crate) fn push_null(&mut self, before: usize) {
        self.0.extend_constant(before.saturating_sub(self.0.len()), true);
        self.0.push(false);
    }

    /// The bits of so many rows; nothing if none is null.
    pub(crate) fn finish(mut self, rows: usize) -> Option<Bitmap> {
        if self.0.is_empty() {
            return None;
        }
        self.0.extend_constant(rows.saturating_sub(self.0.len()), true);
        Some(self.0.into())
    }
}

/// Numbers of one width with their nulls.
pub(crate) struct Fixed<T> {
    values: Vec<T>,
    validity: Validity,
}

impl<T: Default> Fixed<T> {
    fn with_capacity(capacity: usize) -> Self {
        Self { values: Vec::with_capacity(capacity), validity: Validity::default() }
    }

    #[inline(always)]
    fn push(&mut self, value: T) {
        self.values.push(value);
    }

    fn push_null(&mut self) {
        self.validity.push_null(self.values.len());
        self.values.push(T::default());
    }

    fn finish<P: PolarsNumericType<Native = T>>(self, name: PlSmallStr) -> ChunkedArray<P> {
        let validity = self.validity.finish(self.values.len());
        ChunkedArray::from_vec_validity(name, self.values, validity)
    }
}

/// Flags with their nulls.
pub(crate) struct Flags {
    values: MutableBitmap,
    validity: Validity,
}

impl Flags {
    fn with_capacity(capacity: usize) -> Self {
        Self { values: MutableBitmap::with_capacity(capacity), validity: Validity::default() }
    }

    #[inline(always)]
    fn push(&mut self, value: bool) {
        self.values.push(value);
    }

    fn push_null(&mut self) {
        self.validity.push_null(self.values.len());
        self.values.push(false);
    }

    fn finish(self, name: PlSmallStr) -> BooleanChunked {
        let validity = self.validity.finish(self.values.len());
        BooleanChunked::with_chunk(name, BooleanArray::new(ArrowDataType::Boolean, self.values.into(), validity))
    }
}

/// A value kept until the type of its column is decided.
#[derive(Debug)]
pub(crate) enum Kept {
    Null,
    Integer(i64),
    Real(f64),
    Text(Vec<u8>),
    /// Of another class, which an undeclared column takes as text.
    Written(String),
    Blob(Vec<u8>),
    Other(&'static str),
}

pub(crate) enum Cells {
    Boolean(Flags),
    Integer(Fixed<i64>),
    Float(Fixed<f64>),
    Text(Box<TextCells>),
    Date(Fixed<i32>),
    Timestamp(Fixed<i64>),
    /// Nobody declared a type; decided when the first batch is full.
    Undecided(Vec<Kept>),
}

/// How a column takes what is not quite of its type.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    /// Numbers are written out in a text column instead of being misfits.
    pub(crate) numbers_as_text: bool,
    /// An integer column holds this many decimal digits of what the database has as a decimal: 2 makes cents.
    pub(crate) minor_units: Option<u32>,
}

impl Cells {
    pub(crate) fn of_type(value_type: ValueType, name: &PlSmallStr, capacity: usize) -> Self {
        match value_type {
            ValueType::Boolean => Self::Boolean(Flags::with_capacity(capacity)),
            ValueType::Integer => Self::Integer(Fixed::with_capacity(capacity)),
            ValueType::Float => Self::Float(Fixed::with_capacity(capacity)),
            ValueType::Text => Self::Text(Box::new(TextCells::new(name.clone(), capacity))),
            ValueType::Date => Self::Date(Fixed::with_capacity(capacity)),
            ValueType::Timestamp => Self::Timestamp(Fixed::with_capacity(capacity)),
        }
    }

    pub(crate) fn value_type(&self) -> ValueType {
        match self {
            Self::Boolean(..) => ValueType::Boolean,
            Self::Integer(_) => ValueType::Integer,
            Self::Float(_) => ValueType::Float,
            Self::Text(_) | Self::Undecided(_) => ValueType::Text,
            Self::Date(_) => ValueType::Date,
            Self::Timestamp(_) => ValueType::Timestamp,
        }
    }

    pub(crate) fn push_null(&mut self) {
        match self {
            Self::Boolean(b) => b.push_null(),
            Self::Integer(b) | Self::Timestamp(b) => b.push_null(),
            Self::Float(b) => b.push_null(),
            Self::Text(b) => b.push_null(),
            Self::Date(b) => b.push_null(),
            Self::Undecided(kept) => kept.push(Kept::Null),
        }
    }

    /// Appends a value that is of the column's own class, and says whether it is. Made to vanish into the loop that reads the
    /// values, where its class is mostly known.
    #[inline(always)]
    pub(crate) fn push_same(&mut self, value: Value<'_>, reading: Reading) -> bool {
        match (value, self) {
            (Value::Integer(v), Self::Integer(b)) if reading.minor_units.is_none() => b.push(v),
            (Value::Real(v), Self::Float(b)) => b.push(v),
            (Value::Text(v), Self::Text(b)) => return b.push_known(v),
            (Value::Short(v), Self::Text(b)) => return b.push_short(v),
            (Value::Date(v), Self::Date(b)) => b.push(v),
            (Value::Timestamp(v), Self::Timestamp(b)) => b.push(v),
            (Value::Boolean(v), Self::Boolean(b)) => b.push(v),
            _ => return false,
        }
        true
    }

    /// Appends the value if it fits without loss; else appends nothing and says what was found.
    pub(crate) fn push(&mut self, value: Value<'_>, reading: Reading) -> Result<(), &'static str> {
        match (self, value) {
            (cells, Value::Null) => cells.push_null(),
            (Self::Text(b), Value::Text(v)) => b.push(v)?,
            (cells, value) => {
                if !cells.push_same(value, reading) {
                    cells.convert(value, reading)?;
                }
            }
        }
        Ok(())
    }

    /// Rows so far.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Boolean(b) => b.values.len(),
            Self::Integer(b) | Self::Timestamp(b) => b.values.len(),
            Self::Float(b) => b.values.len(),
            Self::Text(b) => b.len(),
            Self::Date(b) => b.values.len(),
            Self::Undecided(kept) => kept.len(),
        }
    }

    /// What is of another class than the column and may fit all the same.
    fn convert(&mut self, value: Value<'_>, reading: Reading) -> Result<(), &'static str> {
        match (self, value) {
            (Self::Integer(b), value) => b.push(to_integer(value, reading.minor_units)?),
            (Self::Float(b), Value::Integer(v)) => b.push(exact(v).ok_or("integer beyond 2^53")?),
            (Self::Float(b), Value::Decimal(v)) => b.push(v.to_float().ok_or("decimal of more than 15 digits")?),
            (Self::Boolean(b), Value::Integer(v @ (0 | 1))) => b.push(v == 1),
            (Self::Boolean(..), Value::Integer(_)) => return Err("integer other than 0 and 1"),
            (Self::Text(b), Value::Decimal(v)) => b.push(v.to_string().as_bytes())?,
            (Self::Text(b), Value::Integer(v)) if reading.numbers_as_text => b.push(v.to_string().as_bytes())?,
            (Self::Text(b), Value::Real(v)) if reading.numbers_as_text => b.push(format!("{v:?}").as_bytes())?,
            (Self::Date(b), Value::Text(v)) => {
                let text = std::str::from_utf8(v).ok();
                b.push(text.and_then(iso::days).ok_or("text that is no ISO date")?);
            }
            (Self::Date(b), Value::Timestamp(v)) => b.push(iso::midnight(v).ok_or("timestamp that is not midnight")?),
            (Self::Timestamp(b), Value::Text(v)) => {
                let text = std::str::from_utf8(v).ok();
                b.push(text.and_then(iso::microseconds).ok_or("text that is no ISO date and time")?);
            }
            (Self::Timestamp(b), Value::Date(v)) => b.push(i64::from(v) * iso::MICROSECONDS_A_DAY),
            (Self::Undecided(kept), value) => kept.push(match value {
                Value::Null => Kept::Null,
                Value::Integer(v) => Kept::Integer(v),
                Value::Real(v) => Kept::Real(v),
                Value::Text(v) => Kept::Text(v.to_owned()),
                Value::Blob(v) => Kept::Blob(v.to_owned()),
                Value::Other(name) => Kept::Other(name),
                other => other.written().map_or(Kept::Null, Kept::Written),
            }),
            (_, value) => return Err(value.storage_class()),
        }
        Ok(())
    }

    /// The column of these cells.
    pub(crate) fn finish(self, name: PlSmallStr) -> Column {
        match self {
            Self::Boolean(b) => b.finish(name).into_column(),
            Self::Integer(b) => b.finish::<Int64Type>(name).into_column(),
            Self::Float(b) => b.finish::<Float64Type>(name).into_column(),
            Self::Text(mut b) => b.take(),
            Self::Date(b) => b.finish::<Int32Type>(name).into_date().into_column(),
            Self::Timestamp(b) => b.finish::<Int64Type>(name).into_datetime(TimeUnit::Microseconds, None).into_column(),
            Self::Undecided(kept) => Column::full_null(name, kept.len(), &DataType::String),
        }
    }
}

fn to_integer(value: Value<'_>, minor_units: Option<u32>) -> Result<i64, &'static str> {
    let Some(digits) = minor_units else {
        return match value {
            Value::Real(v) => whole(v).ok_or("real"),
            Value::Decimal(v) => v.scaled(0).ok_or("decimal that is no integer of 64 bits"),
            other => Err(other.storage_class()),
        };
    };
    let decimal = match value {
        Value::Integer(v) => Some(Decimal { unscaled: i128::from(v), scale: 0 }),
        Value::Decimal(v) => Some(*v),
        // The shortest text that is this float is the number that was meant.
        Value::Real(v) => Decimal::parse(&v.to_string()),
        Value::Text(v) => std::str::from_utf8(v).ok().and_then(Decimal::parse),
        _ => None,
    };
    decimal.ok_or(value.storage_class())?.scaled(digits).ok_or("number with more decimals than its minor unit has")
}

/// The integer this number is, if it is one that f64 holds exactly.
fn whole(v: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    (v.fract() == 0.0 && v.abs() <= LIMIT).then_some(v as i64)
}

/// The f64 this integer is, if there is one.
fn exact(v: i64) -> Option<f64> {
    let float = v as f64;
    // `as` saturates, so i64::MAX would seem to survive the way back.
    (float as i64 == v && v != i64::MAX).then_some(float)
}
