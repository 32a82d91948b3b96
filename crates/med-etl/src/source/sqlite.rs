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
use diesel::sqlite::{Sqlite, SqliteConnection, SqliteType, SqliteValue};
// Linked for its feature `bundled`: Diesel does not build SQLite itself.
use libsqlite3_sys as _;
use med_schema::ValueType;

use crate::EtlError;
use crate::builder::Value;
use crate::source::query::{Made, Statement};
use crate::source::sql::{Dialect, as_table};
use crate::source::{
    CatalogueColumn, CursorValue, Database, RowSink, Scan, Selection, Source, Wire, cursor_value, find_name, rows,
};

/// Name of the view that stands for a query while its columns' types are looked up.
const QUERY_VIEW: &str = "med_etl_query";

pub(crate) struct SqliteDatabase {
    connection: SqliteConnection,
    /// The file and how long to wait for it, unless the caller opened the connection.
    file: Option<(PathBuf, Duration)>,
    probe: Option<Probe>,
    query: Option<Made<Sqlite>>,
}

impl SqliteDatabase {
    /// Opens a file read-only: nothing is created, and no statement can change it.
    pub(crate) fn open(path: &Path, busy_timeout: Duration) -> Result<Self, EtlError> {
        let connection = opened(path, busy_timeout)?;
        Ok(Self { connection, file: Some((path.to_owned(), busy_timeout)), probe: None, query: None })
    }

    pub(crate) fn of(connection: SqliteConnection) -> Self {
        Self { connection, file: None, probe: None, query: None }
    }

    pub(crate) fn diesel(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    fn look(&mut self) -> Result<(), EtlError> {
        sql_query(LOOK).execute(&mut self.connection).map(drop).map_err(EtlError::database("begin a read transaction"))
    }

    fn columns(&mut self, table: &str) -> Result<Vec<CatalogueColumn>, EtlError> {
        // `hidden = 1` marks columns of virtual tables that `SELECT *` leaves out; generated columns are read.
        let sql = format!(
            "SELECT name, type FROM pragma_table_xinfo({}) WHERE hidden <> 1 ORDER BY cid",
            Dialect::Sqlite.text(table)
        );
        let rows = self.rows(&sql, "look up the columns", &["name"])?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let mut texts = row.into_iter().map(|value| rows::text(Some(value)));
                let (name, declared) = (texts.next().unwrap_or_default(), texts.next().unwrap_or_default());
                CatalogueColumn::plain(name, declared_type(&declared), Wire::default())
            })
            .collect())
    }

    /// The columns of a query without parameters. A view over it has the query's columns, with the declared types of those that are
    /// a table's. Brackets let nothing but one SELECT through, if the query is one statement without them too.
    fn query_columns(&mut self, select: &str) -> Result<Vec<CatalogueColumn>, EtlError> {
        let refused = |source| EtlError::Query { source };
        sql_query(format!("EXPLAIN {select}")).execute(&mut self.connection).map_err(refused)?;
        let view = format!("CREATE TEMP VIEW {QUERY_VIEW} AS SELECT * FROM {}", as_table(select));
        sql_query(view).execute(&mut self.connection).map_err(refused)?;
        let columns = self.columns(QUERY_VIEW);
        let dropped = sql_query(format!("DROP VIEW temp.{QUERY_VIEW}")).execute(&mut self.connection);
        let columns = columns.map_err(|error| match error {
            EtlError::Database { source, .. } => refused(source),
            other => other,
        })?;
        dropped.map_err(EtlError::database("forget the query"))?;
        Ok(columns)
    }

    /// The names of a query's columns, by a row that is there even if the query has none.
    fn query_names(&mut self, select: &str) -> Result<Vec<String>, EtlError> {
        let refused = |source| EtlError::Query { source };
        let sql =
            format!("SELECT q.* FROM (SELECT 1) LEFT JOIN (SELECT * FROM {} LIMIT 0) AS q ON 1", as_table(select));
        let statement = Statement::new(&sql, self.query.as_ref());
        let mut rows = LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, statement).map_err(refused)?;
        let Some(row) = rows.next() else { return Ok(Vec::new()) };
        let row = row.map_err(refused)?;
        Ok((0..row.field_count())
            .filter_map(|place| row.get(place).and_then(|field| field.field_name().map(str::to_owned)))
            .collect())
    }
}

/// Reads something that is always there.
const LOOK: &str = "SELECT schema_version FROM pragma_schema_version";

