//! What can go wrong with models.

mod files;
mod fit;
mod parameter;
mod predict;

pub use files::{BrokenModel, FormatError, LightGbmError};
pub use fit::FitError;
pub use parameter::ParameterError;
pub use predict::PredictError;

fn listed(names: &[String]) -> String {
    names.join(", ")
}

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(", ")) }
}

/// Features that a model cannot take. Names column and row, never the value.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InputError {
    /// No feature at all.
    #[error("expected at least one feature column, found none")]
    NoFeatures,
    /// A categorical column.
    #[error("column {column:?} is categorical; {model} takes numbers only: encode it first")]
    Categorical {
        /// The column.
        column: String,
        /// The model.
        model: &'static str,
    },
    /// A missing value.
    #[error("column {column:?}, row {row}: the value is missing; {model} takes no missing values: impute them first")]
    Missing {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The model.
        model: &'static str,
    },
    /// An infinite value.
    #[error("column {column:?}, row {row}: the value is infinite; {model} takes finite numbers only")]
    Infinite {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The model.
        model: &'static str,
    },
    /// A category that no training row had.
    #[error(
        "column {column:?}, row {row}: {model} has not been fitted on this category; fit it with unseen = \"reference\" to \
         take such rows for the reference level"
    )]
    UnseenLevel {
        /// The column.
        column: String,
        /// The row, from 0.
        row: usize,
        /// The model.
        model: &'static str,
    },
}
