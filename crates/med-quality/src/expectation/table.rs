//! Rules about the table as a whole.

use serde_json::{Map, Value};

use crate::bound::Bounds;
use crate::error::SuiteError;
use crate::kwargs::Kwargs;

/// What is expected of the table.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum TableRule {
    /// There is such a column, at this place where one is given (from the end where negative).
    ColumnExists {
        /// The column.
        column: String,
        /// Its place.
        index: Option<i64>,
    },
    /// The column is held as this type.
    ColumnType {
        /// The column.
        column: String,
        /// The type.
        type_name: String,
    },
    /// The number of rows lies in a range.
    RowCountBetween(Bounds),
    /// There are this many rows.
    RowCountEqual(i64),
    /// The number of columns lies in a range.
    ColumnCountBetween(Bounds),
    /// There are this many columns.
    ColumnCountEqual(i64),
    /// The columns are these, in this order; `None` accepts any.
    ColumnsOrdered(Option<Vec<String>>),
    /// The columns are these, in any order.
    ColumnsSet {
        /// The columns.
        columns: Vec<String>,
        /// Others may not be there.
        exact: bool,
    },
}

impl TableRule {
    pub(crate) const NAMES: [&'static str; 8] = [
        "expect_column_to_exist",
        "expect_column_type_to_be",
        "expect_table_row_count_to_be_between",
        "expect_table_row_count_to_equal",
        "expect_table_column_count_to_be_between",
        "expect_table_column_count_to_equal",
        "expect_table_columns_to_match_ordered_list",
        "expect_table_columns_to_match_set",
    ];

    pub(crate) fn name(&self) -> &'static str {
        Self::NAMES[match self {
            Self::ColumnExists { .. } => 0,
            Self::ColumnType { .. } => 1,
            Self::RowCountBetween(_) => 2,
            Self::RowCountEqual(_) => 3,
            Self::ColumnCountBetween(_) => 4,
            Self::ColumnCountEqual(_) => 5,
            Self::ColumnsOrdered(_) => 6,
            Self::ColumnsSet { .. } => 7,
        }]
    }

    /// The column it is about.
    pub(crate) fn column(&self) -> Option<&str> {
        match self {
            Self::ColumnExists { column, .. } | Self::ColumnType { column, .. } => Some(column),
            _ => None,
        }
    }

    pub(crate) fn counts_rows(&self) -> bool {
        matches!(self, Self::RowCountBetween(_) | Self::RowCountEqual(_))
    }

    pub(crate) fn read(name: &str, kwargs: &mut Kwargs<'_>) -> Result<Option<Self>, SuiteError> {
        let count = "a whole number";
        Ok(Some(match Self::NAMES.iter().position(|known| *known == name) {
            Some(0) => {
                Self::ColumnExists { column: kwargs.required_string("column")?, index: kwargs.integer("column_index")? }
            }
            Some(1) => Self::ColumnType {
                column: kwargs.required_string("column")?,
                type_name: kwargs.required_string("type_")?,
            },
            Some(2) => Self::RowCountBetween(count_bounds(kwargs.number_bounds()?, kwargs)?),
            Some(3) => Self::RowCountEqual(kwargs.integer("value")?.ok_or_else(|| kwargs.missing("value", count))?),
            Some(4) => Self::ColumnCountBetween(count_bounds(kwargs.count_bounds()?, kwargs)?),
            Some(5) => Self::ColumnCountEqual(kwargs.integer("value")?.ok_or_else(|| kwargs.missing("value", count))?),
            Some(6) => Self::ColumnsOrdered(kwargs.strings("column_list")?),
            Some(7) => Self::ColumnsSet {
                columns: kwargs.strings("column_set")?.unwrap_or_default(),
                exact: match kwargs.take("exact_match") {
                    None => true,
                    Some(Value::Bool(exact)) => exact,
                    Some(other) => return Err(kwargs.wrong("exact_match", "true or false", &other)),
                },
            },
            _ => return Ok(None),
        }))
    }

    pub(crate) fn write(&self, kwargs: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| kwargs.insert(name.to_owned(), value);
        match self {
            Self::ColumnExists { column, index } => {
                put("column", Value::from(column.as_str()));
                if let Some(index) = index {
                    put("column_index", Value::from(*index));
                }
            }
            Self::ColumnType { column, type_name } => {
                put("column", Value::from(column.as_str()));
                put("type_", Value::from(type_name.as_str()));
            }
            Self::RowCountBetween(bounds) | Self::ColumnCountBetween(bounds) => bounds.write(kwargs),
            Self::RowCountEqual(count) | Self::ColumnCountEqual(count) => {
                put("value", Value::from(*count));
            }
            Self::ColumnsOrdered(columns) => {
                if let Some(columns) = columns {
                    put("column_list", Value::from(columns.clone()));
                }
            }
            Self::ColumnsSet { columns, exact } => {
                put("column_set", Value::from(columns.clone()));
                if !exact {
                    put("exact_match", Value::Bool(false));
                }
            }
        }
    }
}

fn count_bounds(bounds: Bounds, kwargs: &Kwargs<'_>) -> Result<Bounds, SuiteError> {
    match bounds.max {
        Some(max) if bounds.is_reversed() => {
            Err(kwargs.wrong("max_value", "a number of at least min_value", &max.to_json()))
        }
        _ => Ok(bounds),
    }
}
