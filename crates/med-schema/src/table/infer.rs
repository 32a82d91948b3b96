//! The schema that a frame's content suggests.

use polars::prelude::{Column as PolarsColumn, DataFrame};

use super::{TableError, data_type, value_type};
use crate::infer_kind::{Facts, infer_kind};
use crate::{Column, Kind, Role, Schema, ValueType};

/// The schema that fits a frame's content.
///
/// | values | kind |
/// | --- | --- |
/// | integers, all different, none missing, two rows at least | identifier, role key |
/// | integers 0 and 1; booleans; texts with two distinct values | binary |
/// | other integers | count, or continuous if one is negative |
/// | floats | continuous |
/// | texts with at most 50 distinct values, or as many as a twentieth of the rows | nominal |
/// | texts all different, none missing, over 20 rows | identifier, role key |
/// | other texts, and columns without any value | text |
/// | dates, timestamps | date, timestamp |
///
/// A column is nullable if a value is missing. Everything that is not a key is a feature; units and domains are left open.
///
/// # Errors
/// When a column has a type that no schema can hold (lists, structs, decimals, durations).
pub fn infer_schema(frame: &DataFrame) -> Result<Schema, TableError> {
    let columns = frame.columns().iter().map(infer_column).collect::<Result<Vec<_>, _>>()?;
    Ok(Schema::new(columns)?)
}

fn infer_column(column: &PolarsColumn) -> Result<Column, TableError> {
    let unknown = || TableError::Type { column: column.name().to_string(), found: column.dtype().to_string() };
    let held = value_type(column.dtype()).ok_or_else(unknown)?;
    let nulls = column.null_count();
    let range = match held {
        ValueType::Integer => {
            let values = column.cast(&data_type(held))?;
            values.i64()?.iter().flatten().fold(None, |range: Option<(i64, i64)>, value| {
                range.map_or(Some((value, value)), |(low, high)| Some((low.min(value), high.max(value))))
            })
        }
        _ => None,
    };
    let facts = Facts { rows: column.len() as u64, nulls: nulls as u64, range };
    let distinct = || Ok::<_, TableError>((column.n_unique()? - usize::from(nulls > 0)) as u64);
    let kind = infer_kind(held, facts, distinct)?;
    let role = if kind == Kind::Identifier { Role::Key } else { Role::Feature };
    Ok(Column::new(column.name().to_string(), kind, held).role(role).nullable(nulls > 0))
}

/// The frame with every column held as one of the six value types.
pub(super) fn canonical(mut frame: DataFrame) -> Result<DataFrame, TableError> {
    let columns: Vec<PolarsColumn> = frame.columns().to_vec();
    for column in columns {
        let unknown = || TableError::Type { column: column.name().to_string(), found: column.dtype().to_string() };
        let held = value_type(column.dtype()).ok_or_else(unknown)?;
        if *column.dtype() != data_type(held) {
            let cast = column.strict_cast(&data_type(held)).map_err(|_| beyond(&column).unwrap_or_else(unknown))?;
            frame.with_column(cast)?;
        }
    }
    Ok(frame)
}

/// The first of the integers that 64 bits with a sign do not hold.
fn beyond(column: &PolarsColumn) -> Option<TableError> {
    let integers = column.u64().ok()?;
    let row = integers.iter().position(|v| v.is_some_and(|v| i64::try_from(v).is_err()))?;
    let (column, found) = (column.name().to_string(), column.dtype().to_string());
    Some(TableError::Misfit { column, row: row as u64, found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use polars::prelude::df;

    fn kinds(frame: DataFrame) -> Vec<Kind> {
        infer_schema(&frame).unwrap().columns().iter().map(|c| c.kind).collect()
    }

    #[test]
    fn kinds_follow_the_values() {
        let frame = df!(
            "id" => [7, 8, 9], "flag" => [0, 1, 1], "visits" => [2, 2, 3], "delta" => [-1, 2, 2],
            "cost" => [1.0, 2.0, 3.0], "smoker" => ["Yes", "No", "No"], "city" => ["a", "b", "c"], "b" => [true, false, true]
        );
        assert_eq!(
            kinds(frame.unwrap()),
            [
                Kind::Identifier,
                Kind::Binary,
                Kind::Count,
                Kind::Continuous,
                Kind::Continuous,
                Kind::Binary,
                Kind::Nominal,
                Kind::Binary
            ]
        );
    }

    #[test]
    fn many_different_texts_are_text_or_identifiers() {
        let names: Vec<String> = (0..60).map(|i| format!("n{i}")).collect();
        let mut notes = names.clone();
        notes[0] = notes[1].clone();
        assert_eq!(kinds(df!("name" => names, "note" => notes).unwrap()), [Kind::Identifier, Kind::Text]);
        assert_eq!(kinds(df!("none" => [Option::<&str>::None, None]).unwrap()), [Kind::Text]);
    }

    #[test]
    fn one_row_is_no_identifier() {
        assert_eq!(kinds(df!("age" => [40]).unwrap()), [Kind::Count]);
    }
}
