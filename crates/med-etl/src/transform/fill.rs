//! Missing values become a stated one.

use med_schema::{Table, ValueType};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Transform, Transformed, report};
use crate::EtlError;

/// A value to fill in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum FillValue {
    /// true or false.
    Boolean(bool),
    /// A whole number; fits float columns too.
    Integer(i64),
    /// A number.
    Float(f64),
    /// Text.
    Text(String),
}

impl FillValue {
    fn value_type(&self) -> ValueType {
        match self {
            Self::Boolean(_) => ValueType::Boolean,
            Self::Integer(_) => ValueType::Integer,
            Self::Float(_) => ValueType::Float,
            Self::Text(_) => ValueType::Text,
        }
    }
}

impl From<&str> for FillValue {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<bool> for FillValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i64> for FillValue {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for FillValue {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// Fills the missing values of one column. The column is not nullable afterwards, whether or not any were missing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FillMissing {
    column: String,
    value: FillValue,
}

impl FillMissing {
    /// Fills `column` with `value`.
    pub fn new(column: impl Into<String>, value: impl Into<FillValue>) -> Self {
        Self { column: column.into(), value: value.into() }
    }
}

impl Transform for FillMissing {
    fn name(&self) -> &str {
        "fill_missing"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        let mut declared = table.schema().column(&self.column)?.clone();
        let mut report = report(self.name(), table.n_rows());
        let (mut frame, schema) = table.into_parts();
        let column = frame.column(&self.column)?;
        report.cells_filled.insert(self.column.clone(), column.null_count() as u64);
        let name = column.name().clone();
        // Nulls are replaced through iterators: a fill of one value needs no kernel, and the type stays as declared.
        let filled = match (&self.value, declared.value_type) {
            (FillValue::Boolean(v), ValueType::Boolean) => {
                column.bool()?.iter().map(|c| c.unwrap_or(*v)).collect::<BooleanChunked>().into_column()
            }
            (FillValue::Integer(v), ValueType::Integer) => filled(column.i64()?, *v).into_column(),
            (FillValue::Integer(v), ValueType::Float) => filled(column.f64()?, *v as f64).into_column(),
            (FillValue::Float(v), ValueType::Float) => filled(column.f64()?, *v).into_column(),
            (FillValue::Text(v), ValueType::Text) => {
                StringChunked::from_iter_values(name.clone(), column.str()?.iter().map(|c| c.unwrap_or(v)))
                    .into_column()
            }
            (value, expected) => {
                let found = value.value_type();
                return Err(EtlError::FillType { column: self.column.clone(), expected, found });
            }
        };
        frame.replace(&self.column, filled.with_name(name))?;
        declared.nullable = false;
        Ok(Transformed { table: Table::parse(frame, schema.with_column(declared)?)?, report })
    }
}

fn filled<T: PolarsNumericType>(column: &ChunkedArray<T>, value: T::Native) -> ChunkedArray<T> {
    ChunkedArray::from_vec(column.name().clone(), column.iter().map(|c| c.unwrap_or(value)).collect())
}
