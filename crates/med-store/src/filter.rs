//! Which rows are asked for: a condition that can be pushed down to the files, row groups and Bloom filters.

use std::collections::HashSet;
use std::hash::Hash;

use chrono::{DateTime, NaiveDate, Utc};
use med_schema::{Schema, ValueType};
use polars::prelude::{BooleanChunked, DataFrame, NewChunkedArray, PolarsError, Series};

use crate::{Result, StoreError};

/// One value to compare with.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// A boolean.
    Boolean(bool),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// A text.
    Text(String),
    /// A day.
    Date(NaiveDate),
    /// A moment, kept to the microsecond.
    Timestamp(DateTime<Utc>),
}

impl Value {
    pub(crate) fn value_type(&self) -> ValueType {
        match self {
            Self::Boolean(_) => ValueType::Boolean,
            Self::Integer(_) => ValueType::Integer,
            Self::Float(_) => ValueType::Float,
            Self::Text(_) => ValueType::Text,
            Self::Date(_) => ValueType::Date,
            Self::Timestamp(_) => ValueType::Timestamp,
        }
    }

    /// Integers, days since 1970 and microseconds since then.
    pub(crate) fn number(&self) -> Option<i64> {
        match self {
            Self::Integer(n) => Some(*n),
            Self::Date(day) => Some(day.signed_duration_since(NaiveDate::default()).num_days()),
            Self::Timestamp(time) => Some(time.timestamp_micros()),
            _ => None,
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<NaiveDate> for Value {
    fn from(value: NaiveDate) -> Self {
        Self::Date(value)
    }
}

impl From<DateTime<Utc>> for Value {
    fn from(value: DateTime<Utc>) -> Self {
        Self::Timestamp(value)
    }
}

/// How a column is compared with a value. Missing values and NaN compare with nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    fn holds<T: PartialOrd + ?Sized>(self, left: &T, right: &T) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Less => left < right,
            Self::LessOrEqual => left <= right,
            Self::Greater => left > right,
            Self::GreaterOrEqual => left >= right,
        }
    }

    /// Whether a value between these bounds may hold.
    pub(crate) fn possible<T: PartialOrd + ?Sized>(self, min: &T, max: &T, right: &T) -> bool {
        match self {
            Self::Equal => min <= right && max >= right,
            Self::Less | Self::LessOrEqual => self.holds(min, right),
            Self::Greater | Self::GreaterOrEqual => self.holds(max, right),
        }
    }
}

/// A condition on rows.
///
/// ```
/// use med_store::Filter;
/// let filter = Filter::all([Filter::equal("region", "north"), Filter::one_of("client_id", ["c-1", "c-2"])]);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Filter {
    /// A column compared with a value.
    Compare {
        /// The column.
        column: String,
        /// How.
        comparison: Comparison,
        /// With what.
        value: Value,
    },
    /// A column equal to one of some values.
    OneOf {
        /// The column.
        column: String,
        /// The values.
        values: Vec<Value>,
    },
    /// All of these; of none, every row.
    All(Vec<Filter>),
    /// Any of these; of none, no row.
    Any(Vec<Filter>),
}

impl Filter {
    /// Rows whose `column` is `value`.
    pub fn equal(column: impl Into<String>, value: impl Into<Value>) -> Self {
        Self::compare(column, Comparison::Equal, value)
    }

    /// Rows whose `column` compares so with `value`.
    pub fn compare(column: impl Into<String>, comparison: Comparison, value: impl Into<Value>) -> Self {
        Self::Compare { column: column.into(), comparison, value: value.into() }
    }

    /// Rows whose `column` is one of `values`.
    pub fn one_of(column: impl Into<String>, values: impl IntoIterator<Item = impl Into<Value>>) -> Self {
        Self::OneOf { column: column.into(), values: values.into_iter().map(Into::into).collect() }
    }

    /// Rows for which all hold.
    pub fn all(filters: impl IntoIterator<Item = Filter>) -> Self {
        Self::All(filters.into_iter().collect())
    }

    /// Rows for which any holds.
    pub fn any(filters: impl IntoIterator<Item = Filter>) -> Self {
        Self::Any(filters.into_iter().collect())
    }

    /// Columns it looks at, each once.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let mut names = Vec::new();
        self.collect_columns(&mut names);
        names.sort_unstable();
        names.dedup();
        names
    }

    fn collect_columns<'a>(&'a self, names: &mut Vec<&'a str>) {
        match self {
            Self::Compare { column, .. } | Self::OneOf { column, .. } => names.push(column),
            Self::All(filters) | Self::Any(filters) => filters.iter().for_each(|f| f.collect_columns(names)),
        }
    }

    /// The type of the values a column is compared with.
    pub(crate) fn type_of(&self, column: &str) -> Option<ValueType> {
        match self {
            Self::Compare { column: name, value, .. } if name == column => Some(value.value_type()),
            Self::OneOf { column: name, values } if name == column => values.first().map(Value::value_type),
            Self::All(filters) | Self::Any(filters) => filters.iter().find_map(|f| f.type_of(column)),
            Self::Compare { .. } | Self::OneOf { .. } => None,
        }
    }

    /// Checks that its columns are in the schema and of the types of its values.
    pub(crate) fn check(&self, schema: &Schema) -> Result<()> {
        let wrong = |column: &str, reason: String| StoreError::Filter { column: column.to_owned(), reason };
        let check = |column: &str, value: &Value| {
            let found = schema.column(column).map_err(|e| wrong(column, e.to_string()))?.value_type;
            if found == value.value_type() {
                Ok(())
            } else {
                Err(wrong(column, format!("the column is of type {found}, the value of type {}", value.value_type())))
            }
        };
        match self {
            Self::Compare { column, value, .. } => check(column, value),
            Self::OneOf { column, values } => values.iter().try_for_each(|value| check(column, value)),
            Self::All(filters) | Self::Any(filters) => filters.iter().try_for_each(|f| f.check(schema)),
        }
    }

    /// For each row whether the filter holds.
    pub(crate) fn mask(&self, frame: &DataFrame) -> Result<Vec<bool>> {
        self.try_mask(frame).map_err(|e| StoreError::Convert { what: "filter of rows".to_owned(), source: e.into() })
    }

    fn try_mask(&self, frame: &DataFrame) -> Result<Vec<bool>, PolarsError> {
        let series = |column: &str| Ok::<_, PolarsError>(frame.column(column)?.as_materialized_series().clone());
        match self {
            Self::Compare { column, comparison, value } => compared(&series(column)?, *comparison, value),
            Self::OneOf { column, values } => contained(&series(column)?, values),
            Self::All(filters) => fold(frame, filters, true, |a, b| a && b),
            Self::Any(filters) => fold(frame, filters, false, |a, b| a || b),
        }
    }
}

