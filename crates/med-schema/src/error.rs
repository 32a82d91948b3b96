//! What can go wrong with the shared types.

use std::path::PathBuf;

use crate::{Fingerprint, Kind, Role, SchemaDifference, ValueType};

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

/// A schema, run id or fingerprint that is not one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The document of a suite is not the one it says it is.
    #[error("suite {name:?} is damaged: expected content {expected}, found {found}")]
    Suite {
        /// The suite.
        name: String,
        /// The fingerprint it carries.
        expected: Fingerprint,
        /// The fingerprint of its content.
        found: Fingerprint,
    },
    /// Two columns have one name.
    #[error("column {name:?} is there twice, at positions {first} and {second}")]
    DuplicateColumn {
        /// The name.
        name: String,
        /// Position of the first.
        first: usize,
        /// Position of the second.
        second: usize,
    },
    /// A column without a name.
    #[error("the column at position {position} has an empty name")]
    EmptyName {
        /// Its position.
        position: usize,
    },
    /// The kind cannot be measured on values of this type.
    #[error("column {column:?}: kind {kind} cannot be held by values of type {found}; expected {expected}")]
    KindType {
        /// The column.
        column: String,
        /// Its kind.
        kind: Kind,
        /// The type it was given.
        found: ValueType,
        /// The types that would do.
        expected: String,
    },
    /// A role that only one column may have.
    #[error("columns {first:?} and {second:?} both have role {role}; a schema has at most one")]
    RoleTwice {
        /// The role.
        role: Role,
        /// The first column.
        first: String,
        /// The second column.
        second: String,
    },
    /// No such column.
    #[error("there is no column {name:?}{}", hint(.near))]
    UnknownColumn {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// A domain that holds nothing, or does not fit the kind.
    #[error("column {column:?}: {reason}")]
    Domain {
        /// The column.
        column: String,
        /// What is wrong with its domain.
        reason: String,
    },
    /// Two schemas differ.
    #[error(transparent)]
    Mismatch(#[from] SchemaDifference),
    /// Not a fingerprint.
    #[error("expected a fingerprint of 64 hexadecimal digits, found {found:?}")]
    Fingerprint {
        /// The text.
        found: String,
    },
    /// Not a run id.
    #[error(
        "expected a run id of 1 to 64 characters A-Z a-z 0-9 . _ - starting with a letter or digit, found {found:?}"
    )]
    RunId {
        /// The text.
        found: String,
    },
    /// A schema file that cannot be read.
    #[error("schema file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A schema file that is not TOML of the expected form.
    #[error("schema file is not valid TOML: {0}")]
    Toml(#[from] toml::de::Error),
    /// A schema that cannot be written as TOML.
    #[error("schema cannot be written as TOML: {0}")]
    TomlOut(#[from] toml::ser::Error),
    /// A schema file that is not JSON of the expected form.
    #[error("schema file is not valid JSON: {0}")]
    Json(#[from] serde_json::Error),
}

/// A feature matrix that cannot be, or does not fit.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MatrixError {
    /// Columns of different length.
    #[error("column {column:?} has {found} rows, expected {expected} as in {first:?}")]
    Length {
        /// The column.
        column: String,
        /// Its rows.
        found: usize,
        /// The rows of the first column.
        expected: usize,
        /// The first column.
        first: String,
    },
    /// Two columns have one name.
    #[error("feature {name:?} is there twice")]
    DuplicateFeature {
        /// The name.
        name: String,
    },
    /// A code without a level.
    #[error("column {column:?}, row {row}: code {code} has no level, there are {levels}")]
    Code {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The code.
        code: u32,
        /// How many levels there are.
        levels: usize,
    },
    /// No such feature.
    #[error("there is no feature {name:?}{}", hint(.near))]
    UnknownFeature {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// A categorical column where a numeric one is needed.
    #[error("feature {name:?} is categorical, expected a numeric one; encode it first")]
    NotNumeric {
        /// The feature.
        name: String,
    },
    /// The columns are not those expected.
    #[error("the features are not those expected: {}", .differences.join("; "))]
    Mismatch {
        /// One sentence for each column that differs.
        differences: Vec<String>,
    },
    /// A row index past the end.
    #[error("row {row} asked for, there are {rows}")]
    Row {
        /// The row.
        row: usize,
        /// How many there are.
        rows: usize,
    },
}

/// A dataset that cannot be.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// A part with another number of rows than the features.
    #[error("{part} has {found} rows, expected {expected} as in the features")]
    Length {
        /// Target, weight or exposure.
        part: &'static str,
        /// Its rows.
        found: usize,
        /// The rows of the features.
        expected: usize,
    },
    /// A target that is not a finite number.
    #[error("target {target:?}, row {row}: expected a finite number, got {value}")]
    Target {
        /// The target column.
        target: String,
        /// The row, from 0.
        row: usize,
        /// The value.
        value: f64,
    },
    /// An exposure that is not a positive number of years.
    #[error("row {row}: exposure must be a positive number of years, got {value}")]
    Exposure {
        /// The row, from 0.
        row: usize,
        /// The value.
        value: f64,
    },
    /// A weight that is negative or not finite.
    #[error("row {row}: weight must be a finite number >= 0, got {value}")]
    Weight {
        /// The row, from 0.
        row: usize,
        /// The value.
        value: f64,
    },
    /// Weights that are all zero.
    #[error("the weight of every row is 0; expected at least one above 0")]
    Weightless,
    /// No rows.
    #[error("the dataset of target {target:?} has no rows")]
    Empty {
        /// The target column.
        target: String,
    },
    /// The target among the features.
    #[error("the target {target:?} is also a feature: a model must not see what it predicts")]
    TargetIsFeature {
        /// The target column.
        target: String,
    },
    /// The features do not fit together.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
}
