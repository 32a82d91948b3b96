//! Which kind of column its values suggest; the rules of `infer_schema`, whoever has counted.

use crate::{Kind, ValueType};

/// Texts with at most this many distinct values, or distinct in at most one row of twenty, are categories.
const MAX_LEVELS: u64 = 50;
/// Texts all different over more rows than this name things.
const MIN_IDENTIFIER_ROWS: u64 = 20;

/// What is known of a column's values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts {
    pub(crate) rows: u64,
    pub(crate) nulls: u64,
    /// The smallest and the largest whole number.
    pub(crate) range: Option<(i64, i64)>,
}

/// The kind. The number of distinct values is asked for only where it decides.
pub(crate) fn infer_kind<E>(
    held: ValueType,
    facts: Facts,
    distinct: impl FnOnce() -> Result<u64, E>,
) -> Result<Kind, E> {
    let Facts { rows, nulls, range } = facts;
    Ok(match held {
        ValueType::Boolean => Kind::Binary,
        ValueType::Float => Kind::Continuous,
        ValueType::Date => Kind::Date,
        ValueType::Timestamp => Kind::Timestamp,
        ValueType::Integer => {
            if range.is_some_and(|(low, high)| low >= 0 && high <= 1) {
                Kind::Binary
            } else if rows >= 2 && nulls == 0 && distinct()? == rows {
                Kind::Identifier
            } else if range.is_some_and(|(low, _)| low < 0) {
                Kind::Continuous
            } else {
                Kind::Count
            }
        }
        ValueType::Text => {
            let present = rows - nulls;
            if present == 0 {
                return Ok(Kind::Text);
            }
            let distinct = distinct()?;
            if rows > MIN_IDENTIFIER_ROWS && nulls == 0 && distinct == rows {
                Kind::Identifier
            } else if distinct == 2 {
                Kind::Binary
            } else if distinct <= MAX_LEVELS || distinct * 20 <= present {
                Kind::Nominal
            } else {
                Kind::Text
            }
        }
    })
}
