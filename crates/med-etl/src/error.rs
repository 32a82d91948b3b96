//! What can go wrong between a database and a transformed table. No message holds a value of a row or a credential.

use std::path::PathBuf;

use med_schema::{SchemaError, TableError, ValueType};
use polars::error::PolarsError;

use crate::ColumnMismatch;

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}

/// An error with its causes; Diesel names the field in the error and what is wrong with it in the cause.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |e| e.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A column that was asked for and is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?}{}", hint(.near))]
pub struct MissingColumn {
    /// The name asked for.
    pub name: String,
    /// Names like it.
    pub near: Vec<String>,
}

/// An extraction or a transform that could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EtlError {
    /// A database URL of a kind that is not supported. Names the scheme only, as the rest may hold a password.
    #[error(
        "cannot open a database of scheme {scheme:?}; supported: sqlite:///path, sqlite://path, or the path of an SQLite file"
    )]
    UnsupportedScheme {
        /// The scheme found.
        scheme: String,
    },
    /// A database URL of a supported kind that names no database.
    #[error("the database URL {reason}")]
    Url {
        /// What is wrong with it.
        reason: &'static str,
    },
    /// No file where the database should be.
    #[error("there is no database file {path}")]
    NoDatabase {
        /// The path looked at.
        path: PathBuf,
    },
    /// The database cannot be opened.
    #[error("cannot open the database {database}: {source}")]
    Connect {
        /// The database, without credentials.
        database: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database refused a statement or stopped answering.
    #[error("cannot {doing}: {source}")]
    Database {
        /// What was being done.
        doing: String,
        /// Why.
        source: diesel::result::Error,
    },
    /// No such table or view.
    #[error("there is no table {table:?} in the database{}", hint(.near))]
    UnknownTable {
        /// The name asked for.
        table: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// Columns of the declared schema that the database does not have.
    #[error("{from} lacks declared columns: {}", list(.missing))]
    MissingColumns {
        /// The table or query.
        from: String,
        /// Every one of them.
        missing: Vec<MissingColumn>,
    },
    /// A query that is not one SELECT, or that the database does not understand.
    #[error("expected one SELECT statement: {source}")]
    Query {
        /// What the database says.
        source: diesel::result::Error,
    },
    /// Two columns of a query have one name.
    #[error("the query gives two columns the name {name:?}; name one of them with AS")]
    DuplicateColumn {
        /// The name.
        name: String,
    },
    /// Values that do not fit the declared types.
    #[error("{from}: values do not fit their declared type in {} of its columns ({rows} rows read): {}", .columns.len(), list(.columns))]
    Mismatches {
        /// The table or query.
        from: String,
        /// Rows read.
        rows: u64,
        /// The columns concerned.
        columns: Vec<ColumnMismatch>,
    },
    /// The progress callback asked to stop.
    #[error("cancelled after {rows} rows")]
    Cancelled {
        /// Rows delivered until then.
        rows: u64,
    },
    /// A row that does not fit the typed struct it is read into.
    #[error("table {table:?}, row {row} (from 0): {}", chain(.source))]
    TypedRow {
        /// The table.
        table: &'static str,
        /// The row, from 0.
        row: u64,
        /// What the row holds instead, without its value.
        source: diesel::result::Error,
    },
    /// A column to add that is there already.
    #[error("column {column:?} is there already")]
    ColumnExists {
        /// Its name.
        column: String,
    },
    /// A fill value of another type than the column.
    #[error("column {column:?} holds values of type {expected}; the fill value is of type {found}")]
    FillType {
        /// The column.
        column: String,
        /// Its type.
        expected: ValueType,
        /// The type of the value.
        found: ValueType,
    },
    /// Values that a cast would change.
    #[error("cast: {0}")]
    Cast(ColumnMismatch),
    /// A step that needs to name at least one column.
    #[error("{what} needs at least one column")]
    NoColumns {
        /// What needs it.
        what: &'static str,
    },
    /// A transform failed.
    #[error("step {step}: {source}")]
    Step {
        /// Its name.
        step: String,
        /// Why.
        source: Box<EtlError>,
    },
    /// The frame does not fit its schema.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A schema that is not one, or lacks a column.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// An operation on the frame failed.
    #[error("frame: {0}")]
    Frame(#[from] PolarsError),
}

impl EtlError {
    pub(crate) fn database(doing: impl Into<String>) -> impl FnOnce(diesel::result::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Database { doing, source }
    }
}
