//! SQLite through Diesel.
//!
//! SQLite keeps a storage class with every value, not with the column, so a catalogue's type is a promise that may be
//! broken in any row. Here values are read with the class they have; the builders judge whether they fit.

use std::path::Path;
use std::time::Duration;

use diesel::connection::{
    AnsiTransactionManager, DefaultLoadingMode, LoadConnection, SimpleConnection, TransactionManager,
};
use diesel::prelude::*;
use diesel::row::{Field, Row};
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text};
use diesel::sqlite::{SqliteConnection, SqliteType, SqliteValue};
// Linked for its feature `bundled`: Diesel does not build SQLite itself.
use libsqlite3_sys as _;
use med_schema::{ValueType, near_names};

use crate::EtlError;
use crate::builder::Value;
use crate::source::{CatalogueColumn, Database, RowSink, Selection};

/// Name of the view that stands for a query while its columns' types are looked up.
const QUERY_VIEW: &str = "med_etl_query";

pub(crate) struct SqliteDatabase(SqliteConnection);

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct TableColumn {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    declared: String,
}

#[derive(QueryableByName)]
struct SchemaVersion {
    #[diesel(sql_type = BigInt)]
    #[allow(dead_code, reason = "only that it can be read is of interest")]
    schema_version: i64,
}

impl SqliteDatabase {
    /// Opens a file read-only: nothing is created, and no statement can change it.
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, EtlError> {
        if !path.is_file() {
            return Err(EtlError::NoDatabase { path: path.to_owned() });
        }
        let refused = |source: Box<dyn std::error::Error + Send + Sync>| EtlError::Connect {
            database: path.display().to_string(),
            source,
        };
        let uri = read_only_uri(path).map_err(|e| refused(e.into()))?;
        let mut connection = SqliteConnection::establish(&uri).map_err(|e| refused(e.into()))?;
        let milliseconds = i32::try_from(busy_timeout.as_millis()).unwrap_or(i32::MAX);
        connection
            .batch_execute(&format!("PRAGMA busy_timeout = {milliseconds}; PRAGMA temp_store = MEMORY"))
            .map_err(|e| refused(e.into()))?;
        // SQLite opens lazily: only a read tells whether the file is a database.
        sql_query("SELECT schema_version FROM pragma_schema_version")
            .load::<SchemaVersion>(&mut connection)
            .map_err(|e| refused(e.into()))?;
        Ok(Self(connection))
    }

    pub(crate) fn of(connection: SqliteConnection) -> Self {
        Self(connection)
    }

    pub(crate) fn diesel(&mut self) -> &mut SqliteConnection {
        &mut self.0
    }

    /// The name as the catalogue has it; SQLite does not tell cases of ASCII letters apart.
    fn find_table(&mut self, wanted: &str) -> Result<String, EtlError> {
        let mut names = self.tables()?;
        let exact = names.iter().position(|n| n == wanted);
        match exact.or_else(|| names.iter().position(|n| n.eq_ignore_ascii_case(wanted))) {
            Some(place) => Ok(names.swap_remove(place)),
            None => {
                let near = near_names(wanted, names.iter().map(String::as_str));
                Err(EtlError::UnknownTable { table: wanted.to_owned(), near })
            }
        }
    }

    fn columns(&mut self, table: &str) -> QueryResult<Vec<CatalogueColumn>> {
        // `hidden = 1` marks columns of virtual tables that `SELECT *` leaves out; generated columns are read.
        let columns =
            sql_query("SELECT name, type AS declared FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid")
                .bind::<Text, _>(table)
                .load::<TableColumn>(&mut self.0)?;
        Ok(columns
            .into_iter()
            .map(|c| CatalogueColumn { value_type: declared_type(&c.declared), name: c.name })
            .collect())
    }
}

impl Database for SqliteDatabase {
    fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        let names = sql_query(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )
        .load::<Name>(&mut self.0)
        .map_err(EtlError::database("list the tables"))?;
        Ok(names.into_iter().map(|n| n.name).collect())
    }

    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError> {
        match selection {
            Selection::Table(table) => {
                let table = self.find_table(table)?;
                self.columns(&table).map_err(EtlError::database(format!("read the columns of {selection}")))
            }
            // A view over the query has the query's columns, with the declared types of those that are a table's. Brackets
            // let nothing but one SELECT through, if the query is one statement without them too.
            Selection::Query(query) => {
                let refused = |source| EtlError::Query { source };
                let query = one_statement(query);
                sql_query(format!("EXPLAIN {query}")).execute(&mut self.0).map_err(refused)?;
                let view = format!("CREATE TEMP VIEW {QUERY_VIEW} AS SELECT * FROM (\n{query}\n)");
                sql_query(view).execute(&mut self.0).map_err(refused)?;
                let columns = self.columns(QUERY_VIEW);
                let dropped = sql_query(format!("DROP VIEW temp.{QUERY_VIEW}")).execute(&mut self.0);
                let columns = columns.map_err(refused)?;
                dropped.map_err(EtlError::database("forget the query"))?;
                Ok(columns)
            }
        }
    }

    fn select(&mut self, selection: &Selection, columns: &[&str]) -> Result<String, EtlError> {
        match selection {
            Selection::Table(table) => {
                let table = self.find_table(table)?;
                let columns = columns.iter().map(|c| quoted(c)).collect::<Vec<_>>().join(", ");
                Ok(format!("SELECT {columns} FROM main.{}", quoted(&table)))
            }
            Selection::Query(query) => Ok(one_statement(query).to_owned()),
        }
    }

    fn begin(&mut self) -> Result<(), EtlError> {
        AnsiTransactionManager::begin_transaction(&mut self.0).map_err(EtlError::database("begin a read transaction"))
    }

    fn end(&mut self) -> Result<(), EtlError> {
        AnsiTransactionManager::rollback_transaction(&mut self.0)
            .map_err(EtlError::database("end the read transaction"))
    }

    fn scan<S: RowSink>(&mut self, sql: &str, names: &[&str], wanted: &[usize], sink: &mut S) -> Result<(), S::Error> {
        let failed = |source| S::Error::from(EtlError::Database { doing: "read the rows".to_owned(), source });
        let cursor = LoadConnection::<DefaultLoadingMode>::load(&mut self.0, sql_query(sql)).map_err(failed)?;
        // Fused: SQLite would start a finished statement anew.
        for (index, row) in cursor.fuse().enumerate() {
            let row = row.map_err(failed)?;
            if index == 0 {
                for (place, name) in names.iter().enumerate() {
                    let field = row.get(place);
                    let found = field.as_ref().and_then(|f| f.field_name()).unwrap_or_default();
                    // The view over a query numbers names that are there twice.
                    if found != *name {
                        return Err(EtlError::DuplicateColumn { name: found.to_owned() }.into());
                    }
                }
            }
            for (column, place) in wanted.iter().enumerate() {
                let Some(field) = row.get(*place) else { continue };
                match field.value() {
                    None => sink.value(column, Value::Null),
                    Some(mut value) => sink.value(column, read(&mut value)),
                }
            }
            drop(row);
            sink.end_row()?;
        }
        Ok(())
    }
}

