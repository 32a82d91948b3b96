//! What can go wrong: with a suite when it is read, and with one expectation when it runs.

use med_schema::near_names;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; did you mean {}?", near.join(", ")) }
}

/// A suite that is refused as a whole. Expectations are numbered from 1, as people count them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SuiteError {
    /// Not JSON, or not of the outer form of a suite.
    #[error("the suite is not valid JSON of the expected form: {0}")]
    Json(#[from] serde_json::Error),
    /// A suite without a name.
    #[error("the suite has an empty name; expected a non-empty string")]
    EmptyName,
    /// An expectation that is no JSON object, or lacks `type` or `kwargs`.
    #[error("expectation {number}: expected an object with the keys type and kwargs, found {found}")]
    Shape {
        /// Its number.
        number: usize,
        /// What was there.
        found: String,
    },
    /// A key beside `type` and `kwargs` that means nothing.
    #[error("expectation {number} ({expectation}): unknown key {key:?}{}", hint(.near))]
    UnknownKey {
        /// Its number.
        number: usize,
        /// Its type.
        expectation: String,
        /// The key.
        key: String,
        /// Keys like it.
        near: Vec<String>,
    },
    /// A type that nobody knows.
    #[error("expectation {number}: unknown type {expectation:?}{}", hint(.near))]
    UnknownExpectation {
        /// Its number.
        number: usize,
        /// The type.
        expectation: String,
        /// Types like it.
        near: Vec<String>,
    },
    /// A type that Great Expectations knows and this crate cannot check.
    #[error("expectation {number} ({expectation}) is not supported: {reason}")]
    Unsupported {
        /// Its number.
        number: usize,
        /// The type.
        expectation: String,
        /// Why.
        reason: &'static str,
    },
    /// A parameter that this expectation does not have.
    #[error("expectation {number} ({expectation}): unknown parameter {parameter:?}{}", hint(.near))]
    UnknownParameter {
        /// Its number.
        number: usize,
        /// Its type.
        expectation: String,
        /// The parameter.
        parameter: String,
        /// Parameters like it.
        near: Vec<String>,
    },
    /// A parameter that has to be there.
    #[error("expectation {number} ({expectation}): parameter {parameter:?} is required: {expected}")]
    MissingParameter {
        /// Its number.
        number: usize,
        /// Its type.
        expectation: String,
        /// The parameter.
        parameter: String,
        /// What it should hold.
        expected: &'static str,
    },
    /// A `$PARAMETER` placeholder that cannot be filled in.
    #[error("expectation {number}: the suite parameter {expression:?} cannot be filled in: {reason}")]
    SuiteParameter {
        /// The expectation's number.
        number: usize,
        /// What stands in the suite.
        expression: String,
        /// Why not.
        reason: String,
    },
    /// A parameter with a value it cannot have.
    #[error("expectation {number} ({expectation}): parameter {parameter:?} should be {expected}, found {found}")]
    Parameter {
        /// Its number.
        number: usize,
        /// Its type.
        expectation: String,
        /// The parameter.
        parameter: String,
        /// What would do.
        expected: String,
        /// What was found.
        found: String,
    },
}

/// What keeps one expectation from running. It becomes the message of an errored result, and holds no cell of the table.
///
/// Written down it is its message, and read again a [`RunError::Recorded`]; [`RunError::NotJson`] stays what it is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// No such column.
    #[error("there is no column {column:?}{}", hint(.near))]
    NoColumn {
        /// The name asked for.
        column: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// The name matches several columns when case is ignored, and none exactly.
    #[error("column {column:?} is ambiguous: it could be {}", .candidates.join(" or "))]
    Ambiguous {
        /// The name asked for.
        column: String,
        /// The columns it could be.
        candidates: Vec<String>,
    },
    /// Values of a type that this rule cannot work with.
    #[error("column {column:?} holds {found}, expected {expected}")]
    Type {
        /// The column.
        column: String,
        /// How its values are held.
        found: &'static str,
        /// What would do.
        expected: &'static str,
    },
    /// A bound, set member or condition parameter that cannot be compared with the column's values.
    #[error("column {column:?} holds {found} and cannot be compared with {other}")]
    Incomparable {
        /// The column.
        column: String,
        /// How its values are held.
        found: &'static str,
        /// The other side.
        other: String,
    },
    /// Bounds the wrong way round.
    #[error("min_value {min} is greater than max_value {max}")]
    EmptyRange {
        /// Lower bound.
        min: String,
        /// Upper bound.
        max: String,
    },
    /// A pattern that is no regular expression, or one that ran out of its budget.
    #[error("regular expression {pattern:?}: {reason}")]
    Regex {
        /// The pattern.
        pattern: String,
        /// Why.
        reason: String,
    },
    /// A JSON schema that is none.
    #[error("JSON schema: {reason}")]
    JsonSchema {
        /// Why.
        reason: String,
    },
    /// A cell that is no JSON where all must be, by row.
    #[error("column {column:?}, row {row}: the text is not JSON, so no schema can be applied")]
    NotJson {
        /// The column.
        column: String,
        /// The row, from 0.
        row: u64,
    },
    /// A type name that no type has.
    #[error("{name:?} is no type name; known are {known}")]
    TypeName {
        /// The name.
        name: String,
        /// The known ones.
        known: String,
    },
    /// Parameters that contradict each other at run time.
    #[error("{reason}")]
    Parameters {
        /// What is wrong.
        reason: String,
    },
    /// What is asked cannot be told in bounded memory.
    #[error("column {column:?}: {reason}; ask for exact metrics")]
    Bounded {
        /// The column.
        column: String,
        /// Why not.
        reason: String,
    },
    /// An error of a part that was scanned elsewhere.
    #[error("{0}")]
    Recorded(String),
    /// The frame holds a column in a way that a parsed table does not.
    #[error("column {column:?} is held as {found}, which no table holds")]
    Frame {
        /// The column.
        column: String,
        /// The type found.
        found: String,
    },
}

/// How an error is written down: as its message, but for what moves with the rows of its part.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    NotJson { column: String, row: u64 },
    Message(String),
}

impl Serialize for RunError {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::NotJson { column, row } => Written::NotJson { column: column.clone(), row: *row },
            other => Written::Message(other.to_string()),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RunError {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(match Written::deserialize(deserializer)? {
            Written::NotJson { column, row } => Self::NotJson { column, row },
            Written::Message(message) => Self::Recorded(message),
        })
    }
}

/// Metrics that do not go together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// They are of other suites, columns or options.
    #[error(
        "metrics of plan {expected:016x} expected, found some of plan {found:016x}: suite, columns or options differ"
    )]
    OtherPlan {
        /// The plan that was expected.
        expected: u64,
        /// The plan whose metrics these are.
        found: u64,
    },
}

impl RunError {
    /// The same error in a part whose rows begin at `offset` of the whole.
    pub(crate) fn moved(self, offset: u64) -> Self {
        match self {
            Self::NotJson { column, row } => Self::NotJson { column, row: row + offset },
            other => other,
        }
    }

    pub(crate) fn no_column<'a>(column: &str, names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::NoColumn { column: column.to_owned(), near: near_names(column, names) }
    }
}
