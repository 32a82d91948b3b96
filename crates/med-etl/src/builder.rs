//! One column while it is read: values in, a frame's column out, misfits counted.

use med_schema::ValueType;
use polars::prelude::*;

use crate::iso;
use crate::{ColumnMismatch, DeclaredBy};

/// One value as a database hands it over. Booleans come as 0 and 1, days and moments as ISO text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Value<'a> {
    Null,
    Integer(i64),
    Real(f64),
    Text(&'a str),
    /// What no column can hold; named for the report.
    Other(&'static str),
}

impl Value<'_> {
    fn storage_class(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Integer(_) => "integer",
            Self::Real(_) => "real",
            Self::Text(_) => "text",
            Self::Other(name) => name,
        }
    }
}

/// A value kept until the type of its column is decided.
#[derive(Debug)]
enum Kept {
    Null,
    Integer(i64),
    Real(f64),
    Text(String),
    Other(&'static str),
}

enum Cells {
    Boolean(BooleanChunkedBuilder),
    Integer(PrimitiveChunkedBuilder<Int64Type>),
    Float(PrimitiveChunkedBuilder<Float64Type>),
    Text(StringChunkedBuilder),
    Date(PrimitiveChunkedBuilder<Int32Type>),
    Timestamp(PrimitiveChunkedBuilder<Int64Type>),
    /// Nobody declared a type; decided when the first batch is full.
    Undecided(Vec<Kept>),
}

impl Cells {
    fn of_type(value_type: ValueType, name: &PlSmallStr, capacity: usize) -> Self {
        let name = name.clone();
        match value_type {
            ValueType::Boolean => Self::Boolean(BooleanChunkedBuilder::new(name, capacity)),
            ValueType::Integer => Self::Integer(PrimitiveChunkedBuilder::new(name, capacity)),
            ValueType::Float => Self::Float(PrimitiveChunkedBuilder::new(name, capacity)),
            ValueType::Text => Self::Text(StringChunkedBuilder::new(name, capacity)),
            ValueType::Date => Self::Date(PrimitiveChunkedBuilder::new(name, capacity)),
            ValueType::Timestamp => Self::Timestamp(PrimitiveChunkedBuilder::new(name, capacity)),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Boolean(b) => b.append_null(),
            Self::Integer(b) | Self::Timestamp(b) => b.append_null(),
            Self::Float(b) => b.append_null(),
            Self::Text(b) => b.append_null(),
            Self::Date(b) => b.append_null(),
            Self::Undecided(kept) => kept.push(Kept::Null),
        }
    }

