//! SQLite through Diesel.
//!
//! SQLite keeps a storage class with every value, not with the column, so a catalogue's type is a promise that may be
//! broken in any row. Here values are read with the class they have; the builders judge whether they fit.

use std::path::{Path, PathBuf};
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
use med_schema::ValueType;

use crate::EtlError;
use crate::builder::Value;
use crate::source::sql::{Dialect, one_statement};
use crate::source::{
    CatalogueColumn, CursorValue, Database, RowSink, Scan, Selection, Source, Wire, cursor_value, find_name,
};

/// Name of the view that stands for a query while its columns' types are looked up.
const QUERY_VIEW: &str = "med_etl_query";

pub(crate) struct SqliteDatabase {
    connection: SqliteConnection,
    /// The file and how long to wait for it, unless the caller opened the connection.
    file: Option<(PathBuf, Duration)>,
    probe: Option<Probe>,
}

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
struct Number {
    #[diesel(sql_type = BigInt)]
    number: i64,
}

impl SqliteDatabase {
    /// Opens a file read-only: nothing is created, and no statement can change it.
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, EtlError> {
        let connection = opened(path, busy_timeout)?;
        Ok(Self { connection, file: Some((path.to_owned(), busy_timeout)), probe: None })
    }

    pub(crate) fn of(connection: SqliteConnection) -> Self {
        Self { connection, file: None, probe: None }
    }

    pub(crate) fn diesel(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    fn look(&mut self) -> Result<(), EtlError> {
        sql_query("SELECT schema_version AS number FROM pragma_schema_version")
            .get_result::<Number>(&mut self.connection)
            .map(drop)
            .map_err(EtlError::database("begin a read transaction"))
    }

    fn columns(&mut self, table: &str) -> QueryResult<Vec<CatalogueColumn>> {
        // `hidden = 1` marks columns of virtual tables that `SELECT *` leaves out; generated columns are read.
        let columns =
            sql_query("SELECT name, type AS declared FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid")
                .bind::<Text, _>(table)
                .load::<TableColumn>(&mut self.connection)?;
        Ok(columns
            .into_iter()
            .map(|c| CatalogueColumn {
                value_type: declared_type(&c.declared),
                name: c.name,
                as_text: false,
                wire: Wire::default(),
            })
            .collect())
    }
}

/// Looks at how often others have committed, without a transaction.
struct Probe {
    connection: SqliteConnection,
    before: i64,
}

impl Probe {
    fn version(&mut self) -> Result<i64, EtlError> {
        sql_query("SELECT data_version AS number FROM pragma_data_version")
            .get_result::<Number>(&mut self.connection)
            .map(|n| n.number)
            .map_err(EtlError::database("look whether the database changed"))
    }
}

impl Database for SqliteDatabase {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        let names = sql_query(
            "SELECT name FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name",
        )
        .load::<Name>(&mut self.connection)
        .map_err(EtlError::database("list the tables"))?;
        Ok(names.into_iter().map(|n| n.name).collect())
    }

    fn resolve(&mut self, table: &str) -> Result<String, EtlError> {
        Ok(format!("main.{}", Dialect::Sqlite.quoted(&find_name(self.tables()?, table, true)?)))
    }

    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError> {
        match selection {
            Selection::Table(table) => {
                let table = find_name(self.tables()?, table, true)?;
                self.columns(&table).map_err(EtlError::database("look up the columns"))
            }
            Selection::Query(query) => {
                let refused = |source| EtlError::Query { source };
                let query = one_statement(query);
                // A view over the query has the query's columns, with the declared types of those that are a table's. Brackets
                // let nothing but one SELECT through, if the query is one statement without them too.
                sql_query(format!("EXPLAIN {query}")).execute(&mut self.connection).map_err(refused)?;
                let view = format!("CREATE TEMP VIEW {QUERY_VIEW} AS SELECT * FROM (\n{query}\n)");
                sql_query(view).execute(&mut self.connection).map_err(refused)?;
                let columns = self.columns(QUERY_VIEW);
                let dropped = sql_query(format!("DROP VIEW temp.{QUERY_VIEW}")).execute(&mut self.connection);
                let columns = columns.map_err(refused)?;
                dropped.map_err(EtlError::database("forget the query"))?;
                Ok(columns)
            }
        }
    }

    fn primary_key(&mut self, table: &str) -> Result<Vec<String>, EtlError> {
        let table = find_name(self.tables()?, table, true)?;
        let names = sql_query("SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk")
            .bind::<Text, _>(table)
            .load::<Name>(&mut self.connection)
            .map_err(EtlError::database("look up the primary key"))?;
        Ok(names.into_iter().map(|n| n.name).collect())
    }

