//! Rows named by some of their columns.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, TimeDelta};
use polars::prelude::{Column, DataFrame, DataType, PolarsError};

use crate::filter::{Comparison, Filter, Value};
use crate::{Result, StoreError};

fn failed(source: PolarsError) -> StoreError {
    StoreError::Convert { what: "key of rows".to_owned(), source: source.into() }
}

/// Each row's key as bytes: equal keys, equal bytes. A text is preceded by its length, so that columns cannot run
/// together.
pub(crate) fn row_keys(frame: &DataFrame, keys: &[String]) -> Result<Vec<Vec<u8>>> {
    let mut encoded = vec![Vec::with_capacity(16 * keys.len()); frame.height()];
    for name in keys {
        let column = frame.column(name).map_err(failed)?;
        encode(column, &mut encoded).map_err(failed)?;
    }
    Ok(encoded)
}

fn encode(column: &Column, rows: &mut [Vec<u8>]) -> Result<(), PolarsError> {
    if column.dtype() == &DataType::String {
        for (row, text) in rows.iter_mut().zip(column.str()?.iter()) {
            let text = text.unwrap_or_default();
            row.extend_from_slice(&(text.len() as u64).to_le_bytes());
            row.extend_from_slice(text.as_bytes());
        }
        return Ok(());
    }
    let numbers = column.to_physical_repr().cast(&DataType::Int64)?;
    for (row, number) in rows.iter_mut().zip(numbers.i64()?.iter()) {
        row.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
    Ok(())
}

/// Whether the rows are in ascending order of these columns as they are. Of columns with missing values or floats, which have an order
/// of their own, the answer is no.
pub(crate) fn in_order(frame: &DataFrame, keys: &[String]) -> Result<bool> {
    // Rows that the columns so far do not tell from the ones before them.
    let mut ties: Vec<usize> = (1..frame.height()).collect();
    for name in keys {
        let column = frame.column(name).map_err(failed)?;
        if column.null_count() > 0 || column.dtype().is_float() {
            return Ok(false);
        }
        let fall = keep_ties(column, &mut ties).map_err(failed)?;
        if fall {
            return Ok(false);
        }
        if ties.is_empty() {
            break;
        }
    }
    Ok(true)
}

/// Takes out the rows that are after the ones before them. Whether one is before.
fn keep_ties(column: &Column, ties: &mut Vec<usize>) -> Result<bool, PolarsError> {
    let mut fall = false;
    let mut tell = |order: Ordering| {
        fall |= order == Ordering::Greater;
        order == Ordering::Equal
    };
    if column.dtype() == &DataType::String {
        let texts = column.str()?.rechunk();
        ties.retain(|&row| tell(texts.get(row - 1).cmp(&texts.get(row))));
    } else {
        let numbers = column.to_physical_repr().cast(&DataType::Int64)?;
        let numbers = numbers.i64()?.rechunk();
        ties.retain(|&row| tell(numbers.get(row - 1).cmp(&numbers.get(row))));
    }
    Ok(fall)
}

/// The values of the key columns of some rows, for looking them up in Bloom filters.
pub(crate) struct KeyValues {
    columns: Vec<(String, Vec<Option<Value>>)>,
    rows: usize,
}

impl KeyValues {
    /// Of rows whose keys have no nulls.
    pub(crate) fn of(frame: &DataFrame, keys: &[String]) -> Result<Self> {
        let column = |name: &String| Ok((name.clone(), values(frame.column(name)?)?));
        let columns = keys.iter().map(column).collect::<Result<_, PolarsError>>().map_err(failed)?;
        Ok(Self { columns, rows: frame.height() })
    }

    /// For each column its values, row by row; those that no calendar has are left open.
    pub(crate) fn columns(&self) -> &[(String, Vec<Option<Value>>)] {
        &self.columns
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }
}

fn values(column: &Column) -> Result<Vec<Option<Value>>, PolarsError> {
    if column.dtype() == &DataType::String {
        return Ok(column.str()?.iter().map(|text| text.map(Value::from)).collect());
    }
    let numbers = column.to_physical_repr().cast(&DataType::Int64)?;
    Ok(numbers.i64()?.iter().map(|number| value(column.dtype(), number?)).collect())
}

/// A physical value of a column that is no text; `None` for a time that no calendar has.
fn value(kind: &DataType, number: i64) -> Option<Value> {
    match kind {
        DataType::Boolean => Some(Value::Boolean(number != 0)),
        DataType::Date => {
            let day = NaiveDate::default().checked_add_signed(TimeDelta::try_days(number)?)?;
            Some(Value::Date(day))
        }
        DataType::Datetime(..) => DateTime::from_timestamp_micros(number).map(Value::Timestamp),
        _ => Some(Value::Integer(number)),
    }
}

/// The smallest and the largest value, where there is one.
fn ends(column: &Column) -> Result<(Option<Value>, Option<Value>), PolarsError> {
    if column.dtype() == &DataType::String {
        let texts = column.str()?;
        return Ok((texts.iter().flatten().min().map(Value::from), texts.iter().flatten().max().map(Value::from)));
    }
    let numbers = column.to_physical_repr().cast(&DataType::Int64)?;
    let numbers = numbers.i64()?;
    let value = |number: i64| value(column.dtype(), number);
    Ok((numbers.iter().flatten().min().and_then(value), numbers.iter().flatten().max().and_then(value)))
}

/// The smallest box that holds the keys of all these rows; `None` when there are none.
pub(crate) fn bounds(frame: &DataFrame, keys: &[String]) -> Result<Option<Filter>> {
    if frame.height() == 0 {
        return Ok(None);
    }
    let mut sides = Vec::with_capacity(2 * keys.len());
    for name in keys {
        let (first, last) = frame.column(name).and_then(ends).map_err(failed)?;
        sides.extend(first.map(|first| Filter::compare(name, Comparison::GreaterOrEqual, first)));
        sides.extend(last.map(|last| Filter::compare(name, Comparison::LessOrEqual, last)));
    }
    Ok(Some(Filter::All(sides)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_is_that_of_all_columns_together() {
        let keys = ["t".to_owned(), "n".to_owned()];
        let check = |texts: [Option<&str>; 3], numbers: [i64; 3], expected: bool| {
            let columns = vec![Column::new("t".into(), texts), Column::new("n".into(), numbers)];
            let frame = DataFrame::new(3, columns).unwrap();
            assert_eq!(in_order(&frame, &keys).unwrap(), expected, "{texts:?} {numbers:?}");
        };
        check([Some("a"), Some("a"), Some("b")], [1, 2, 0], true);
        check([Some("a"), Some("a"), Some("b")], [1, 1, 1], true);
        check([Some("a"), Some("a"), Some("b")], [2, 1, 3], false);
        check([Some("a"), Some("b"), Some("a")], [1, 2, 3], false);
        check([Some("a"), Some("a10"), Some("a9")], [3, 2, 1], true);
        check([None, Some("a"), Some("b")], [1, 2, 3], false);
        assert!(in_order(&DataFrame::empty(), &[]).unwrap());
    }

    #[test]
    fn keys_lie_within_their_bounds() {
        let days = Column::new("d".into(), [3_i32, -1]).cast(&DataType::Date).unwrap();
        let frame = DataFrame::new(2, vec![Column::new("t".into(), ["b", "a"]), days]).unwrap();
        let keys = ["t".to_owned(), "d".to_owned()];
        let filter = bounds(&frame, &keys).unwrap().unwrap();
        assert_eq!(filter.mask(&frame).unwrap(), [true, true]);
        let day = |n| Value::Date(NaiveDate::default() + TimeDelta::days(n));
        let side = |name: &str, how, value: Value| Filter::compare(name, how, value);
        assert_eq!(
            filter,
            Filter::all([
                side("t", Comparison::GreaterOrEqual, "a".into()),
                side("t", Comparison::LessOrEqual, "b".into()),
                side("d", Comparison::GreaterOrEqual, day(-1)),
                side("d", Comparison::LessOrEqual, day(3)),
            ])
        );
        assert!(bounds(&frame.clear(), &keys).unwrap().is_none());
        assert_eq!(KeyValues::of(&frame, &keys).unwrap().columns()[1].1, [Some(day(3)), Some(day(-1))]);
    }
}
