//! Columns with other names, types, or none.

use med_schema::{Column as Declared, Kind, Role, Schema, Table, ValueType};
use polars::prelude::*;
use serde::{Deserialize, Serialize};

use super::{Transform, Transformed, free, report};
use crate::EtlError;
use crate::builder::{ColumnBuilder, Value};

/// Gives a column another name, at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    from: String,
    to: String,
}

impl Rename {
    /// `from` becomes `to`.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into() }
    }
}

impl Transform for Rename {
    fn name(&self) -> &str {
        "rename"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        table.schema().column(&self.from)?;
        free(&table, &self.to)?;
        let mut report = report(self.name(), table.n_rows());
        report.columns_added.push(self.to.clone());
        report.columns_removed.push(self.from.clone());
        let (mut frame, schema) = table.into_parts();
        frame.rename(&self.from, PlSmallStr::from_str(&self.to))?;
        let mut columns = schema.columns().to_vec();
        columns.iter_mut().filter(|c| c.name == self.from).for_each(|c| c.name.clone_from(&self.to));
        Ok(Transformed { table: Table::parse(frame, Schema::new(columns)?)?, report })
    }
}

/// Removes columns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Drop {
    columns: Vec<String>,
}

impl Drop {
    /// Removes these.
    pub fn new<S: Into<String>>(columns: impl IntoIterator<Item = S>) -> Self {
        Self { columns: columns.into_iter().map(Into::into).collect() }
    }
}

impl Transform for Drop {
    fn name(&self) -> &str {
        "drop"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        for column in &self.columns {
            table.schema().column(column)?;
        }
        let mut report = report(self.name(), table.n_rows());
        report.columns_removed.clone_from(&self.columns);
        let (frame, schema) = table.into_parts();
        let kept = schema.columns().iter().filter(|c| !self.columns.contains(&c.name)).cloned().collect();
        let frame = frame.drop_many(self.columns.iter().map(String::as_str));
        Ok(Transformed { table: Table::parse(frame, Schema::new(kept)?)?, report })
    }
}

/// Holds a column as another type, without loss: integers as floats and back when they are whole and within ±2^53,
/// flags as 0 and 1 and back, ISO text as days or moments and back, numbers as text. A value that cannot be held so is
/// an error that counts such rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cast {
    column: String,
    to: ValueType,
}

impl Cast {
    /// `column` as `to`. The kind stays if it fits the type; else it is the one that the type suggests.
    pub fn new(column: impl Into<String>, to: ValueType) -> Self {
        Self { column: column.into(), to }
    }

    fn declare(&self, mut column: Declared) -> Declared {
        column.value_type = self.to;
        if !column.kind.types().contains(&self.to) {
            column.kind = match self.to {
                ValueType::Boolean => Kind::Binary,
                ValueType::Integer | ValueType::Float => Kind::Continuous,
                ValueType::Text => Kind::Nominal,
                ValueType::Date => Kind::Date,
                ValueType::Timestamp => Kind::Timestamp,
            };
            column.domain = None;
            if column.role == Role::Key {
                column.role = Role::Feature;
            }
        }
        if matches!(self.to, ValueType::Text | ValueType::Boolean)
            && matches!(column.domain, Some(med_schema::Domain::Range { .. }))
        {
            column.domain = None;
        }
        column
    }
}

impl Transform for Cast {
    fn name(&self) -> &str {
        "cast"
    }

    fn apply(&self, table: Table) -> Result<Transformed, EtlError> {
        let declared = table.schema().column(&self.column)?.clone();
        let mut report = report(self.name(), table.n_rows());
        let (mut frame, schema) = table.into_parts();
        let column = frame.column(&self.column)?;
        let mut builder = ColumnBuilder::declared(&self.column, self.to, None, column.len()).numbers_as_text();
        push_all(column, &mut builder)?;
        if let Some(mismatch) = builder.mismatch() {
            return Err(EtlError::Cast(mismatch));
        }
        if declared.value_type != self.to {
            report.cells_cast.insert(self.column.clone(), column.len() as u64 - builder.nulls());
        }
        frame.replace(&self.column, builder.take())?;
        Ok(Transformed { table: Table::parse(frame, schema.with_column(self.declare(declared))?)?, report })
    }
}

fn push_all(column: &Column, builder: &mut ColumnBuilder) -> PolarsResult<()> {
    match column.dtype() {
        DataType::Boolean => {
            column.bool()?.iter().for_each(|v| builder.push(v.map_or(Value::Null, |v| Value::Integer(v.into()))));
        }
        DataType::Int64 => column.i64()?.iter().for_each(|v| builder.push(v.map_or(Value::Null, Value::Integer))),
        DataType::Float64 => column.f64()?.iter().for_each(|v| builder.push(v.map_or(Value::Null, Value::Real))),
        DataType::Date => {
            let text = |days: i32| {
                chrono::NaiveDate::default()
                    .checked_add_signed(chrono::TimeDelta::days(days.into()))
                    .map(|d| d.to_string())
            };
            column.date()?.physical().iter().for_each(|v| push_text(v.and_then(text), builder));
        }
        DataType::Datetime(..) => {
            let text = |micros: i64| {
                chrono::DateTime::from_timestamp_micros(micros).map(|t| t.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
            };
            column.datetime()?.physical().iter().for_each(|v| push_text(v.and_then(text), builder));
        }
        _ => column.str()?.iter().for_each(|v| builder.push(v.map_or(Value::Null, |v| Value::Text(v.as_bytes())))),
    }
    Ok(())
}

fn push_text(text: Option<String>, builder: &mut ColumnBuilder) {
    builder.push(text.as_deref().map_or(Value::Null, |v| Value::Text(v.as_bytes())));
}
