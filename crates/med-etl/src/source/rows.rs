//! A few rows of a statement at once, whatever the back end: catalogues, counts, watermarks.

use diesel::backend::Backend;
use diesel::connection::{DefaultLoadingMode, LoadConnection};
use diesel::expression::QueryMetadata;
use diesel::row::{Field, Row as _};
use diesel::sql_types::Untyped;

use crate::EtlError;
use crate::source::CursorValue;
use crate::source::query::Statement;

/// A back end whose values can be part of a watermark.
pub(crate) trait CursorBackend: Backend + QueryMetadata<Untyped> {
    fn cursor(value: Self::RawValue<'_>) -> Result<Option<CursorValue>, &'static str>;
}

pub(crate) type Row = Vec<Option<CursorValue>>;

/// All rows of a statement. For the errors see [`Database::rows`](super::Database::rows).
pub(crate) fn read<C>(
    connection: &mut C,
    statement: Statement<'_, C::Backend>,
    doing: &'static str,
    columns: &[&str],
) -> Result<Vec<Row>, EtlError>
where
    C: LoadConnection<DefaultLoadingMode>,
    C::Backend: CursorBackend,
{
    let mut rows = Vec::new();
    for row in connection.load(statement).map_err(EtlError::database(doing))? {
        let row = row.map_err(EtlError::database(doing))?;
        let mut values = Vec::with_capacity(row.field_count());
        for place in 0..row.field_count() {
            let field = row.get(place);
            let value = field.as_ref().and_then(|f| f.value()).map_or(Ok(None), C::Backend::cursor);
            values.push(value.map_err(|found| {
                let column = columns.get(place).or(columns.last()).copied().unwrap_or_default();
                EtlError::CursorValue { column: column.to_owned(), found }
            })?);
        }
        rows.push(values);
    }
    Ok(rows)
}

/// A value as text; nothing is an empty one.
pub(crate) fn text(value: Option<Option<CursorValue>>) -> String {
    match value.flatten() {
        Some(CursorValue::Text(text)) => text,
        Some(CursorValue::Integer(number)) => number.to_string(),
        None => String::new(),
    }
}
