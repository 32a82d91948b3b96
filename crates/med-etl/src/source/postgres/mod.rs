//! PostgreSQL: binary `COPY`, decoded here.
//!
//! `COPY (SELECT ..) TO STDOUT (FORMAT binary)` streams rows with the least work on both sides. Diesel's own decoder of it loses the
//! columns behind a null, and after a copy its connection is out of step with the server, so rows are decoded in
//! [`binary`] and every copy has a connection of its own, which is closed afterwards. That connection joins the snapshot which
//! the main one exported, so all of them see one state.
//!
//! A copy takes no bind parameters, so a query of Diesel's query builder is read through a [`cursor`], over such a connection too.

mod binary;
mod copy;
mod cursor;

use std::io::BufRead;

use diesel::connection::{DefaultLoadingMode, LoadConnection, SimpleConnection};
use diesel::pg::{Pg, PgValue};
use diesel::prelude::*;
use diesel::row::{Field, Row};
use med_schema::ValueType;

use crate::EtlError;
use crate::source::query::{Made, Statement};
use crate::source::retry::Retry;
use crate::source::secret::ServerUrl;
use crate::source::sql::{Dialect, as_table};
use crate::source::{
    CatalogueColumn, CursorValue, Database, ReadAs, RowSink, Scan, Selection, Source, Wire, find_name, rows,
};

/// A transaction in which every statement sees the same, and none can change anything.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// Settings of the transaction on which the meaning of what is written and read depends, whatever server, database and role have set. The
/// main connection idles while another one copies. Time limits on statements stay what they are.
const SETTINGS: &str = "SET LOCAL datestyle = 'ISO'; SET LOCAL intervalstyle = 'postgres'; SET LOCAL timezone = 'UTC';
    SET LOCAL standard_conforming_strings = on; SET LOCAL extra_float_digits = 3; SET LOCAL bytea_output = 'hex';
    SET LOCAL idle_in_transaction_session_timeout = 0";

pub(crate) struct PostgresDatabase {
    url: ServerUrl,
    retry: Retry,
    connection: PgConnection,
    /// The snapshot of the open transaction.
    snapshot: Option<String>,
    /// This connection reads one selection and is closed then, so it may do the copy itself.
    for_one_copy: bool,
    query: Option<Made<Pg>>,
}

impl PostgresDatabase {
    pub(crate) fn open(url: &ServerUrl, retry: Retry) -> Result<Self, EtlError> {
        let connection = connect(url, retry, |refused| refused)?;
        Ok(Self { url: url.clone(), retry, connection, snapshot: None, for_one_copy: false, query: None })
    }

    pub(crate) fn diesel(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// A connection that sees what the open transaction sees.
    fn joined(&self, told: impl Fn(EtlError) -> EtlError) -> Result<PgConnection, EtlError> {
        let mut connection = connect(&self.url, self.retry, told)?;
        let snapshot = self.snapshot.as_deref().unwrap_or_default().replace('\'', "''");
        connection
            .batch_execute(&format!("{BEGIN}; SET TRANSACTION SNAPSHOT '{snapshot}'; {SETTINGS}"))
            .map_err(EtlError::database("join the snapshot"))?;
        Ok(connection)
    }

    /// Columns of a query: their names from the row description, and their types from the server, without running the query.
    fn query_columns(&mut self, select: &str) -> Result<Vec<CatalogueColumn>, EtlError> {
        let refused = |source| EtlError::Query { source };
        // A query that EXPLAIN takes is one statement, and cannot close the parenthesis that it stands in from here on.
        let sql = format!("EXPLAIN\n{select}");
        let explain = Statement::new(&sql, self.query.as_ref());
        LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, explain).map_err(refused)?;
        let empty =
            format!("FROM (SELECT 1) AS one LEFT JOIN (SELECT * FROM {} LIMIT 0) AS q ON TRUE", as_table(select));
        let mut names: Vec<String> = Vec::new();
        let sql = format!("SELECT q.* {empty}");
        let statement = Statement::new(&sql, self.query.as_ref());
        for row in LoadConnection::<DefaultLoadingMode>::load(&mut self.connection, statement).map_err(refused)? {
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
                "SELECT '' AS name, base.name, base.modifier FROM (SELECT pg_typeof(q.{})::oid AS type {empty}) AS x {}",
                Dialect::Postgres.quoted(&name),
                base_type("x.type", "-1"),
            );
            let described = self.rows(&sql, "look up the columns", &["type"])?.pop().unwrap_or_default();
            columns.push(CatalogueColumn { name, ..described_column(described) });
        }
        Ok(columns)
    }
}

/// Joins name and modifier of the type of this OID, or of that which a domain, maybe over a domain, is over.
fn base_type(oid: &str, modifier: &str) -> String {
    format!(
        "JOIN LATERAL (
            WITH RECURSIVE chain (oid, modifier) AS (
                SELECT {oid}, {modifier}
                UNION ALL
                SELECT d.typbasetype, d.typtypmod FROM chain c JOIN pg_type d ON d.oid = c.oid WHERE d.typtype = 'd'
            )
            SELECT b.typname::text AS name, c.modifier FROM chain c JOIN pg_type b ON b.oid = c.oid WHERE b.typtype <> 'd'
        ) AS base ON TRUE"
    )
}