    /// Appends the value if it fits without loss; else appends nothing and says what was found.
    fn push(&mut self, value: Value<'_>, numbers_as_text: bool) -> Result<(), &'static str> {
        match (self, value) {
            (cells, Value::Null) => cells.push_null(),
            (Self::Integer(b), Value::Integer(v)) => b.append_value(v),
            (Self::Integer(b), Value::Real(v)) => b.append_value(whole(v).ok_or("real")?),
            (Self::Float(b), Value::Real(v)) => b.append_value(v),
            (Self::Float(b), Value::Integer(v)) => b.append_value(exact(v).ok_or("integer beyond 2^53")?),
            (Self::Boolean(b), Value::Integer(v @ (0 | 1))) => b.append_value(v == 1),
            (Self::Boolean(_), Value::Integer(_)) => return Err("integer other than 0 and 1"),
            (Self::Text(b), Value::Text(v)) => b.append_value(v),
            (Self::Text(b), Value::Integer(v)) if numbers_as_text => b.append_value(v.to_string()),
            (Self::Text(b), Value::Real(v)) if numbers_as_text => b.append_value(format!("{v:?}")),
            (Self::Date(b), Value::Text(v)) => b.append_value(iso::days(v).ok_or("text that is no ISO date")?),
            (Self::Timestamp(b), Value::Text(v)) => {
                b.append_value(iso::microseconds(v).ok_or("text that is no ISO date and time")?);
            }
            (Self::Undecided(kept), value) => kept.push(match value {
                Value::Null => Kept::Null,
                Value::Integer(v) => Kept::Integer(v),
                Value::Real(v) => Kept::Real(v),
                Value::Text(v) => Kept::Text(v.to_owned()),
                Value::Other(name) => Kept::Other(name),
            }),
            (_, value) => return Err(value.storage_class()),
        }
        Ok(())
    }
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

/// Collects one column, batch by batch.
pub(crate) struct ColumnBuilder {
    name: PlSmallStr,
    capacity: usize,
    cells: Cells,
    declared_by: Option<DeclaredBy>,
    numbers_as_text: bool,
    rows: u64,
    nulls: u64,
    misfit: Option<Misfit>,
}

struct Misfit {
    found: &'static str,
    first_row: u64,
    rows: u64,
}

impl ColumnBuilder {
    /// A column of this type. `declared_by` is nothing for a cast.
    pub(crate) fn declared(
        name: &str,
        value_type: ValueType,
        declared_by: Option<DeclaredBy>,
        capacity: usize,
    ) -> Self {
        let name = PlSmallStr::from_str(name);
        let cells = Cells::of_type(value_type, &name, capacity);
        Self { name, capacity, cells, declared_by, numbers_as_text: false, rows: 0, nulls: 0, misfit: None }
    }

    /// A column whose type the first batch decides.
    pub(crate) fn undecided(name: &str, capacity: usize) -> Self {
        Self {
            cells: Cells::Undecided(Vec::new()),
            numbers_as_text: true,
            ..Self::declared(name, ValueType::Text, Some(DeclaredBy::FirstBatch), capacity)
        }
    }

    /// Numbers are written out in a text column instead of being misfits.
    pub(crate) fn numbers_as_text(mut self) -> Self {
        self.numbers_as_text = true;
        self
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn nulls(&self) -> u64 {
        self.nulls
    }

    pub(crate) fn declared_by(&self) -> Option<DeclaredBy> {
        self.declared_by
    }

    /// The type of the cells; text while undecided.
    pub(crate) fn value_type(&self) -> ValueType {
        match self.cells {
            Cells::Boolean(_) => ValueType::Boolean,
            Cells::Integer(_) => ValueType::Integer,
            Cells::Float(_) => ValueType::Float,
            Cells::Text(_) | Cells::Undecided(_) => ValueType::Text,
            Cells::Date(_) => ValueType::Date,
            Cells::Timestamp(_) => ValueType::Timestamp,
        }
    }

    /// Takes the next value. One that does not fit becomes null and is counted.
    #[inline]
    pub(crate) fn push(&mut self, value: Value<'_>) {
        if value == Value::Null {
            self.nulls += 1;
        }
        let row = self.rows;
        self.rows += 1;
        if let Err(found) = self.cells.push(value, self.numbers_as_text) {
            self.misfits(found, row);
        }
    }

    #[cold]
    fn misfits(&mut self, found: &'static str, row: u64) {
        self.cells.push_null();
        self.misfit.get_or_insert(Misfit { found, first_row: row, rows: 0 }).rows += 1;
    }

    pub(crate) fn has_misfits(&self) -> bool {
        self.misfit.is_some()
    }

    pub(crate) fn mismatch(&self) -> Option<ColumnMismatch> {
        self.misfit.as_ref().map(|misfit| ColumnMismatch {
            column: self.name.to_string(),
            expected: self.value_type(),
            declared_by: self.declared_by,
            found: misfit.found.to_owned(),
            first_row: misfit.first_row,
            rows: misfit.rows,
        })
    }

    /// The column of all values since the last call.
    pub(crate) fn take(&mut self) -> Column {
        self.decide();
        let empty = Cells::of_type(self.value_type(), &self.name, self.capacity);
        match std::mem::replace(&mut self.cells, empty) {
            Cells::Boolean(b) => b.finish().into_column(),
            Cells::Integer(b) => b.finish().into_column(),
            Cells::Float(b) => b.finish().into_column(),
            Cells::Text(b) => b.finish().into_column(),
            Cells::Date(b) => b.finish().into_date().into_column(),
            Cells::Timestamp(b) => b.finish().into_datetime(TimeUnit::Microseconds, None).into_column(),
            // `decide` leaves no column undecided.
            Cells::Undecided(kept) => Column::full_null(self.name.clone(), kept.len(), &DataType::String),
        }
    }

    /// Gives an undecided column the narrowest type that holds all its values: integer, else float, else text. A column
    /// of nothing but nulls is text.
    fn decide(&mut self) {
        let Cells::Undecided(kept) = &mut self.cells else { return };
        let kept = std::mem::take(kept);
        let any = |wanted: fn(&Kept) -> bool| kept.iter().any(wanted);
        let value_type = if any(|v| matches!(v, Kept::Text(_))) {
            ValueType::Text
        } else if any(|v| matches!(v, Kept::Real(_))) {
            ValueType::Float
        } else if any(|v| matches!(v, Kept::Integer(_))) {
            ValueType::Integer
        } else {
            ValueType::Text
        };
        self.cells = Cells::of_type(value_type, &self.name, self.capacity.max(kept.len()));
        // Values are kept only during the first batch, so their place is their row.
        for (row, value) in (0..).zip(&kept) {
            let value = match value {
                Kept::Null => Value::Null,
                Kept::Integer(v) => Value::Integer(*v),
                Kept::Real(v) => Value::Real(*v),
                Kept::Text(v) => Value::Text(v),
                Kept::Other(name) => Value::Other(name),
            };
            if let Err(found) = self.cells.push(value, true) {
                self.misfits(found, row);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value_type: ValueType, values: &[Value<'_>]) -> (Column, Option<(String, u64, u64)>) {
        let mut builder = ColumnBuilder::declared("c", value_type, Some(DeclaredBy::Schema), 4);
        values.iter().for_each(|v| builder.push(*v));
        let mismatch = builder.mismatch().map(|m| (m.found, m.first_row, m.rows));
        (builder.take(), mismatch)
    }

    #[test]
    fn whole_numbers_fit_integers_and_nothing_else_does() {
        let values = [Value::Integer(i64::MAX), Value::Real(3.0), Value::Real(3.5), Value::Text("3"), Value::Null];
        let (column, mismatch) = read(ValueType::Integer, &values);
        let cells: Vec<_> = column.i64().unwrap().iter().collect();
        assert_eq!(cells, [Some(i64::MAX), Some(3), None, None, None]);
        assert_eq!(mismatch, Some(("real".to_owned(), 2, 2)));
    }

    #[test]
    fn integers_fit_floats_when_exact() {
        let values = [
            Value::Integer(1 << 53),
            Value::Integer((1 << 53) + 1),
            Value::Integer(i64::MAX),
            Value::Integer(i64::MIN),
        ];
        let (column, mismatch) = read(ValueType::Float, &values);
        assert_eq!(column.null_count(), 2);
        assert_eq!(mismatch, Some(("integer beyond 2^53".to_owned(), 1, 2)));
    }

    #[test]
    fn flags_are_zero_or_one() {
        let (column, mismatch) = read(ValueType::Boolean, &[Value::Integer(1), Value::Integer(0), Value::Integer(2)]);
        assert_eq!(column.bool().unwrap().iter().collect::<Vec<_>>(), [Some(true), Some(false), None]);
        assert_eq!(mismatch, Some(("integer other than 0 and 1".to_owned(), 2, 1)));
    }

    #[test]
    fn days_and_moments_are_parsed() {
        let (column, mismatch) =
            read(ValueType::Date, &[Value::Text("1970-01-03"), Value::Text("soon"), Value::Integer(2)]);
        assert_eq!((column.dtype(), mismatch.map(|m| m.2)), (&DataType::Date, Some(2)));
        let (column, mismatch) = read(ValueType::Timestamp, &[Value::Text("1970-01-01 00:00:01")]);
        assert_eq!((column.dtype(), mismatch), (&DataType::Datetime(TimeUnit::Microseconds, None), None));
    }

    #[test]
    fn undecided_columns_widen_over_the_first_batch() {
        let infer = |values: &[Value<'_>]| {
            let mut builder = ColumnBuilder::undecided("c", 4);
            values.iter().for_each(|v| builder.push(*v));
            builder.take().dtype().clone()
        };
        assert_eq!(infer(&[Value::Null, Value::Integer(1)]), DataType::Int64);
        assert_eq!(infer(&[Value::Integer(1), Value::Real(0.5)]), DataType::Float64);
        assert_eq!(infer(&[Value::Integer(1), Value::Real(0.5), Value::Text("x")]), DataType::String);
        assert_eq!(infer(&[Value::Null]), DataType::String);
    }

    #[test]
    fn a_later_batch_may_not_contradict() {
        let mut builder = ColumnBuilder::undecided("c", 4);
        builder.push(Value::Integer(1));
        builder.take();
        builder.push(Value::Real(0.5));
        let message = builder.mismatch().unwrap().to_string();
        assert!(message.contains("found real in 1 row, first in row 1"), "{message}");
        assert!(message.ends_with("declare it in a schema"), "{message}");
    }
}
