//! Extraction: a table or a query, read in batches into frames.
//!
//! The types of the columns are declared, by a [`Schema`](med_schema::Schema) or by the database's catalogue, before
//! the first row is read. All batches of an extraction come from one read transaction, so they show one state of the
//! database. Memory is that of one batch, whatever the size of the table.
//!
//! A back end is an implementation of the private trait `Database`: list tables, look up columns, select, scan. What
//! fits, what is counted and what is reported is decided once, here and in the column builders.

mod extract;
mod read;
mod sqlite;
pub mod strict;
mod url;

pub use extract::{Extract, ExtractOptions, MismatchPolicy, Selection};
pub use url::Source;

use std::fmt;
use std::ops::ControlFlow;

use diesel::sqlite::SqliteConnection;
use med_schema::{Table, ValueType};
use polars::frame::DataFrame;

use crate::builder::Value;
use crate::{EtlError, ExtractionReport, Progress};
use sqlite::SqliteDatabase;

/// One column as the database describes it.
pub(crate) struct CatalogueColumn {
    pub(crate) name: String,
    pub(crate) value_type: Option<ValueType>,
}

/// Takes the values of a scan, row by row.
pub(crate) trait RowSink {
    type Error: From<EtlError>;
    fn value(&mut self, column: usize, value: Value<'_>);
    fn end_row(&mut self) -> Result<(), Self::Error>;
}

/// What a back end can do.
pub(crate) trait Database {
    /// Tables and views, by name.
    fn tables(&mut self) -> Result<Vec<String>, EtlError>;
    /// The columns of a selection.
    fn catalogue(&mut self, selection: &Selection) -> Result<Vec<CatalogueColumn>, EtlError>;
    /// The statement that reads these columns of a table, or the query itself.
    fn select(&mut self, selection: &Selection, columns: &[&str]) -> Result<String, EtlError>;
    /// Starts a transaction in which every read sees one state.
    fn begin(&mut self) -> Result<(), EtlError>;
    /// Ends it.
    fn end(&mut self) -> Result<(), EtlError>;
    /// Runs a statement whose columns must have these `names`, and feeds those at the places `wanted` to the sink.
    fn scan<S: RowSink>(&mut self, sql: &str, names: &[&str], wanted: &[usize], sink: &mut S) -> Result<(), S::Error>;
}

/// An extracted table and the report on it.
#[derive(Debug, Clone)]
pub struct Extracted {
    /// All rows.
    pub table: Table,
    /// What was read.
    pub report: ExtractionReport,
}

/// An open database, for reading.
///
/// One connection serves one extraction at a time; for two at once open two.
pub struct Connection {
    database: SqliteDatabase,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("backend", &"sqlite").finish_non_exhaustive()
    }
}

impl From<SqliteConnection> for Connection {
    /// Reads through a connection that the caller opened, for example to a database in memory. It stays as writable as it
    /// was; the extraction itself only reads.
    fn from(connection: SqliteConnection) -> Self {
        Self::new(SqliteDatabase::of(connection))
    }
}

impl Connection {
    pub(crate) fn new(database: SqliteDatabase) -> Self {
        Self { database }
    }

    /// The connection itself, for typed queries through Diesel.
    pub fn diesel(&mut self) -> &mut SqliteConnection {
        self.database.diesel()
    }

    /// The tables and views, by name.
    ///
    /// # Errors
    /// When the catalogue cannot be read.
    pub fn tables(&mut self) -> Result<Vec<String>, EtlError> {
        self.database.tables()
    }

    /// Reads batch by batch: `sink` gets every frame, then `progress` is told and may stop the extraction. A selection
    /// without rows gives one empty frame, so that a sink always learns the columns.
    ///
    /// Under [`MismatchPolicy::Fail`] no frame is given out from the first value on that does not fit; the rest is still
    /// read, so that the error says how many there are.
    ///
    /// # Errors
    /// When the table or a declared column is not there, the query is not one SELECT, a value does not fit and the policy
    /// is to fail, the sink fails, or [`EtlError::Cancelled`] when `progress` breaks.
    pub fn for_each_batch<E: From<EtlError>>(
        &mut self,
        extract: &Extract,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
        sink: impl FnMut(DataFrame) -> Result<(), E>,
    ) -> Result<ExtractionReport, E> {
        self.database.begin()?;
        let read = read::run(&mut self.database, extract, progress, sink);
        let ended = self.database.end();
        let report = read?;
        ended?;
        tracing::debug!(from = report.from, rows = report.rows, batches = report.batches, "extracted");
        Ok(report)
    }

    /// Reads all rows into one table: of the declared schema, or of one inferred from the frame.
    ///
    /// # Errors
    /// As [`Connection::for_each_batch`], and when the rows do not fit the declared schema, for example by a null
    /// in a column that is not nullable.
    pub fn collect(&mut self, extract: &Extract) -> Result<Extracted, EtlError> {
        self.collect_with(extract, |_| ControlFlow::Continue(()))
    }

    /// As [`Connection::collect`], with progress told after every batch.
    ///
    /// # Errors
    /// As [`Connection::collect`], and [`EtlError::Cancelled`] when `progress` breaks.
    pub fn collect_with(
        &mut self,
        extract: &Extract,
        progress: impl FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Extracted, EtlError> {
        let mut all: Option<DataFrame> = None;
        let report = self.for_each_batch(extract, progress, |batch| -> Result<(), EtlError> {
            match &mut all {
                Some(frame) => {
                    frame.vstack_mut_owned(batch)?;
                }
                None => all = Some(batch),
            }
            Ok(())
        })?;
        let mut frame = all.unwrap_or_default();
        frame.rechunk_mut();
        let table = match extract.schema() {
            Some(schema) => Table::parse(frame, schema.clone())?,
            None => Table::infer(frame)?,
        };
        Ok(Extracted { table, report })
    }
}
