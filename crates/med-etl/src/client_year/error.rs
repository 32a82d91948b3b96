//! Why transactions could not be made into client-years. No message holds a value of a row.

use med_schema::{SchemaError, TableError, ValueType};
use polars::error::PolarsError;

use crate::MissingColumn;

fn list<T: ToString>(items: &[T]) -> String {
    items.iter().map(T::to_string).collect::<Vec<_>>().join("; ")
}

fn near(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) }
}

/// Why transactions could not be made into client-years.
///
/// It is an enum of its own: nothing here talks to a database, and a service that rolls up frames it holds already has no use
/// for the errors of extraction.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientYearError {
    /// A claims configuration that contradicts itself.
    #[error("claims configuration, {at}: {reason}")]
    Config {
        /// The part of the configuration.
        at: String,
        /// What was expected and what was found.
        reason: String,
    },
    /// A file of condition categories that says something wrong.
    #[error("category map, line {line}: {reason}")]
    CategoryFile {
        /// The line, from 1.
        line: u64,
        /// What was expected and what was found.
        reason: String,
    },
    /// A table that the configuration does not name.
    #[error("table {table:?} is not in the claims configuration{}", near(.known))]
    UnknownTable {
        /// The name given.
        table: String,
        /// The tables that are in it.
        known: Vec<String>,
    },
    /// Columns named by the configuration that the table lacks.
    #[error("table {table:?} lacks columns that the claims configuration names: {}", list(.missing))]
    MissingColumns {
        /// The table.
        table: String,
        /// Every one of them, with names like it.
        missing: Vec<MissingColumn>,
    },
    /// A column of a type that does not do for what it is named for.
    #[error("table {table:?}, column {column:?}: expected {expected}, found a column of type {found}")]
    ColumnType {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What it is named for.
        expected: &'static str,
        /// What the frame holds.
        found: String,
    },
    /// Values that cannot be read as what the column is for, under the policy to fail.
    #[error(
        "table {table:?}, column {column:?}: {rows} values are no {expected}, the first in row {first_row} (from 0); declare the \
         format, or set rules.unreadable to \"drop\""
    )]
    Unreadable {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What was expected.
        expected: String,
        /// How many rows.
        rows: u64,
        /// The first of them, from 0 in the order in which the table was given.
        first_row: u64,
    },
    /// Codes that the configuration says nothing of, where it must.
    #[error("table {table:?}, column {column:?}: {what} in {rows} rows, the first in row {first_row} (from 0)")]
    UnknownCode {
        /// The table.
        table: String,
        /// The column.
        column: String,
        /// What is not known, and what to do.
        what: String,
        /// How many rows.
        rows: u64,
        /// The first of them.
        first_row: u64,
    },
    /// Transactions of clients that neither the clients nor the enrolment know, under the policy to fail.
    #[error("table {table:?}: {rows} rows belong to clients that neither the clients' table nor the enrolment knows")]
    UnknownClients {
        /// The table.
        table: String,
        /// How many rows.
        rows: u64,
    },
    /// Tables given in the wrong order.
    #[error("table {table:?} was given after transactions; clients and enrolment come first")]
    Order {
        /// The table.
        table: String,
    },
    /// A table that was configured and never given.
    #[error("tables of the claims configuration were not given: {}", .tables.join(", "))]
    NotGiven {
        /// The tables.
        tables: Vec<String>,
    },
    /// More of something than can be counted here.
    #[error("{what}: at most {limit} are supported")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A client-year table that lacks what every one has.
    #[error("column {column:?}: expected {expected}")]
    NotClientYears {
        /// The column.
        column: String,
        /// How it should be held.
        expected: ValueType,
    },
    /// The frame does not fit its schema.
    #[error(transparent)]
    Table(#[from] TableError),
    /// A schema that is not one.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// An operation on a frame failed.
    #[error("frame: {0}")]
    Frame(#[from] PolarsError),
}

impl ClientYearError {
    pub(super) fn config(at: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::Config { at: at.into(), reason: reason.into() }
    }
}
