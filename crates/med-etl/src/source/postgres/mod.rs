//! PostgreSQL: binary `COPY`, decoded here.
//!
//! `COPY (SELECT ..) TO STDOUT (FORMAT binary)` streams rows with the least work on both sides. Diesel's own decoder of it loses the
//! columns behind a null, and after a copy its connection is out of step with the server, so rows are decoded in
//! [`binary`] and every copy has a connection of its own, which is closed afterwards. That connection joins the snapshot which
//! the main one exported, so all of them see one state.

mod binary;
mod copy;

use std::io::BufRead;

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::prelude::*;
use diesel::row::{Field, Row};
use diesel::sql_query;
use diesel::sql_types::{Integer, Text};
use med_schema::ValueType;

use crate::EtlError;
use crate::source::retry::Retry;
use crate::source::secret::ServerUrl;
use crate::source::sql::{Dialect, as_table, one_statement};
use crate::source::{CatalogueColumn, CursorValue, Database, RowSink, Scan, Selection, Source, Wire, find_name};

/// A transaction in which every statement sees the same, and none can change anything.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

pub(crate) struct PostgresDatabase {
    url: ServerUrl,
    retry: Retry,
    connection: PgConnection,
    /// The snapshot of the open transaction.
    snapshot: Option<String>,
    /// This connection reads one selection and is closed then, so it may do the copy itself.
    for_one_copy: bool,
}

#[derive(QueryableByName)]
struct Name {
    #[diesel(sql_type = Text)]
    name: String,
}

#[derive(QueryableByName)]
struct Described {
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    type_name: String,
    #[diesel(sql_type = Integer)]
    modifier: i32,
}

impl PostgresDatabase {
    pub(crate) fn open(url: &ServerUrl, retry: Retry) -> Result<Self, EtlError> {
        let connection = connect(url, retry)?;
        Ok(Self { url: url.clone(), retry, connection, snapshot: None, for_one_copy: false })
    }

    pub(crate) fn diesel(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// A connection that sees what the open transaction sees.
    fn joined(&self) -> Result<PgConnection, EtlError> {
        let mut connection = connect(&self.url, self.retry)?;
        let snapshot = self.snapshot.as_deref().unwrap_or_default().replace('\'', "''");
        connection
            .batch_execute(&format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'"))
            .map_err(EtlError::database("join the snapshot"))?;
        Ok(connection)
    }

    /// Columns of a query: their names from the row description, and their types from the server, without running the query.
    fn query_columns(&mut self, query: &str) -> Result<Vec<CatalogueColumn>, EtlError> {
        let refused = |source| EtlError::Query { source };
        // A query that EXPLAIN takes is one statement, and cannot close the parenthesis that it stands in from here on.
        let explain = sql_query(format!("EXPLAIN\n{}", one_statement(query)));
        LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, explain).map_err(refused)?;
        let empty =
            format!("FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM {} LIMIT 0) AS q ON TRUE", as_table(query));
        let mut names: Vec<String> = Vec::new();
        let rows =
            LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, sql_query(format!("SELECT q.* {empty}")))
                .map_err(refused)?;
        for row in rows {
            let row = row.map_err(refused)?;
            names = (0..row.field_count())
                .filter_map(|place| Row::get(&row, place).and_then(|f| f.field_name().map(str::to_owned)))
                .collect();
        }
        for (place, name) in names.iter().enumerate() {
            if names[..place].contains(name) {
                return Err(EtlError::DuplicateColumn { name: name.clone() });
            }
        }
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let sql = format!(
                "SELECT b.typname::text AS type_name, COALESCE(t.typtypmod, -1) AS modifier, '' AS name
                 FROM (SELECT pg_typeof(q.{}) AS type {empty}) AS x
                 JOIN pg_type t ON t.oid = x.type
                 JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END",
                Dialect::Postgres.quoted(&name)
            );
            let described: Described = sql_query(sql).get_result(&mut self.connection).map_err(refused)?;
            columns.push(column(name, &described.type_name, described.modifier));
        }
        Ok(columns)
    }
}

