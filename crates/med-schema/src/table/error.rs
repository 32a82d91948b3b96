//! Why a frame or a file is not a table.

use std::fmt;
use std::path::PathBuf;

use polars::prelude::{DataFrame, PolarsError};

use crate::{DatasetError, Kind, MatrixError, SchemaDifference, SchemaError, ValueType};

/// A frame that is not what its schema says, with all differences. The frame is still in it: nothing is lost.
pub struct TableMismatch {
    /// What differs.
    pub difference: SchemaDifference,
    /// The frame as it came.
    pub frame: DataFrame,
}

/// Shows the frame's shape, not its rows: an error message is no place for somebody's data.
impl fmt::Debug for TableMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableMismatch")
            .field("difference", &self.difference)
            .field("shape", &self.frame.shape())
            .finish_non_exhaustive()
    }
}

/// Why a frame or a file is not a table.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// The columns are not those of the schema.
    #[error("{}", .0.difference)]
    Mismatch(Box<TableMismatch>),
    /// The schema itself is wrong.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The features do not fit together.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// Features, target, weights and exposure do not make a dataset.
    #[error(transparent)]
    Dataset(DatasetError),
    /// A type that no schema can hold.
    #[error(
        "column {column:?} has type {found}; expected booleans, integers, floats, text, dates or timestamps: leave it out, or convert it"
    )]
    Type {
        /// The column.
        column: String,
        /// Its type.
        found: String,
    },
    /// A number that no table can hold.
    #[error(
        "column {column:?} has type {found}, and row {row} (from 0) is beyond integers of 64 bits; leave it out, or write it as floats or text"
    )]
    Misfit {
        /// The column.
        column: String,
        /// The first such row.
        row: u64,
        /// Its type.
        found: String,
    },
    /// A column that was asked for as numbers and holds texts or times.
    #[error("column {column:?} holds {found} (kind {kind}), expected numbers in each row")]
    NotNumeric {
        /// The column.
        column: String,
        /// Its kind.
        kind: Kind,
        /// How its values are held.
        found: ValueType,
    },
    /// A column that no model can take.
    #[error(
        "column {column:?} is of kind {kind}, expected one that can be measured (continuous, count, binary, nominal, ordinal) or a date or timestamp"
    )]
    NotMeasurable {
        /// The column.
        column: String,
        /// Its kind.
        kind: Kind,
    },
    /// A target that is not a number in each row.
    #[error(
        "target {column:?} has {nulls} missing values, the first in row {first_row}; expected a number in each row"
    )]
    MissingTarget {
        /// The column.
        column: String,
        /// How many are missing.
        nulls: usize,
        /// The first of them, from 0.
        first_row: usize,
    },
    /// A row index past the end.
    #[error("row {row} asked for, there are {rows}")]
    Row {
        /// The row.
        row: usize,
        /// How many there are.
        rows: usize,
    },
    /// A file that is neither CSV nor Parquet.
    #[error("{}: expected a file that ends in .csv or .parquet", .path.display())]
    Ending {
        /// The file.
        path: PathBuf,
    },
    /// A file that cannot be read or written.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file that is not well-formed CSV.
    #[error("{}: {reason}", .path.display())]
    Csv {
        /// The file.
        path: PathBuf,
        /// Line and reason.
        reason: String,
    },
    /// A field that is not of the type the schema file asks for.
    #[error(
        "{}: column {column:?}, line {line}: the field is not {expected}; a word for missing values has to be named as one (null values)",
        .path.display()
    )]
    Field {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
        /// The line, from 1.
        line: u64,
        /// The type asked for.
        expected: String,
    },
    /// A file that is not well-formed Parquet.
    #[error("{}: {source}", .path.display())]
    Parquet {
        /// The file.
        path: PathBuf,
        /// Why.
        source: PolarsError,
    },
    /// polars refused.
    #[error(transparent)]
    Polars(#[from] PolarsError),
}
