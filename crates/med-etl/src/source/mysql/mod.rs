//! MySQL and MariaDB: pages in the order of a key.
//!
//! The client library holds a whole result before the first row is seen, so a table is read as many small results: the rows
//! after the last key of the page before, as many as a batch has. All pages come from one transaction with a consistent snapshot.

mod value;

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::mysql::{Mysql, MysqlValue};
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::row::{Field, Row};
use diesel::sql_query;
use med_schema::ValueType;

use crate::EtlError;
use crate::source::query::{Made, Statement};
use crate::source::retry::Retry;
use crate::source::secret::ServerUrl;
use crate::source::sql::{Cursor, Dialect, as_table};
use crate::source::{
    CatalogueColumn, CursorValue, Database, Order, ReadAs, RowSink, Scan, Selection, Source, Wire, cursor_value,
    find_name, rows,
};

/// Stands for a query while its columns' types are looked up.
const QUERY_TABLE: &str = "`med_etl_query_columns`";

pub(crate) struct MysqlDatabase {
    connection: MysqlConnection,
    query: Option<Made<Mysql>>,
}

impl rows::CursorBackend for Mysql {
    fn cursor(value: MysqlValue<'_>) -> Result<Option<CursorValue>, &'static str> {
        value::with_value(&value, cursor_value)
    }
}

impl MysqlDatabase {
    pub(crate) fn open(url: &ServerUrl, retry: Retry) -> Result<Self, EtlError> {
        let mode = url.parameter("ssl_mode").unwrap_or_default().to_ascii_lowercase();
        let verified = matches!(mode.as_str(), "verify_ca" | "verify_identity");
        if verified && !mysqlclient_sys::SUPPORTS_MYSQL_SSL_MODE {
            return Err(EtlError::Tls {
                database: url.to_string(),
                why: "MariaDB's client library, which this program was built with, is not told to verify the server's certificate; \
                      build with MySQL's own, or ask for ssl_mode=required and no more",
            });
        }
        let connection = retry.run(|| MysqlConnection::establish(url.expose()).map_err(|error| url.refused(&error)))?;
        let mut database = Self { connection, query: None };
        // MariaDB's client library takes no notice of the mode, so it is looked at what became of it.
        if (verified || mode == "required") && !database.is_encrypted()? {
            return Err(EtlError::Tls {
                database: url.to_string(),
                why: "the connection is not encrypted; the server must offer TLS, and MariaDB's client library asks for it only \
                      where the URL has a parameter ssl_ca, ssl_cert or ssl_key",
            });
        }
        Ok(database)
    }

    fn is_encrypted(&mut self) -> Result<bool, EtlError> {
        let rows = self.rows("SHOW SESSION STATUS LIKE 'Ssl_cipher'", "look at the encryption", &["Ssl_cipher"])?;
        Ok(rows.into_iter().any(|row| !rows::text(row.into_iter().nth(1)).is_empty()))
    }

    pub(crate) fn diesel(&mut self) -> &mut MysqlConnection {
        &mut self.connection
    }

    /// Columns of a query, which an empty temporary table takes from it.
    fn query_columns(&mut self, select: &str) -> Result<Vec<CatalogueColumn>, EtlError> {
        let refused = |source| match &source {
            DieselError::DatabaseError(_, info) if info.message().starts_with("Duplicate column name") => {
                let name = info.message().split('\'').nth(1).unwrap_or_default().to_owned();
                EtlError::DuplicateColumn { name }
            }
            _ => EtlError::Query { source },
        };
        // A query that EXPLAIN takes is one statement, and cannot close the parenthesis that it stands in from here on.
        let sql = format!("EXPLAIN {select}");
        let explain = Statement::new(&sql, self.query.as_ref());
        LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, explain).map_err(refused)?;
        let create = format!("CREATE TEMPORARY TABLE {QUERY_TABLE} AS SELECT * FROM {} LIMIT 0", as_table(select));
        Statement::new(&create, self.query.as_ref()).execute(&mut self.connection).map_err(refused)?;
        let columns = self.described(QUERY_TABLE);
        let dropped = sql_query(format!("DROP TEMPORARY TABLE {QUERY_TABLE}")).execute(&mut self.connection);
        let columns = columns?;
        dropped.map_err(EtlError::database("forget the query"))?;
        Ok(columns)
    }