/// A refusal is `told` as what it is here, before it is decided whether to try again.
fn connect(url: &ServerUrl, retry: Retry, told: impl Fn(EtlError) -> EtlError) -> Result<PgConnection, EtlError> {
    retry.run(|| PgConnection::establish(url.expose()).map_err(|error| told(url.refused(&error))))
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

    fn hold(&mut self, selection: &Selection) -> Result<(), EtlError> {
        self.query = selection.made()?;
        Ok(())
    }

    fn rows(&mut self, sql: &str, doing: &'static str, columns: &[&str]) -> Result<Vec<rows::Row>, EtlError> {
        rows::read(&mut self.connection, Statement::new(sql, self.query.as_ref()), doing, columns)
    }

    fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        self.names(TABLES, "list the tables")
    }

    fn resolve(&mut self, table: &str) -> Result<String, EtlError> {
        let name = find_name(self.tables()?, table, false)?;
        // The catalogue joined schema and name by a point, and either may hold one: the server says which it is. Of a table that
        // was dropped since the snapshot it does not know whether it is visible.
        let wanted = Self::DIALECT.text(&name);
        let sql = format!(
            "SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relkind IN ('r', 'v', 'm', 'p', 'f') AND {wanted} IN (c.relname, n.nspname || '.' || c.relname)
             ORDER BY (c.relname = {wanted} AND pg_table_is_visible(c.oid)) IS TRUE DESC, n.nspname LIMIT 1"
        );
        self.names(&sql, "look up the table")?.pop().ok_or(EtlError::UnknownTable { table: name, near: Vec::new() })
    }

    fn namespace(&mut self, selection: &Selection) -> Result<String, EtlError> {
        let place = match selection.select(Self::DIALECT) {
            Ok(_) => "array_to_string(current_schemas(false), ',')".to_owned(),
            Err(table) => Self::DIALECT.text(&self.resolve(table)?),
        };
        let sql = format!("SELECT current_database() || ' ' || COALESCE({place}, '')");
        Ok(self.names(&sql, "look up where the names are from")?.pop().unwrap_or_default())
    }

    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError> {
        let table = match selection.select(Self::DIALECT) {
            Ok(select) => return self.query_columns(&select),
            Err(table) => Self::DIALECT.text(&self.resolve(table)?),
        };
        let sql = format!(
            "SELECT a.attname::text, base.name, base.modifier FROM pg_attribute a {}
             WHERE a.attrelid = {table}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
            base_type("a.atttypid", "a.atttypmod"),
        );
        Ok(self.rows(&sql, "look up the columns", &["name"])?.into_iter().map(described_column).collect())
    }

    fn primary_key(&mut self, table: &str) -> Result<Vec<String>, EtlError> {
        let table = Self::DIALECT.text(&self.resolve(table)?);
        let sql = format!(
            "SELECT a.attname::text FROM pg_index i
             CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, place)
             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
             WHERE i.indrelid = {table}::regclass AND i.indisprimary ORDER BY k.place"
        );
        self.names(&sql, "look up the primary key")
    }

    fn begin(&mut self) -> Result<(), EtlError> {
        let begin = format!("{BEGIN}; {SETTINGS}");
        self.connection.batch_execute(&begin).map_err(EtlError::database("begin a read transaction"))?;
        self.snapshot = self.names("SELECT pg_export_snapshot()", "export the snapshot")?.pop();
        Ok(())
    }

    fn end(&mut self) -> Result<(), EtlError> {
        self.snapshot = None;
        self.connection.batch_execute("ROLLBACK").map_err(EtlError::database("end the read transaction"))
    }

    fn beside(&mut self, _: &Source, count: usize) -> Result<Vec<Self>, EtlError> {
        let one = |opened| {
            let (url, retry, snapshot) = (self.url.clone(), self.retry, self.snapshot.clone());
            let connection = self.joined(|refused| refused.for_partitions(opened, count))?;
            Ok(Self { connection, url, retry, snapshot, for_one_copy: true, query: None })
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
            joined = self.joined(|refused| refused)?;
            &mut joined
        };
        if self.query.is_some() {
            return cursor::scan(connection, &sql, self.query.as_ref(), &wires, scan.page_rows, sink);
        }
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
        && scan.columns.iter().all(|c| c.read_as == ReadAs::Itself);
    match scan.selection.select(Dialect::Postgres) {
        // As it was written, so that its order holds for certain.
        Ok(select) if plain => select.into_owned(),
        _ => {
            let columns: Vec<String> = scan
                .wanted_columns()
                .map(|c| {
                    let name = Dialect::Postgres.quoted(&c.name);
                    if c.read_as == ReadAs::Text { format!("CAST({name} AS text)") } else { name }
                })
                .collect();
            let filter = scan.filter.map(|f| format!(" WHERE {f}")).unwrap_or_default();
            format!("SELECT {} FROM {}{filter}", columns.join(", "), scan.from)
        }
    }
}

impl rows::CursorBackend for Pg {
    /// Integers come as such, everything else was cast to text.
    fn cursor(value: PgValue<'_>) -> Result<Option<CursorValue>, &'static str> {
        let wire = match value.get_oid().get() {
            21 => Wire::Int2,
            23 => Wire::Int4,
            20 => Wire::Int8,
            1700 => Wire::Numeric,
            _ => Wire::Text,
        };
        binary::cursor(wire, value.as_bytes())
    }
}

/// A column by its name, type and modifier.
fn described_column(row: rows::Row) -> CatalogueColumn {
    let mut values = row.into_iter();
    let (name, type_name) = (rows::text(values.next()), rows::text(values.next()));
    let modifier = match values.next().flatten() {
        Some(CursorValue::Integer(modifier)) => i32::try_from(modifier).unwrap_or(-1),
        _ => -1,
    };
    column(name, &type_name, modifier)
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
            let plain = CatalogueColumn::plain(name, Some(ValueType::Text), Wire::Text);
            return CatalogueColumn { read_as: ReadAs::Text, ..plain };
        }
    };
    CatalogueColumn::plain(name, Some(value_type), wire)
}