#[inline]
fn read<'v>(value: &'v mut SqliteValue<'_, '_, '_>) -> Value<'v> {
    match value.value_type() {
        None => Value::Null,
        Some(SqliteType::Integer | SqliteType::SmallInt | SqliteType::Long) => Value::Integer(value.read_long()),
        Some(SqliteType::Float | SqliteType::Double) => Value::Real(value.read_double()),
        Some(SqliteType::Binary) => Value::Other("blob"),
        Some(SqliteType::Text) => {
            // Diesel puts a replacement character in the place of bytes that are not UTF-8, which may also be there honestly.
            if value.read_text().contains('\u{FFFD}') && std::str::from_utf8(value.read_blob()).is_err() {
                return Value::Other("text that is not UTF-8");
            }
            Value::Text(value.read_text())
        }
    }
}

/// The type that a column's declaration promises, by SQLite's affinity rules with words for days, moments and flags added;
/// nothing where it promises nothing. Numeric columns hold integers and reals, and are read as floats.
fn declared_type(declared: &str) -> Option<ValueType> {
    let declared = declared.to_ascii_uppercase();
    let base = declared.split('(').next().unwrap_or_default().trim();
    let has = |words: &[&str]| words.iter().any(|w| base.contains(w));
    match base {
        // SQLite itself says NUM and BLOB of an expression it knows nothing about.
        "" | "NUM" | "BLOB" | "ANY" => None,
        "DATE" => Some(ValueType::Date),
        _ if has(&["DATETIME", "TIMESTAMP"]) => Some(ValueType::Timestamp),
        _ if has(&["BOOL"]) => Some(ValueType::Boolean),
        _ if has(&["INT"]) => Some(ValueType::Integer),
        _ if has(&["CHAR", "CLOB", "TEXT"]) => Some(ValueType::Text),
        _ if has(&["REAL", "FLOA", "DOUB", "NUMERIC", "DECIMAL"]) => Some(ValueType::Float),
        _ => None,
    }
}

/// A name as an identifier that cannot be anything else.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn one_statement(query: &str) -> &str {
    query.trim_end_matches(|c: char| c.is_whitespace() || c == ';')
}

/// The file as a URI that SQLite opens read-only, whatever characters its path has.
fn read_only_uri(path: &Path) -> std::io::Result<String> {
    let path = std::path::absolute(path)?;
    let not_unicode = || std::io::Error::new(std::io::ErrorKind::InvalidInput, "the path is not Unicode");
    let path = path.to_str().ok_or_else(not_unicode)?;
    let mut uri = String::from(if path.starts_with('/') { "file://" } else { "file:///" });
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => uri.push(char::from(byte)),
            b'\\' if cfg!(windows) => uri.push('/'),
            b':' if cfg!(windows) => uri.push(':'),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?mode=ro");
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_promise_types() {
        for (declared, expected) in [
            ("INTEGER", Some(ValueType::Integer)),
            ("bigint", Some(ValueType::Integer)),
            ("VARCHAR(10)", Some(ValueType::Text)),
            ("double precision", Some(ValueType::Float)),
            ("DECIMAL(10,2)", Some(ValueType::Float)),
            ("Date", Some(ValueType::Date)),
            ("timestamp with time zone", Some(ValueType::Timestamp)),
            ("boolean", Some(ValueType::Boolean)),
            ("", None),
            ("BLOB", None),
            ("STRING", None),
        ] {
            assert_eq!(declared_type(declared), expected, "{declared}");
        }
    }

    #[test]
    fn any_path_is_one_uri() {
        assert_eq!(read_only_uri(Path::new("/a b/c?d#e%.db")).unwrap(), "file:///a%20b/c%3Fd%23e%25.db?mode=ro");
    }

    #[test]
    fn quotes_cannot_be_left() {
        assert_eq!(quoted(r#"a"; DROP TABLE b; --"#), r#""a""; DROP TABLE b; --""#);
    }
}
