//! Columns as the integrity checks read them.

use std::collections::HashMap;
use std::hash::Hash;

use med_schema::{Column, Table, ValueType};
use polars::prelude::{Column as FrameColumn, DataType, PolarsResult, StringChunked};

use crate::error::RunError;

/// The columns of a table, each with what its schema says.
pub(super) fn columns(table: &Table) -> impl Iterator<Item = (&Column, &FrameColumn)> {
    table.schema().columns().iter().zip(table.frame().columns())
}

/// The text columns.
pub(super) fn texts(table: &Table) -> impl Iterator<Item = (&Column, &StringChunked)> {
    columns(table).filter_map(|(spec, column)| Some((spec, column.as_materialized_series().str().ok()?)))
}

fn readable<T>(spec: &Column, column: &FrameColumn, read: PolarsResult<T>) -> Result<T, RunError> {
    read.map_err(|_| RunError::Frame { column: spec.name.clone(), found: column.dtype().to_string() })
}

/// Numbers, not-a-number where missing: days, microseconds and truth values count as numbers.
pub(super) fn numbers(spec: &Column, column: &FrameColumn) -> Result<Vec<f64>, RunError> {
    let series = column.as_materialized_series();
    let read = || {
        Ok(series.to_physical_repr().cast(&DataType::Float64)?.f64()?.iter().map(|v| v.unwrap_or(f64::NAN)).collect())
    };
    readable(spec, column, read())
}

/// Each row's value as a number from 1 in order of first appearance, 0 where missing; and how many there are.
#[derive(Debug, Clone)]
pub(super) struct Codes {
    pub(super) codes: Vec<u32>,
    pub(super) levels: usize,
}

impl Codes {
    pub(super) fn of(spec: &Column, column: &FrameColumn) -> Result<Self, RunError> {
        let series = column.as_materialized_series();
        let read = || match spec.value_type {
            ValueType::Text => Ok(Self::from_values(series.str()?.iter())),
            ValueType::Float => {
                let bits = |v: Option<f64>| v.filter(|v| !v.is_nan()).map(|v| (v + 0.0).to_bits());
                Ok(Self::from_values(series.f64()?.iter().map(bits)))
            }
            _ => {
                let whole = series.to_physical_repr().cast(&DataType::Int64)?;
                Ok(Self::from_values(whole.i64()?.iter()))
            }
        };
        readable(spec, column, read())
    }

    pub(super) fn from_values<T: Eq + Hash>(values: impl Iterator<Item = Option<T>>) -> Self {
        let mut seen: HashMap<T, u32> = HashMap::new();
        let code = |value: Option<T>| match value {
            None => 0,
            Some(value) => {
                let next = seen.len() as u32 + 1;
                *seen.entry(value).or_insert(next)
            }
        };
        let codes = values.map(code).collect();
        Self { codes, levels: seen.len() }
    }
}

/// Rows by what they hold in several columns: equal rows have equal numbers, missing equals missing.
pub(super) fn row_groups<'a>(
    rows: usize,
    columns: impl Iterator<Item = (&'a Column, &'a FrameColumn)>,
) -> Result<Codes, RunError> {
    let mut groups = Codes { codes: vec![1; rows], levels: usize::from(rows > 0) };
    for (spec, column) in columns {
        let codes = Codes::of(spec, column)?;
        groups = Codes::from_values(groups.codes.iter().zip(&codes.codes).map(Some));
    }
    Ok(groups)
}

/// White space and ASCII punctuation.
pub(super) fn is_special(c: char) -> bool {
    c.is_ascii_punctuation() || c.is_whitespace()
}

/// At most `most` of the rows, evenly spaced.
pub(super) fn spread_rows(rows: usize, most: usize) -> Vec<usize> {
    if rows <= most { (0..rows).collect() } else { (0..most).map(|i| i * rows / most).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_spread_evenly() {
        assert_eq!((spread_rows(3, 5), spread_rows(10, 4)), (vec![0, 1, 2], vec![0, 2, 5, 7]));
    }
}