    fn described(&mut self, table: &str) -> Result<Vec<CatalogueColumn>, EtlError> {
        let failed = || EtlError::database("look up the columns");
        let shown = sql_query(format!("SHOW COLUMNS FROM {table}"));
        let rows = LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, shown).map_err(failed())?;
        let mut columns = Vec::new();
        for row in rows {
            let row = row.map_err(failed())?;
            // Of the rest not all must be text: a default may be binary.
            let text = |place: usize| {
                let field = Row::get(&row, place)?;
                let value = field.value()?;
                Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
            };
            columns.push(column(text(0).unwrap_or_default(), &text(1).unwrap_or_default()));
        }
        Ok(columns)
    }

    /// Feeds one page to the sink and gives its number of rows. `key` is left holding the key of its last row.
    fn page<S: RowSink>(
        &mut self,
        sql: &str,
        wanted: usize,
        key: &mut Vec<Option<CursorValue>>,
        sink: &mut S,
    ) -> Result<usize, Paged<S::Error>> {
        let failed = |source| Paged::Database(EtlError::Database { doing: "read the rows".to_owned(), source });
        let statement = Statement::new(sql, self.query.as_ref());
        let rows = LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, statement).map_err(failed)?;
        let mut count = 0;
        for row in rows {
            let row = row.map_err(failed)?;
            for place in 0..wanted {
                let field = Row::get(&row, place);
                match field.as_ref().and_then(|f| f.value()) {
                    None => sink.value(place, crate::builder::Value::Null),
                    Some(value) => value::with_value(&value, |value| sink.value(place, value)),
                }
            }
            key.clear();
            for place in wanted..row.field_count() {
                let field = Row::get(&row, place);
                let value = match field.as_ref().and_then(|f| f.value()) {
                    None => Ok(None),
                    Some(value) => value::with_value(&value, cursor_value),
                };
                let column = field.as_ref().and_then(|f| f.field_name()).unwrap_or_default();
                key.push(
                    value.map_err(|found| {
                        Paged::Sink(EtlError::CursorValue { column: column.to_owned(), found }.into())
                    })?,
                );
            }
            drop(row);
            sink.end_row().map_err(Paged::Sink)?;
            count += 1;
        }
        Ok(count)
    }
}

/// Why a page stopped: before its first row, or not.
enum Paged<E> {
    Database(EtlError),
    Sink(E),
}

impl Database for MysqlDatabase {
    const DIALECT: Dialect = Dialect::Mysql;
    const NEEDS_KEY: bool = true;

    fn hold(&mut self, selection: &Selection) -> Result<(), EtlError> {
        self.query = selection.made()?;
        Ok(())
    }

    fn rows(&mut self, sql: &str, doing: &'static str, columns: &[&str]) -> Result<Vec<rows::Row>, EtlError> {
        let statement = Statement::new(sql, self.query.as_ref());
        rows::read(&mut self.connection, statement, doing, columns)
    }

    fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        let sql =
            "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name";
        self.names(sql, "list the tables")
    }

    fn resolve(&mut self, table: &str) -> Result<String, EtlError> {
        Ok(Dialect::Mysql.quoted(&find_name(self.tables()?, table, false)?))
    }

    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError> {
        match selection.select(Self::DIALECT) {
            Ok(select) => self.query_columns(&select),
            Err(table) => {
                let table = self.resolve(table)?;
                self.described(&table)
            }
        }
    }

    fn primary_key(&mut self, table: &str) -> Result<Vec<String>, EtlError> {
        let table = Self::DIALECT.text(&find_name(self.tables()?, table, false)?);
        let sql = format!(
            "SELECT column_name FROM information_schema.statistics
             WHERE table_schema = DATABASE() AND table_name = {table} AND index_name = 'PRIMARY' ORDER BY seq_in_index"
        );
        self.names(&sql, "look up the primary key")
    }

    fn begin(&mut self) -> Result<(), EtlError> {
        self.connection
            .batch_execute(
                // What rows and values come back must not depend on what server and user have set. Time limits stay what they are.
                "SET NAMES utf8mb4; SET SESSION time_zone = '+00:00', sql_select_limit = 18446744073709551615,
                 sql_mode = REPLACE(@@sql_mode, 'PAD_CHAR_TO_FULL_LENGTH', '')",
            )
            .map_err(EtlError::database("settle the session"))?;
        self.connection
            .batch_execute(
                // Not read-only: in such a transaction MySQL makes no temporary table, which a query's columns are looked up by. Queries
                // only ever stand behind FROM, where nothing but a SELECT can.
                "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ; START TRANSACTION WITH CONSISTENT SNAPSHOT",
            )
            .map_err(EtlError::database("begin a read transaction"))
    }

    fn end(&mut self) -> Result<(), EtlError> {
        self.connection.batch_execute("ROLLBACK").map_err(EtlError::database("end the read transaction"))
    }

    fn beside(&mut self, _: &Source, _: usize) -> Result<Vec<Self>, EtlError> {
        Err(EtlError::NoPartitions { why: "MySQL cannot share a snapshot between connections" })
    }

    fn scan<S: RowSink>(&mut self, scan: &Scan<'_>, sink: &mut S) -> Result<(), S::Error> {
        if scan.key.is_empty() {
            return Err(EtlError::NoKey { from: scan.selection.to_string() }.into());
        }
        let dialect = Self::DIALECT;
        let key: Vec<Cursor<'_>> = scan.key.iter().map(|name| Cursor::of(name, scan.columns)).collect();
        let columns: Vec<String> = scan
            .wanted_columns()
            .map(|c| {
                let name = dialect.quoted(&c.name);
                match c.read_as {
                    ReadAs::Itself => name,
                    ReadAs::Text => format!("CAST({name} AS CHAR)"),
                    ReadAs::Number => format!("CAST({name} + 0 AS UNSIGNED)"),
                    ReadAs::Digits => format!("LOWER(HEX({name}))"),
                    ReadAs::Geometry => format!("ST_AsText({name})"),
                }
            })
            .chain(key.iter().map(|k| dialect.cursor(k)))
            .collect();
        let columns = columns.join(", ");
        let order = dialect.list(scan.key.iter().map(String::as_str));
        let mut last: Vec<Option<CursorValue>> = Vec::new();
        loop {
            let after = match &last[..] {
                [] => None,
                values => {
                    let values: Option<Vec<CursorValue>> = values.iter().cloned().collect();
                    let values = values.ok_or_else(|| EtlError::KeyNotUnique { key: scan.key.join(", ") })?;
                    if !scan.key_is_primary {
                        self.check_alone(scan, &key, &values)?;
                    }
                    Some(dialect.after(&key, &values))
                }
            };
            let conditions: Vec<String> = scan.filter.map(|f| format!("({f})")).into_iter().chain(after).collect();
            let filter =
                if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) };
            let sql = format!("SELECT {columns} FROM {}{filter} ORDER BY {order} LIMIT {}", scan.from, scan.page_rows);
            let mut attempt = 0;
            let count = loop {
                match self.page(&sql, scan.wanted.len(), &mut last, sink) {
                    Ok(count) => break count,
                    Err(Paged::Sink(error)) => return Err(error),
                    Err(Paged::Database(error)) => {
                        // A lost connection takes the snapshot with it; a wait for a lock does not.
                        let Some(delay) = scan.retry.delay(attempt).filter(|_| error.keeps_transaction()) else {
                            return Err(error.into());
                        };
                        tracing::warn!(attempt = attempt + 2, "reading the page again: {error}");
                        std::thread::sleep(delay);
                        attempt += 1;
                    }
                }
            };
            if count < scan.page_rows {
                return Ok(());
            }
        }
    }
}

