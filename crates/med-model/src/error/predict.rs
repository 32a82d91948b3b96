//! Why a model could not predict.

use med_schema::MatrixError;

use super::InputError;

/// A prediction that could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// Other columns than those the model was fitted on.
    #[error("the model was fitted on other columns: {0}")]
    Columns(#[from] MatrixError),
    /// Values that the model cannot take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// An output of another length than the input.
    #[error("the output has room for {found} rows, expected {expected}")]
    Length {
        /// Rows of the input.
        expected: usize,
        /// Rows of the output.
        found: usize,
    },
    /// An error of the library that holds this model.
    #[error("{model} could not predict: {source}")]
    Backend {
        /// The model.
        model: &'static str,
        /// What the library says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A row of another length than there are features.
    #[error("the row has {found} values, expected {expected}, one a feature")]
    RowLength {
        /// Number of features.
        expected: usize,
        /// Values of the row.
        found: usize,
    },
    /// A code of a categorical feature that stands for no level.
    #[error("feature {column:?}: expected the code of a level below {levels} or a missing value")]
    Code {
        /// The feature.
        column: String,
        /// Number of its levels.
        levels: usize,
    },
    /// Shapley values that there are not.
    #[error("{model} cannot be explained: {reason}")]
    Unexplained {
        /// The model.
        model: &'static str,
        /// Why.
        reason: &'static str,
    },
    /// An offset that does not go with the rows.
    #[error("offset: expected {expected}, found {found}")]
    Offset {
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
}