    fn one_row(&mut self, sql: &str, column: &str) -> Result<Option<Vec<Option<CursorValue>>>, EtlError> {
        let failed = || EtlError::database("read one row");
        let mut rows =
            LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, sql_query(sql)).map_err(failed())?;
        let Some(row) = rows.next() else { return Ok(None) };
        let row = row.map_err(failed())?;
        let mut values = Vec::with_capacity(row.field_count());
        for place in 0..row.field_count() {
            let field = row.get(place);
            let value = match field.as_ref().and_then(|f| f.value()) {
                None => Ok(None),
                Some(mut value) => with_value(&mut value, cursor_value),
            };
            values.push(value.map_err(|found| EtlError::CursorValue { column: column.to_owned(), found })?);
        }
        Ok(Some(values))
    }

    fn begin(&mut self) -> Result<(), EtlError> {
        if let Some((path, timeout)) = &self.file {
            let mut probe = match self.probe.take() {
                Some(probe) => probe,
                None => Probe { connection: opened(path, *timeout)?, before: 0 },
            };
            probe.before = probe.version()?;
            self.probe = Some(probe);
        }
        AnsiTransactionManager::begin_transaction(&mut self.connection)
            .map_err(EtlError::database("begin a read transaction"))?;
        // The transaction sees the database as of its first read.
        self.look().inspect_err(|_| {
            // The error that is told is the one of the read.
            let _ = self.end();
        })
    }

    fn end(&mut self) -> Result<(), EtlError> {
        AnsiTransactionManager::rollback_transaction(&mut self.connection)
            .map_err(EtlError::database("end the read transaction"))
    }

    fn beside(&mut self, _: &Source, count: usize) -> Result<Vec<Self>, EtlError> {
        let Some((path, timeout)) = self.file.clone() else {
            return Err(EtlError::NoPartitions { why: "the connection was opened by the caller" });
        };
        let mut workers = Vec::with_capacity(count);
        for _ in 0..count {
            let mut worker = Self { connection: opened(&path, timeout)?, file: None, probe: None };
            worker.begin()?;
            workers.push(worker);
        }
        // If nobody committed since before this transaction began, all see the same.
        let unchanged = match &mut self.probe {
            Some(probe) => probe.version()? == probe.before,
            None => false,
        };
        if unchanged { Ok(workers) } else { Err(EtlError::SnapshotMoved) }
    }

    fn scan<S: RowSink>(&mut self, scan: &Scan<'_>, sink: &mut S) -> Result<(), S::Error> {
        let failed = |source| S::Error::from(EtlError::Database { doing: "read the rows".to_owned(), source });
        // A query without a condition is run as it was written, so that its order holds. Else only the wanted columns are asked for.
        let (sql, names, wanted): (String, Vec<&str>, Vec<usize>) = match (scan.selection, scan.filter) {
            (Selection::Query(query), None) => {
                let names = scan.columns.iter().map(|c| c.name.as_str()).collect();
                (one_statement(query).to_owned(), names, scan.wanted.to_vec())
            }
            (_, filter) => {
                let names: Vec<&str> = scan.wanted.iter().map(|place| scan.columns[*place].name.as_str()).collect();
                let columns = Self::DIALECT.list(names.iter().copied());
                let filter = filter.map(|f| format!(" WHERE {f}")).unwrap_or_default();
                let wanted = (0..names.len()).collect();
                (format!("SELECT {columns} FROM {}{filter}", scan.from), names, wanted)
            }
        };
        let cursor =
            LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, sql_query(sql)).map_err(failed)?;
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
                    Some(mut value) => with_value(&mut value, |value| sink.value(column, value)),
                }
            }
            drop(row);
            sink.end_row()?;
        }
        Ok(())
    }
}

fn opened(path: &Path, busy_timeout: Duration) -> Result<SqliteConnection, EtlError> {
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
    sql_query("SELECT schema_version AS number FROM pragma_schema_version")
        .load::<Number>(&mut connection)
        .map_err(|e| refused(e.into()))?;
    Ok(connection)
}

/// Reads one value and hands it on.
#[inline]
fn with_value<R>(value: &mut SqliteValue<'_, '_, '_>, take: impl FnOnce(Value<'_>) -> R) -> R {
    match value.value_type() {
        None => take(Value::Null),
        Some(SqliteType::Integer | SqliteType::SmallInt | SqliteType::Long) => take(Value::Integer(value.read_long())),
        Some(SqliteType::Float | SqliteType::Double) => take(Value::Real(value.read_double())),
        Some(SqliteType::Binary) => take(Value::Other("blob")),
        Some(SqliteType::Text) => {
            let text = value.read_text().as_bytes();
            // Diesel puts a replacement character, which begins with this byte, in the place of bytes that are not UTF-8. It may also
            // be there honestly.
            if !text.contains(&0xEF) {
                return take(Value::Text(text));
            }
            if std::str::from_utf8(value.read_blob()).is_err() {
                return take(Value::Other("text that is not UTF-8"));
            }
            take(Value::Text(value.read_text().as_bytes()))
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
}