fn connect(url: &ServerUrl, retry: Retry) -> Result<PgConnection, EtlError> {
    retry.run(|| PgConnection::establish(url.expose()).map_err(|error| url.refused(&error)))
}

/// Tables and views with their schema, those on the search path first.
const TABLES: &str =
    "SELECT CASE WHEN pg_table_is_visible(c.oid) THEN c.relname ELSE n.nspname || '.' || c.relname END AS name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
    AND n.nspname NOT LIKE 'pg\\_toast%' AND n.nspname NOT LIKE 'pg\\_temp\\_%'
    ORDER BY NOT pg_table_is_visible(c.oid), n.nspname, c.relname";

impl Database for PostgresDatabase {
    const DIALECT: Dialect = Dialect::Postgres;

    fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        let names: Vec<Name> =
            sql_query(TABLES).load(&mut self.connection).map_err(EtlError::database("list the tables"))?;
        Ok(names.into_iter().map(|n| n.name).collect())
    }

    fn resolve(&mut self, table: &str) -> Result<String, EtlError> {
        let name = find_name(self.tables()?, table, false)?;
        // The catalogue joined schema and name by a point, and either may hold one: the server says which it is. Of a table that
        // was dropped since the snapshot it does not know whether it is visible.
        let quoted: Option<Name> = sql_query(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND $1 IN (c.relname, n.nspname || '.' || c.relname)
             ORDER BY (c.relname = $1 AND pg_table_is_visible(c.oid)) IS TRUE DESC, n.nspname LIMIT 1",
        )
        .bind::<Text, _>(&name)
        .get_result(&mut self.connection)
        .optional()
        .map_err(EtlError::database("look up the table"))?;
        quoted.map(|q| q.name).ok_or(EtlError::UnknownTable { table: name, near: Vec::new() })
    }

    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError> {
        let table = match selection {
            Selection::Table(table) => self.resolve(table)?,
            Selection::Query(query) => return self.query_columns(query),
        };
        let columns: Vec<Described> = sql_query(
            "SELECT a.attname::text AS name, b.typname::text AS type_name,
                    CASE WHEN t.typtype = 'd' THEN t.typtypmod ELSE a.atttypmod END AS modifier
             FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
             WHERE a.attrelid = $1::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        )
        .bind::<Text, _>(table)
        .load(&mut self.connection)
        .map_err(EtlError::database("look up the columns"))?;
        Ok(columns.into_iter().map(|c| column(c.name, &c.type_name, c.modifier)).collect())
    }

    fn primary_key(&mut self, table: &str) -> Result<Vec<String>, EtlError> {
        let table = self.resolve(table)?;
        let names: Vec<Name> = sql_query(
            "SELECT a.attname::text AS name FROM pg_index i
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = $1::regclass AND i.indisprimary ORDER BY k.place",
        )
        .bind::<Text, _>(table)
        .load(&mut self.connection)
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
            let field = Row::get(&row, place);
            let value = field.as_ref().and_then(|f| f.value());
            let read = match &value {
                None => Ok(None),
                Some(value) => {
                    let bytes = value.as_bytes();
                    // Integers come as such, everything else was cast to text.
                    match value.get_oid().get() {
                        21 => binary::cursor(Wire::Int2, bytes),
                        23 => binary::cursor(Wire::Int4, bytes),
                        20 => binary::cursor(Wire::Int8, bytes),
                        1700 => binary::cursor(Wire::Numeric, bytes),
                        _ => binary::cursor(Wire::Text, bytes),
                    }
                }
            };
            values.push(read.map_err(|found| EtlError::CursorValue { column: column.to_owned(), found })?);
        }
        Ok(Some(values))
    }

    fn begin(&mut self) -> Result<(), EtlError> {
        self.connection.batch_execute(BEGIN).map_err(EtlError::database("begin a read transaction"))?;
        let snapshot: Name = sql_query("SELECT pg_export_snapshot() AS name")
            .get_result(&mut self.connection)
            .map_err(EtlError::database("export the snapshot"))?;
        self.snapshot = Some(snapshot.name);
        Ok(())
    }

    fn end(&mut self) -> Result<(), EtlError> {
        self.snapshot = None;
        self.connection.batch_execute("ROLLBACK").map_err(EtlError::database("end the read transaction"))
    }

    fn beside(&mut self, _: &Source, count: usize) -> Result<Vec<Self>, EtlError> {
        let one = |_| {
            let (url, retry, snapshot) = (self.url.clone(), self.retry, self.snapshot.clone());
            Ok(Self { connection: self.joined()?, url, retry, snapshot, for_one_copy: true })
        };
        (0..count).map(one).collect()
    }

    fn scan<S: RowSink>(&mut self, scan: &Scan<'_>, sink: &mut S) -> Result<(), S::Error> {
        let sql = statement(scan);
        let wires: Vec<Wire> = scan.wanted_columns().map(|c| c.wire).collect();
        let mut joined;
        let connection = if self.for_one_copy {
            &mut self.connection
        } else {
            joined = self.joined()?;
            &mut joined
        };
        let mut rows = copy::binary(connection, sql).map_err(EtlError::database("start the copy"))?;
        let mut decoder = binary::Decoder::new(&wires);
        loop {
            let message = rows.fill_buf().map_err(|source| EtlError::CopyStopped { source })?;
            if message.is_empty() {
                break;
            }
            let length = message.len();
            decoder.message(message, sink)?;
            rows.consume(length);
        }
        // Without the trailer the server stopped in the middle, which the driver tells nobody.
        if decoder.ended() { Ok(()) } else { Err(EtlError::CopyCut.into()) }
    }
}

