//! What can be wrong with a stored profile, or with two that shall become one.

use crate::ValueType;

/// A profile that cannot be read or merged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// Written by another version of the format.
    #[error("profile format: expected version {expected}, found {found}")]
    Version {
        /// The version read here.
        expected: u32,
        /// The version of the file.
        found: u32,
    },
    /// The content contradicts itself.
    #[error("{part} of a profile is damaged: {what} contradicts the rest")]
    Damaged {
        /// Which sketch.
        part: &'static str,
        /// What of it.
        what: &'static str,
    },
    /// Two profiles have other columns.
    #[error("cannot merge profiles: expected columns {expected:?}, found {found:?}")]
    Columns {
        /// Columns of the first.
        expected: Vec<String>,
        /// Columns of the second.
        found: Vec<String>,
    },
    /// Two profiles hold a column as values that have nothing in common.
    #[error("cannot merge profiles: column {column:?} is held as {expected} in one and as {found} in the other")]
    Types {
        /// The column.
        column: String,
        /// How the first holds it.
        expected: ValueType,
        /// How the second does.
        found: ValueType,
    },
}
