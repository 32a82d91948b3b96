//! Extraction: a table, a SELECT or a query of Diesel's query builder, read in batches into frames.
//!
//! The types of the columns are declared, by a [`Schema`](med_schema::Schema) or by the database's catalogue, before
//! the first row is read. All batches of an extraction come from one read transaction, so they show one state of the
//! database. Memory is that of one batch, whatever the size of the table.
//!
//! A back end is an implementation of the private trait `Database`: list tables, look up columns, scan. What
//! fits, what is counted and what is reported is decided once, here and in the column builders.

mod connection;
mod extract;
mod incremental;
#[cfg(feature = "mysql")]
mod mysql;
mod partition;
mod partitions;
#[cfg(feature = "postgres")]
mod postgres;
mod query;
mod read;
mod retry;
mod rows;
mod secret;
mod sql;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
pub mod strict;
mod url;

pub use connection::{Connection, Extracted};
pub use extract::{Extract, ExtractOptions, MismatchPolicy, Selection};
pub use incremental::{CursorValue, Incremental, NullCursor, Watermark};
pub use partitions::Partitions;
pub use query::DieselQuery;
pub use retry::Retry;
pub use url::Source;

use med_schema::{ValueType, near_names};

use crate::EtlError;
use crate::builder::Value;
use sql::{Cursor, Dialect};

#[cfg(not(any(feature = "sqlite", feature = "postgres", feature = "mysql")))]
compile_error!("med-etl reads databases: at least one of its features sqlite, postgres and mysql must be on");

/// The form of a column's values in PostgreSQL's binary format; other databases say it with each value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "only PostgreSQL sends columns of one form"))]
pub(crate) enum Wire {
    Boolean,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    #[default]
    Text,
    Date,
    Timestamp,
    Uuid,
}

/// One column as the database describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CatalogueColumn {
    pub(crate) name: String,
    pub(crate) value_type: Option<ValueType>,
    /// What the database is asked for in place of the values.
    pub(crate) read_as: ReadAs,
    /// What rows are ordered by, if by this column.
    pub(crate) order: Order,
    /// The form in which the database sends the values, where it says so beforehand.
    pub(crate) wire: Wire,
}

impl CatalogueColumn {
    /// As the database says it, its values read as they are.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn plain(name: String, value_type: Option<ValueType>, wire: Wire) -> Self {
        Self { name, value_type, read_as: ReadAs::default(), order: Order::default(), wire }
    }
}

/// What a column is asked for as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(not(all(feature = "postgres", feature = "mysql")), allow(dead_code, reason = "each database has its own"))]
pub(crate) enum ReadAs {
    #[default]
    Itself,
    /// Text of the database, as the values' own form is not read here.
    Text,
    /// The number that bits are.
    Number,
    /// The hexadecimal digits of bytes.
    Digits,
    /// The text of a geometry, which has no cast.
    Geometry,
}

/// What orders the rows by a column. All of a page's key is selected, compared and ordered by the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "only MySQL has such types"))]
pub(crate) enum Order {
    /// The value, as it compares with a literal of its text.
    #[default]
    Value,
    /// The number behind the value: MySQL orders `ENUM` by the place of the member and compares it with text by its name.
    Number,
    /// The bytes, which text cannot carry.
    Bytes,
    /// The value as a double: the text of a MySQL `FLOAT` is another number.
    Double,
}

/// Takes the values of a scan, row by row.
pub(crate) trait RowSink {
    type Error: From<EtlError>;
    fn value(&mut self, column: usize, value: Value<'_>);
    fn end_row(&mut self) -> Result<(), Self::Error>;
}

/// The rows to scan. Which of this a back end needs is its own affair.
#[cfg_attr(not(feature = "mysql"), allow(dead_code, reason = "only MySQL is read in pages"))]
pub(crate) struct Scan<'a> {
    pub(crate) selection: &'a Selection,
    /// The selection as it stands behind FROM.
    pub(crate) from: &'a str,
    /// All columns of the selection.
    pub(crate) columns: &'a [CatalogueColumn],
    /// Places of the columns to feed to the sink, in its order.
    pub(crate) wanted: &'a [usize],
    /// The condition that rows must meet.
    pub(crate) filter: Option<&'a str>,
    /// Columns that tell rows apart, and whether the database itself vouches for that.
    pub(crate) key: &'a [String],
    pub(crate) key_is_primary: bool,
    /// Rows to ask for at a time, where rows are asked for in pages.
    pub(crate) page_rows: usize,
    /// How to go on after a failure between pages.
    pub(crate) retry: Retry,
}

impl Scan<'_> {
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    pub(crate) fn wanted_columns(&self) -> impl Iterator<Item = &CatalogueColumn> {
        self.wanted.iter().map(|place| &self.columns[*place])
    }
}