fn statement(scan: &Scan<'_>) -> String {
    let plain = scan.filter.is_none()
        && scan.wanted.iter().copied().eq(0..scan.columns.len())
        && scan.columns.iter().all(|c| !c.as_text);
    match scan.selection {
        // As it was written, so that its order holds for certain.
        Selection::Query(query) if plain => one_statement(query).to_owned(),
        _ => {
            let columns: Vec<String> = scan
                .wanted_columns()
                .map(|c| {
                    let name = Dialect::Postgres.quoted(&c.name);
                    if c.as_text { format!("CAST({name} AS text)") } else { name }
                })
                .collect();
            let filter = scan.filter.map(|f| format!(" WHERE {f}")).unwrap_or_default();
            format!("SELECT {} FROM {}{filter}", columns.join(", "), scan.from)
        }
    }
}

/// What a column of this type is read as. `modifier` is the catalogue's, which holds precision and scale of a numeric.
fn column(name: String, type_name: &str, modifier: i32) -> CatalogueColumn {
    let (value_type, wire) = match type_name {
        "bool" => (ValueType::Boolean, Wire::Boolean),
        "int2" => (ValueType::Integer, Wire::Int2),
        "int4" => (ValueType::Integer, Wire::Int4),
        "int8" => (ValueType::Integer, Wire::Int8),
        "float4" => (ValueType::Float, Wire::Float4),
        "float8" => (ValueType::Float, Wire::Float8),
        "numeric" => {
            let (precision, scale) = ((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0xFFFF);
            let whole = modifier >= 4 && scale == 0 && precision <= 18;
            (if whole { ValueType::Integer } else { ValueType::Float }, Wire::Numeric)
        }
        "date" => (ValueType::Date, Wire::Date),
        "timestamp" | "timestamptz" => (ValueType::Timestamp, Wire::Timestamp),
        "uuid" => (ValueType::Text, Wire::Uuid),
        "text" | "varchar" | "name" | "json" | "xml" => (ValueType::Text, Wire::Text),
        _ => {
            return CatalogueColumn { name, value_type: Some(ValueType::Text), as_text: true, wire: Wire::Text };
        }
    };
    CatalogueColumn { name, value_type: Some(value_type), as_text: false, wire }
}