impl MysqlDatabase {
    /// That no other row has the key of the page's last: it would be neither on this page nor on the next.
    fn check_alone(&mut self, scan: &Scan<'_>, key: &[Cursor<'_>], values: &[CursorValue]) -> Result<(), EtlError> {
        let same: Vec<String> = key
            .iter()
            .zip(values)
            .map(|(k, v)| format!("{} = {}", Self::DIALECT.compared(k), Self::DIALECT.literal(v, k)))
            .chain(scan.filter.map(|f| format!("({f})")))
            .collect();
        match self.count(scan.from, Some(&same.join(" AND ")))? {
            1 => Ok(()),
            _ => Err(EtlError::KeyNotUnique { key: scan.key.join(", ") }),
        }
    }
}

/// What a column of this declaration is read as.
fn column(name: String, declared: &str) -> CatalogueColumn {
    let declared = declared.to_ascii_lowercase();
    let base = declared.split(['(', ' ']).next().unwrap_or_default();
    let inside = declared.split(['(', ')']).nth(1).unwrap_or_default();
    let (value_type, read_as, order) = match base {
        "tinyint" if declared.starts_with("tinyint(1)") && !declared.contains("unsigned") => {
            (ValueType::Boolean, ReadAs::Itself, Order::Value)
        }
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" => {
            (ValueType::Integer, ReadAs::Itself, Order::Value)
        }
        "bit" => {
            let value_type = if inside == "1" { ValueType::Boolean } else { ValueType::Integer };
            (value_type, ReadAs::Number, Order::Number)
        }
        "float" => (ValueType::Float, ReadAs::Itself, Order::Double),
        "double" => (ValueType::Float, ReadAs::Itself, Order::Value),
        "decimal" => {
            let (precision, scale) = inside.split_once(',').unwrap_or((inside, "0"));
            let whole = scale.trim() == "0" && precision.trim().parse::<u32>().is_ok_and(|p| p <= 18);
            (if whole { ValueType::Integer } else { ValueType::Float }, ReadAs::Itself, Order::Value)
        }
        "date" => (ValueType::Date, ReadAs::Itself, Order::Value),
        "datetime" | "timestamp" => (ValueType::Timestamp, ReadAs::Itself, Order::Value),
        "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" | "json" => {
            (ValueType::Text, ReadAs::Itself, Order::Value)
        }
        "enum" | "set" => (ValueType::Text, ReadAs::Itself, Order::Number),
        // Bytes of one length are a digest or an identifier and hardly ever text.
        "binary" => (ValueType::Text, ReadAs::Digits, Order::Bytes),
        "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => {
            (ValueType::Text, ReadAs::Itself, Order::Bytes)
        }
        "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon"
        | "geometrycollection" | "geomcollection" => (ValueType::Text, ReadAs::Geometry, Order::Value),
        "vector" => (ValueType::Text, ReadAs::Digits, Order::Bytes),
        _ => (ValueType::Text, ReadAs::Text, Order::Value),
    };
    CatalogueColumn { name, value_type: Some(value_type), read_as, order, wire: Wire::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_promise_types() {
        for (declared, expected) in [
            ("tinyint(1)", ValueType::Boolean),
            ("tinyint(4)", ValueType::Integer),
            ("bigint(20) unsigned", ValueType::Integer),
            ("decimal(12,2)", ValueType::Float),
            ("decimal(10,0)", ValueType::Integer),
            ("varchar(10)", ValueType::Text),
            ("datetime(6)", ValueType::Timestamp),
            ("enum('int','b')", ValueType::Text),
            ("bit(1)", ValueType::Boolean),
            ("bit(12)", ValueType::Integer),
        ] {
            assert_eq!(column("c".to_owned(), declared).value_type, Some(expected), "{declared}");
        }
    }
}