/// Looks at how often others have committed, without a transaction.
struct Probe {
    connection: SqliteConnection,
    before: i64,
}

impl Probe {
    fn version(&mut self) -> Result<i64, EtlError> {
        let sql = "SELECT data_version FROM pragma_data_version";
        let doing = "look whether the database changed";
        let rows = rows::read(&mut self.connection, Statement::new(sql, None), doing, &["data_version"])?;
        match rows.first().map(Vec::as_slice) {
            Some([Some(CursorValue::Integer(version))]) => Ok(*version),
            _ => Err(EtlError::SnapshotMoved),
        }
    }
}

impl Database for SqliteDatabase {
    const DIALECT: Dialect = Dialect::Sqlite;

    fn hold(&mut self, selection: &Selection) -> Result<(), EtlError> {
        self.query = selection.made()?;
        Ok(())
    }

    fn rows(&mut self, sql: &str, doing: &'static str, columns: &[&str]) -> Result<Vec<rows::Row>, EtlError> {
        rows::read(&mut self.connection, Statement::new(sql, self.query.as_ref()), doing, columns)
    }

    fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        const TABLES: &str = "SELECT name FROM sqlite_master
            WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
        self.names(TABLES, "list the tables")
    }

    fn resolve(&mut self, table: &str) -> Result<String, EtlError> {
        Ok(format!("main.{}", Dialect::Sqlite.quoted(&find_name(self.tables()?, table, true)?)))
    }

    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError> {
        let select = match selection.select(Self::DIALECT) {
            Ok(select) => select,
            Err(table) => {
                let table = find_name(self.tables()?, table, true)?;
                return self.columns(&table);
            }
        };
        let Some(query) = &self.query else { return self.query_columns(&select) };
        // A view takes no parameters, which no declared type depends on. Only what a computed column is called does.
        let text = Statement::text(&select, query).map_err(|source| EtlError::Query { source })?;
        let mut columns = self.query_columns(&without_parameters(&text))?;
        let names = self.query_names(&select)?;
        columns.iter_mut().zip(names).for_each(|(column, name)| column.name = name);
        Ok(columns)
    }

    fn primary_key(&mut self, table: &str) -> Result<Vec<String>, EtlError> {
        let table = Self::DIALECT.text(&find_name(self.tables()?, table, true)?);
        let sql = format!("SELECT name FROM pragma_table_info({table}) WHERE pk > 0 ORDER BY pk");
        self.names(&sql, "look up the primary key")
    }

    /// Moments are text here, and texts of two forms compare otherwise than the moments do where the separators differ, the zones, or,
    /// before a `Z`, the digits of the fraction. A day alone, a time without seconds and a fraction more or less change nothing.
    fn check_cursor(&mut self, from: &str, column: &str) -> Result<(), EtlError> {
        let c = Self::DIALECT.quoted(column);
        let digits = |count| "[0-9]".repeat(count);
        let moment = format!("{}-{}-{}[ T]{}:{}*", digits(4), digits(2), digits(2), digits(2), digits(2));
        // From behind the minutes on: seconds with their fraction, then the zone.
        let rest = format!("substr({c}, 17)");
        let zone = format!("ltrim({rest}, ':.0123456789')");
        let fraction =
            format!("CASE WHEN {zone} LIKE 'z%' THEN max(length({rest}) - length({zone}) - 4, 0) ELSE 0 END");
        let sql = format!(
            "SELECT DISTINCT substr({c}, 11, 1), substr({zone}, 1, 6), {fraction} FROM {from}
             WHERE typeof({c}) = 'text' AND {c} GLOB '{moment}' ORDER BY 1, 2, 3 LIMIT 4"
        );
        let forms = self.rows(&sql, "look how moments are written", &[column])?;
        if forms.len() < 2 {
            return Ok(());
        }
        let form = |row: rows::Row| {
            let mut values = row.into_iter();
            let (separator, zone) = (rows::text(values.next()), rows::text(values.next()));
            let fraction = match values.next().flatten() {
                Some(CursorValue::Integer(count @ 1..=9)) => format!(".{}", "f".repeat(count as usize)),
                _ => String::new(),
            };
            format!("YYYY-MM-DD{separator}HH:MM:SS{fraction}{zone}")
        };
        Err(EtlError::CursorForms { column: column.to_owned(), forms: forms.into_iter().map(form).collect() })
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
            let mut worker = Self { connection: opened(&path, timeout)?, file: None, probe: None, query: None };
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
        let (sql, names, wanted): (String, Vec<&str>, Vec<usize>) =
            match (scan.selection.select(Self::DIALECT), scan.filter) {
                (Ok(select), None) => {
                    let names = scan.columns.iter().map(|c| c.name.as_str()).collect();
                    (select.into_owned(), names, scan.wanted.to_vec())
                }
                (_, filter) => {
                    let names: Vec<&str> = scan.wanted.iter().map(|place| scan.columns[*place].name.as_str()).collect();
                    let columns = Self::DIALECT.list(names.iter().copied());
                    let filter = filter.map(|f| format!(" WHERE {f}")).unwrap_or_default();
                    let wanted = (0..names.len()).collect();
                    (format!("SELECT {columns} FROM {}{filter}", scan.from), names, wanted)
                }
            };
        let statement = Statement::new(&sql, self.query.as_ref());
        let stepped = LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, statement).map_err(failed)?;
        // Fused: SQLite would start a finished statement anew.
        for (index, row) in stepped.fuse().enumerate() {
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
    sql_query(LOOK).execute(&mut connection).map_err(|e| refused(e.into()))?;
    Ok(connection)
}

