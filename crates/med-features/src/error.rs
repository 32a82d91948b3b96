//! What can go wrong while splitting, selecting and encoding.

use med_schema::{DatasetError, MatrixError};

use crate::SelectionMethod;

/// Parameters, data or files that a split, a selection or an encoder cannot work with.
///
/// No message holds a value of a row: rows and columns are named instead.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FeatureError {
    /// A parameter out of its range.
    #[error("{parameter}: expected {expected}, got {found}")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        found: String,
    },
    /// A split that would leave one part without rows.
    #[error("the {part} part would have none of the {rows} rows: {reason}")]
    EmptyPart {
        /// `train` or `test`.
        part: &'static str,
        /// Rows to split.
        rows: usize,
        /// Why.
        reason: &'static str,
    },
    /// Row numbers that are not a split: one is missing, past the end, twice there or out of order.
    #[error("not a split of {rows} rows into two ascending parts: {reason} at row {row}")]
    NotASplit {
        /// Rows in both parts together.
        rows: usize,
        /// The first row that is wrong.
        row: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A split of another number of rows.
    #[error("the split is of {expected} rows, found {found}")]
    SplitRows {
        /// Rows split.
        expected: usize,
        /// Rows given.
        found: usize,
    },
    /// No such selection method.
    #[error("there is no selection method {found:?}{}; there are {known}", hint(.near))]
    UnknownMethod {
        /// The name asked for.
        found: String,
        /// Names like it.
        near: Vec<String>,
        /// All names.
        known: String,
    },
    /// A method that compares two parts was given one.
    #[error("{method} compares two parts and was given one: pass the test part")]
    NeedsTest {
        /// The method.
        method: SelectionMethod,
    },
    /// A method that relates features to the target was given none.
    #[error("{method} relates features to the target and was given none")]
    NeedsTarget {
        /// The method.
        method: SelectionMethod,
    },
    /// A step that learns from the target was given none.
    #[error("the step {step} learns from the target and was given none: fit the pipeline with the target")]
    TargetNeeded {
        /// The step.
        step: &'static str,
    },
    /// A model that a selection asked for could not be fitted or used.
    #[error("the model of the selection, {doing}: {reason}")]
    Learner {
        /// What was asked of it.
        doing: &'static str,
        /// What it said.
        reason: String,
    },
    /// False-discovery control asked of a method without p-values.
    #[error("{method} has no p-values to control a false-discovery rate with; select by top k or threshold")]
    NoPValues {
        /// The method.
        method: SelectionMethod,
    },
    /// Parts that must have as many rows as the features.
    #[error("{part} has {found} rows, expected {expected}")]
    Rows {
        /// What has another number of rows.
        part: &'static str,
        /// Its rows.
        found: usize,
        /// The rows expected.
        expected: usize,
    },
    /// Columns that are not those fitted on.
    #[error("the columns are not those fitted on: {}", .differences.join("; "))]
    Mismatch {
        /// One sentence for each column that differs.
        differences: Vec<String>,
    },
    /// A column that the step cannot work on.
    #[error("column {column:?}: expected {expected}")]
    ColumnKind {
        /// The column.
        column: String,
        /// What the step works on.
        expected: &'static str,
    },
    /// A level that was not in the training part.
    #[error("column {column:?}, row {row}: the level was not in the training part ({rows} such rows in all)")]
    UnseenLevel {
        /// The column.
        column: String,
        /// The first such row, from 0.
        row: usize,
        /// How many such rows there are.
        rows: usize,
    },
    /// A missing value where none is allowed.
    #[error("column {column:?}, row {row}: the value is missing ({rows} such rows in all)")]
    Missing {
        /// The column.
        column: String,
        /// The first such row, from 0.
        row: usize,
        /// How many such rows there are.
        rows: usize,
    },
    /// More levels than a one-hot encoder is allowed to spread.
    #[error("column {column:?} has {found} levels, more than max_levels {most}: is it an identifier or free text?")]
    TooManyLevels {
        /// The column.
        column: String,
        /// Levels in the training part.
        found: usize,
        /// The limit.
        most: usize,
    },
    /// A level of the training part that the given list of levels lacks.
    #[error("column {column:?}, row {row}: the level is not in the list of levels given ({rows} such rows in all)")]
    UnlistedLevel {
        /// The column.
        column: String,
        /// The first such row, from 0.
        row: usize,
        /// How many such rows there are.
        rows: usize,
    },
    /// A column without a single value to fit on.
    #[error("column {column:?} has no value in the training part")]
    AllMissing {
        /// The column.
        column: String,
    },
    /// A stored value of another format or a later version.
    #[error(
        "expected format {expected_format:?} up to version {expected_version}, found {found_format:?} version {found_version}"
    )]
    Format {
        /// The format this build reads.
        expected_format: &'static str,
        /// The latest version this build reads.
        expected_version: u32,
        /// The format found.
        found_format: String,
        /// The version found.
        found_version: u32,
    },
    /// A stored value whose parts do not fit together.
    #[error("step {step}: {reason}")]
    Inconsistent {
        /// The step, from 0.
        step: usize,
        /// What does not fit.
        reason: String,
    },
    /// The features do not fit together.
    #[error(transparent)]
    Matrix(#[from] MatrixError),
    /// Features and target do not fit together.
    #[error(transparent)]
    Dataset(#[from] DatasetError),
}

fn hint(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (did you mean {}?)", names.join(", ")) }
}
