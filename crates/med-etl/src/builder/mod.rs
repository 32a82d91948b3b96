//! One column while it is read: values in, a frame's column out, misfits counted.

mod cells;
mod text;
mod value;
mod views;

use med_schema::ValueType;
use polars::prelude::*;

use crate::{ColumnMismatch, DeclaredBy};
use cells::{Cells, Kept, Reading};
#[cfg(feature = "postgres")]
pub(crate) use value::power_of_ten;
pub(crate) use value::{Decimal, Held, Value};
#[cfg(feature = "postgres")]
pub(crate) use views::Short;

/// Collects one column, batch by batch.
pub(crate) struct ColumnBuilder {
    name: PlSmallStr,
    capacity: usize,
    cells: Cells,
    declared_by: Option<DeclaredBy>,
    reading: Reading,
    nulls: u64,
    misfit: Option<Misfit>,
    /// Rows of this batch with misfits, from its first row, and what they hold; kept only when asked for.
    set_aside: Option<Vec<(usize, Held)>>,
    /// Rows of the batches before.
    batch_start: u64,
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
        let reading = Reading::default();
        Self { name, capacity, cells, declared_by, reading, nulls: 0, misfit: None, set_aside: None, batch_start: 0 }
    }

    /// A column whose type the first batch decides.
    pub(crate) fn undecided(name: &str, capacity: usize) -> Self {
        Self {
            cells: Cells::Undecided(Vec::new()),
            ..Self::declared(name, ValueType::Text, Some(DeclaredBy::FirstBatch), capacity).numbers_as_text()
        }
    }

    /// Numbers are written out in a text column instead of being misfits.
    pub(crate) fn numbers_as_text(mut self) -> Self {
        self.reading.numbers_as_text = true;
        self
    }

    /// Decimals become integers of their minor unit, which is the 10^`digits`th part: cents for 2.
    pub(crate) fn minor_units(mut self, digits: u32) -> Self {
        self.reading.minor_units = Some(digits);
        self
    }

    /// What misfits hold is kept until [`ColumnBuilder::take_set_aside`].
    pub(crate) fn keep_misfits(mut self) -> Self {
        self.set_aside = Some(Vec::new());
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
        self.cells.value_type()
    }

    /// Takes the next value. One that does not fit becomes null and is counted.
    #[inline(always)]
    pub(crate) fn push(&mut self, value: Value<'_>) {
        if !self.cells.push_same(value, self.reading) {
            self.push_other(value);
        }
    }

    #[inline(never)]
    fn push_other(&mut self, value: Value<'_>) {
        let view;
        let value = match value {
            Value::Short(text) => {
                view = text.view();
                Value::Text(view.get_inlined_slice().unwrap_or_default())
            }
            value => value,
        };
        if matches!(value, Value::Null) {
            self.nulls += 1;
        }
        let row = self.batch_start + self.cells.len() as u64;
        if let Err(found) = self.cells.push(value, self.reading) {
            self.misfits(found, row, value);
        }
    }

    #[cold]
    fn misfits(&mut self, found: &'static str, row: u64, value: Value<'_>) {
        self.cells.push_null();
        self.misfit.get_or_insert(Misfit { found, first_row: row, rows: 0 }).rows += 1;
        if let Some(set_aside) = &mut self.set_aside {
            // The rows of a batch are counted in `usize`.
            set_aside.push(((row - self.batch_start) as usize, value.held()));
        }
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
        self.batch_start += self.cells.len() as u64;
        if let Cells::Text(text) = &mut self.cells {
            return text.take();
        }
        let empty = Cells::of_type(self.value_type(), &self.name, self.capacity);
        std::mem::replace(&mut self.cells, empty).finish(self.name.clone())
    }

    /// The misfits of the batch taken last: their rows in it, and what they hold.
    pub(crate) fn take_set_aside(&mut self) -> Vec<(usize, Held)> {
        self.set_aside.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Gives an undecided column the narrowest type that holds all its values: integer, else float, else text. A column
    /// of nothing but nulls is text.
    fn decide(&mut self) {
        let Cells::Undecided(kept) = &mut self.cells else { return };
        let kept = std::mem::take(kept);
        let any = |wanted: fn(&Kept) -> bool| kept.iter().any(wanted);
        let value_type = if any(|v| matches!(v, Kept::Text(_) | Kept::Written(_))) {
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
                Kept::Written(v) => Value::Text(v.as_bytes()),
                Kept::Blob(v) => Value::Blob(v),
                Kept::Other(name) => Value::Other(name),
            };
            if let Err(found) = self.cells.push(value, self.reading) {
                self.misfits(found, row, value);
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
        let values = [Value::Integer(i64::MAX), Value::Real(3.0), Value::Real(3.5), Value::Text(b"3"), Value::Null];
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
            read(ValueType::Date, &[Value::Text(b"1970-01-03"), Value::Text(b"soon"), Value::Integer(2)]);
        assert_eq!((column.dtype(), mismatch.map(|m| m.2)), (&DataType::Date, Some(2)));
        let (column, mismatch) = read(ValueType::Timestamp, &[Value::Text(b"1970-01-01 00:00:01")]);
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
        assert_eq!(infer(&[Value::Integer(1), Value::Real(0.5), Value::Text(b"x")]), DataType::String);
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

    #[test]
    fn money_becomes_minor_units_without_loss() {
        let cents = |value: Value<'_>| {
            let mut builder = ColumnBuilder::declared("c", ValueType::Integer, None, 4).minor_units(2);
            builder.push(value);
            let found = builder.mismatch().map(|m| m.found);
            (builder.take().i64().unwrap().get(0), found)
        };
        let decimal = |text: &str| Decimal::parse(text).unwrap();
        assert_eq!(cents(Value::Decimal(&decimal("12.30"))), (Some(1230), None));
        assert_eq!(cents(Value::Integer(12)), (Some(1200), None));
        assert_eq!(cents(Value::Real(0.29)), (Some(29), None));
        assert_eq!(cents(Value::Text(b"-1.05")), (Some(-105), None));
        let more = Some("number with more decimals than its minor unit has".to_owned());
        assert_eq!(cents(Value::Decimal(&decimal("0.005"))), (None, more.clone()));
        assert_eq!(cents(Value::Real(0.1 + 0.2)), (None, more));
        assert_eq!(cents(Value::Text(b"much")), (None, Some("text".to_owned())));
    }

    #[test]
    fn misfits_are_set_aside_when_asked_for() {
        let mut builder = ColumnBuilder::declared("c", ValueType::Integer, None, 4).keep_misfits();
        builder.push(Value::Integer(1));
        builder.take();
        builder.push(Value::Integer(2));
        builder.push(Value::Text(b"two"));
        builder.take();
        assert_eq!(builder.take_set_aside(), [(1, Held::Text("two".to_owned()))]);
        assert_eq!(builder.take_set_aside(), []);
    }
}