fn fold(
    frame: &DataFrame,
    filters: &[Filter],
    start: bool,
    join: fn(bool, bool) -> bool,
) -> Result<Vec<bool>, PolarsError> {
    let mut all = vec![start; frame.height()];
    for filter in filters {
        for (held, holds) in all.iter_mut().zip(filter.try_mask(frame)?) {
            *held = join(*held, holds);
        }
    }
    Ok(all)
}

fn test<T>(values: impl Iterator<Item = Option<T>>, holds: impl Fn(&T) -> bool) -> Vec<bool> {
    values.map(|value| value.is_some_and(|value| holds(&value))).collect()
}

fn numbers(series: &Series) -> Result<Vec<Option<i64>>, PolarsError> {
    let numbers = series.to_physical_repr().cast(&polars::prelude::DataType::Int64)?;
    Ok(numbers.i64()?.iter().collect())
}

fn compared(series: &Series, comparison: Comparison, value: &Value) -> Result<Vec<bool>, PolarsError> {
    Ok(match value {
        Value::Boolean(right) => test(series.bool()?.iter(), |left| comparison.holds(left, right)),
        Value::Float(right) => test(series.f64()?.iter(), |left| comparison.holds(left, right)),
        Value::Text(right) => test(series.str()?.iter(), |left| comparison.holds(*left, right.as_str())),
        other => {
            let right = other.number().unwrap_or_default();
            test(numbers(series)?.into_iter(), |left| comparison.holds(left, &right))
        }
    })
}

fn contained(series: &Series, values: &[Value]) -> Result<Vec<bool>, PolarsError> {
    fn set<'a, T: Eq + Hash>(values: &'a [Value], get: impl Fn(&'a Value) -> Option<T>) -> HashSet<T> {
        values.iter().filter_map(get).collect()
    }
    Ok(match values.first() {
        None => vec![false; series.len()],
        Some(Value::Text(_)) => {
            let wanted = set(values, |v| if let Value::Text(text) = v { Some(text.as_str()) } else { None });
            test(series.str()?.iter(), |left| wanted.contains(left))
        }
        Some(Value::Boolean(_)) => {
            let wanted = set(values, |v| if let Value::Boolean(flag) = v { Some(*flag) } else { None });
            test(series.bool()?.iter(), |left| wanted.contains(left))
        }
        Some(Value::Float(_)) => {
            test(series.f64()?.iter(), |left| values.iter().any(|v| matches!(v, Value::Float(right) if right == left)))
        }
        Some(_) => {
            let wanted = set(values, Value::number);
            test(numbers(series)?.into_iter(), |left| wanted.contains(left))
        }
    })
}

/// The rows whose flag is `keep`.
pub(crate) fn rows_where(frame: &DataFrame, flags: &[bool], keep: bool) -> Result<DataFrame> {
    let mask = BooleanChunked::from_iter_values("".into(), flags.iter().map(|flag| *flag == keep));
    frame.filter(&mask).map_err(|e| StoreError::Convert { what: "filter of rows".to_owned(), source: e.into() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::Column;

    #[test]
    fn missing_values_and_nan_hold_for_nothing() {
        let frame = DataFrame::new(
            4,
            vec![
                Column::new("x".into(), [Some(1.0), None, Some(f64::NAN), Some(3.0)]),
                Column::new("t".into(), [Some("a"), Some("b"), None, Some("a")]),
            ],
        )
        .unwrap();
        let check = |filter: Filter, expected: [bool; 4]| assert_eq!(filter.mask(&frame).unwrap(), expected);
        check(Filter::compare("x", Comparison::GreaterOrEqual, 1.0), [true, false, false, true]);
        check(Filter::compare("x", Comparison::Less, 9.0), [true, false, false, true]);
        check(Filter::one_of("t", ["a", "z"]), [true, false, false, true]);
        check(Filter::all([Filter::equal("t", "a"), Filter::equal("x", 3.0)]), [false, false, false, true]);
        check(Filter::any([Filter::equal("t", "b"), Filter::equal("x", 3.0)]), [false, true, false, true]);
        check(Filter::any([]), [false; 4]);
        check(Filter::all([]), [true; 4]);
    }

    #[test]
    fn bounds_exclude_only_what_cannot_be() {
        assert!(Comparison::Equal.possible(&1, &3, &2) && !Comparison::Equal.possible(&1, &3, &4));
        assert!(Comparison::Less.possible(&1, &3, &2) && !Comparison::Less.possible(&1, &3, &1));
        assert!(Comparison::GreaterOrEqual.possible(&1, &3, &3) && !Comparison::Greater.possible(&1, &3, &3));
    }
}
