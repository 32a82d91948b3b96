//! What can keep drift from being measured.

use std::fmt;

use crate::{Preset, SampleKind};

/// One of the two samples that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// What is known and trusted: the training part, last quarter.
    Reference,
    /// What is new: the test part, this month's batch.
    Current,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reference => "reference",
            Self::Current => "current",
        })
    }
}

/// Why drift could not be measured. That a column has drifted is no error but a result.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DriftError {
    /// A method of this name is not known.
    #[error("there is no drift method {name:?}{}; known are {}", did_you_mean(.near), .known.join(", "))]
    UnknownMethod {
        /// The name asked for.
        name: String,
        /// Known names like it.
        near: Vec<String>,
        /// All known names.
        known: Vec<&'static str>,
    },
    /// A method that cannot measure columns of this kind.
    #[error("{method} does not measure {kind} columns")]
    Unsupported {
        /// The method.
        method: &'static str,
        /// The kind it was given.
        kind: SampleKind,
    },
    /// Two samples of different kinds.
    #[error("the reference is {reference}, the current sample {current}: they cannot be compared")]
    KindMismatch {
        /// Kind of the reference.
        reference: SampleKind,
        /// Kind of the current sample.
        current: SampleKind,
    },
    /// Columns that are numeric on one side and categorical on the other.
    #[error("columns of different kinds on the two sides: {}", kinds(.columns))]
    KindsDiffer {
        /// Name, kind in the reference, kind in the current table.
        columns: Vec<(String, SampleKind, SampleKind)>,
    },
    /// Columns that one side has and the other has not.
    #[error("both tables must have the same columns; {}", missing(.reference, .current))]
    MissingColumns {
        /// Columns of the current table that the reference has not.
        reference: Vec<String>,
        /// Columns of the reference that the current table has not.
        current: Vec<String>,
    },
    /// A preset, chunks or calibration, which need the rows, given profiles.
    #[error("the preset {} as it is set needs rows, and profiles have none; use default or deepchecks without chunks and calibration", .preset.as_str())]
    NeedsRows {
        /// The preset.
        preset: Preset,
    },
    /// Chunks that were made for another table.
    #[error("a chunk has rows beyond the {table} of the table")]
    ChunkRows {
        /// Rows of the table.
        table: usize,
    },
    /// Tables without columns.
    #[error("there are no columns to compare")]
    NoColumns,
    /// A side with fewer usable rows than the measure needs.
    #[error("{method} needs at least {needed} usable rows a side, the {side} sample has {found}")]
    TooFewRows {
        /// The method.
        method: &'static str,
        /// Which side.
        side: Side,
        /// Usable rows there are: not missing, and for measures that calculate with the values, finite.
        found: usize,
        /// Usable rows needed.
        needed: usize,
    },
    /// A formula that has no value for these samples.
    #[error("{method} is not defined here: {reason}")]
    NotDefined {
        /// The method.
        method: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// A learner that failed.
    #[error("the learner failed: {message}")]
    Learner {
        /// What it says.
        message: String,
    },
    /// Another number of values than rows.
    #[error("expected one {what} a row, {expected}, found {found}")]
    Length {
        /// What the values are.
        what: &'static str,
        /// Rows.
        expected: usize,
        /// Values.
        found: usize,
    },
    /// A value that is not finite where all must be.
    #[error("row {row}: the {what} is not a finite number")]
    NotFinite {
        /// What the value is.
        what: &'static str,
        /// The row, from 0.
        row: usize,
    },
    /// A categorical code without a level.
    #[error("row {row}: code {code} has no level, there are {levels}")]
    Code {
        /// The row, from 0.
        row: usize,
        /// The code.
        code: u32,
        /// Number of levels.
        levels: usize,
    },
    /// A parameter outside its range.
    #[error("{parameter} must be {expected}, got {found}")]
    Parameter {
        /// Its name.
        parameter: &'static str,
        /// The range, in words.
        expected: &'static str,
        /// The value.
        found: f64,
    },
}

fn did_you_mean(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(" (did you mean {}?)", names.join(", ")) }
}

fn kinds(columns: &[(String, SampleKind, SampleKind)]) -> String {
    let sentences = columns.iter().map(|(name, r, c)| format!("{name:?} ({r} in the reference, {c} in the current)"));
    sentences.collect::<Vec<_>>().join(", ")
}

fn missing(reference: &[String], current: &[String]) -> String {
    let mut sentences = Vec::new();
    for (side, names) in [(Side::Reference, reference), (Side::Current, current)] {
        if !names.is_empty() {
            sentences.push(format!("the {side} table lacks {}", names.join(", ")));
        }
    }
    sentences.join("; ")
}