impl rows::CursorBackend for Sqlite {
    fn cursor(mut value: SqliteValue<'_, '_, '_>) -> Result<Option<CursorValue>, &'static str> {
        with_value(&mut value, cursor_value)
    }
}

/// The statement with NULL for each parameter. Quotes and comments are left alone.
fn without_parameters(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(place) = rest.find(['?', '\'', '"', '`', '[', '-', '/']) {
        let (before, from) = rest.split_at(place);
        out.push_str(before);
        let to = |end: &str| from[1..].find(end).map_or(from.len(), |place| 1 + place + end.len());
        let kept = match from.as_bytes() {
            [b'?', ..] => {
                out.push_str("NULL");
                rest = from[1..].trim_start_matches(|c: char| c.is_ascii_digit());
                continue;
            }
            [b'\'', ..] => to("'"),
            [b'"', ..] => to("\""),
            [b'`', ..] => to("`"),
            [b'[', ..] => to("]"),
            [b'-', b'-', ..] => to("\n"),
            [b'/', b'*', ..] => from[2..].find("*/").map_or(from.len(), |place| 2 + place + 2),
            _ => 1,
        };
        out.push_str(&from[..kept]);
        rest = &from[kept..];
    }
    out.push_str(rest);
    out
}

/// Reads one value and hands it on.
#[inline]
fn with_value<R>(value: &mut SqliteValue<'_, '_, '_>, take: impl FnOnce(Value<'_>) -> R) -> R {
    match value.value_type() {
        None => take(Value::Null),
        Some(SqliteType::Integer | SqliteType::SmallInt | SqliteType::Long) => take(Value::Integer(value.read_long())),
        Some(SqliteType::Float | SqliteType::Double) => take(Value::Real(value.read_double())),
        Some(SqliteType::Binary) => take(Value::Blob(value.read_blob())),
        Some(SqliteType::Text) => {
            let text = value.read_text().as_bytes();
            // Diesel puts a replacement character, which begins with this byte, in the place of bytes that are not UTF-8. It may also
            // be there honestly.
            if !text.contains(&0xEF) {
                return take(Value::Text(text));
            }
            // The bytes as they are: the column finds out.
            take(Value::Text(value.read_blob()))
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
    fn parameters_are_told_from_what_looks_like_one() {
        for (sql, expected) in [
            ("SELECT ?, ?12 + a FROM t WHERE b IN (?, ?)", "SELECT NULL, NULL + a FROM t WHERE b IN (NULL, NULL)"),
            ("'it''s ?' || \"?\" || `?` || [?] || ?", "'it''s ?' || \"?\" || `?` || [?] || NULL"),
            ("a - ? -- why?\n/ ? /*/ ? */ ?", "a - NULL -- why?\n/ NULL /*/ ? */ NULL"),
            ("'open ?", "'open ?"),
        ] {
            assert_eq!(without_parameters(sql), expected);
        }
    }

    #[test]
    fn any_path_is_one_uri() {
        assert_eq!(read_only_uri(Path::new("/a b/c?d#e%.db")).unwrap(), "file:///a%20b/c%3Fd%23e%25.db?mode=ro");
    }
}