/// What a back end can do.
pub(crate) trait Database: Send + Sized {
    const DIALECT: Dialect;
    /// Whether [`Database::scan`] cannot do without a key.
    const NEEDS_KEY: bool = false;
    /// Makes the selection's Diesel query, if it is one, for the statements that name it.
    fn hold(&mut self, selection: &Selection) -> Result<(), EtlError>;
    /// All rows of a statement as cursor values. A value that cannot be one is an error that names its column among `columns`; other
    /// errors say what it was done for.
    fn rows(&mut self, sql: &str, doing: &'static str, columns: &[&str]) -> Result<Vec<rows::Row>, EtlError>;
    /// Tables and views, by name.
    fn tables(&mut self) -> Result<Vec<String>, EtlError>;
    /// A table as it stands behind FROM.
    fn resolve(&mut self, table: &str) -> Result<String, EtlError>;
    /// The columns of a selection.
    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError>;
    /// Where in the database of the URL names are looked up for a selection, if there is more than one such place.
    fn namespace(&mut self, _: &Selection) -> Result<String, EtlError> {
        Ok(String::new())
    }
    /// The columns of a table's primary key, in its order; none without one.
    fn primary_key(&mut self, table: &str) -> Result<Vec<String>, EtlError>;
    /// Starts a transaction in which every read sees one state.
    fn begin(&mut self) -> Result<(), EtlError>;
    /// Ends it.
    fn end(&mut self) -> Result<(), EtlError>;
    /// Further connections that see the state which this one sees, between [`Database::begin`] and [`Database::end`].
    fn beside(&mut self, source: &Source, count: usize) -> Result<Vec<Self>, EtlError>;
    /// Feeds the rows to the sink.
    fn scan<S: RowSink>(&mut self, scan: &Scan<'_>, sink: &mut S) -> Result<(), S::Error>;

    /// Whether the order in which the database compares this column is the one that its values mean.
    fn check_cursor(&mut self, _from: &str, _column: &str) -> Result<(), EtlError> {
        Ok(())
    }

    /// The selection as it stands behind FROM.
    fn behind_from(&mut self, selection: &Selection) -> Result<String, EtlError> {
        match selection.select(Self::DIALECT) {
            Ok(select) => Ok(sql::as_table(&select)),
            Err(table) => self.resolve(table),
        }
    }

    /// The texts of a statement's first column.
    fn names(&mut self, sql: &str, doing: &'static str) -> Result<Vec<String>, EtlError> {
        let rows = self.rows(sql, doing, &["name"])?;
        Ok(rows.into_iter().map(|row| rows::text(row.into_iter().next())).collect())
    }

    /// How many rows there are, or a smaller number.
    fn count(&mut self, from: &str, filter: Option<&str>) -> Result<u64, EtlError> {
        let filter = filter.map(|f| format!(" WHERE {f}")).unwrap_or_default();
        let rows = self.rows(&format!("SELECT count(*) FROM {from}{filter}"), "count the rows", &["count"])?;
        match rows.first().map(Vec::as_slice) {
            Some([Some(CursorValue::Integer(count))]) => Ok(u64::try_from(*count).unwrap_or_default()),
            _ => Ok(0),
        }
    }

    /// The values of these columns in the row that is last when ordered by them, or in the one at `place` from 0; rows without a first
    /// value do not count.
    fn row_by_order(
        &mut self,
        from: &str,
        columns: &[Cursor<'_>],
        filter: Option<&str>,
        place: Option<u64>,
    ) -> Result<Option<Vec<Option<CursorValue>>>, EtlError> {
        let Some(first) = columns.first() else { return Ok(None) };
        let dialect = Self::DIALECT;
        let values: Vec<String> = columns.iter().map(|c| dialect.cursor(c)).collect();
        let names: Vec<&str> = columns.iter().map(|c| c.name).collect();
        let direction = if place.is_some() { "ASC" } else { "DESC" };
        let order: Vec<String> = columns.iter().map(|c| format!("{} {direction}", dialect.quoted(c.name))).collect();
        let filter = filter.map(|f| format!(" AND ({f})")).unwrap_or_default();
        let sql = format!(
            "SELECT {} FROM {from} WHERE {} IS NOT NULL{filter} ORDER BY {} LIMIT 1 OFFSET {}",
            values.join(", "),
            dialect.quoted(first.name),
            order.join(", "),
            place.unwrap_or(0),
        );
        Ok(self.rows(&sql, "read one row", &names)?.pop())
    }
}

/// The table of this name among those there are; `fold` for databases that do not tell cases of ASCII letters apart.
pub(crate) fn find_name(mut names: Vec<String>, wanted: &str, fold: bool) -> Result<String, EtlError> {
    let exact = names.iter().position(|n| n == wanted);
    match exact.or_else(|| names.iter().position(|n| fold && n.eq_ignore_ascii_case(wanted))) {
        Some(place) => Ok(names.swap_remove(place)),
        None => {
            let near = near_names(wanted, names.iter().map(String::as_str));
            Err(EtlError::UnknownTable { table: wanted.to_owned(), near })
        }
    }
}

/// A value as part of a watermark or a page's key.
pub(crate) fn cursor_value(value: Value<'_>) -> Result<Option<CursorValue>, &'static str> {
    Ok(Some(match value {
        Value::Null => return Ok(None),
        Value::Integer(number) => CursorValue::Integer(number),
        Value::Text(text) => match std::str::from_utf8(text) {
            Ok(text) if !text.contains('\0') => CursorValue::Text(text.to_owned()),
            Ok(_) => return Err("text with a zero byte"),
            Err(_) => return Err("text that is not UTF-8"),
        },
        Value::Short(text) => {
            return cursor_value(Value::Text(text.view().get_inlined_slice().unwrap_or_default()));
        }
        Value::Date(days) => CursorValue::Text(crate::iso::written_date(days)),
        Value::Timestamp(micros) => {
            CursorValue::Text(crate::iso::written_timestamp(micros).replace('T', " ").replace('Z', ""))
        }
        Value::Decimal(number) => CursorValue::Text(number.to_string()),
        other => return Err(other.storage_class()),
    }))
}
