//! Why a model could not be fitted.

use med_schema::MatrixError;

use super::{InputError, hint};

/// What to do with a target that a family cannot have.
fn family_remedy(expected: &str) -> &'static str {
    match expected {
        "a number > 0" => "drop the row or take glm_tweedie or two_part, which know targets of 0",
        "a number >= 0" => "drop the row, net it against what it corrects, or take a model of squared error",
        _ => "drop the row",
    }
}

/// A model that could not be fitted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// Features that the model cannot take.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Weights, or an exposure, that the model cannot use.
    #[error("the dataset has {part}, which {model} cannot use; drop it or take another model")]
    Unweightable {
        /// The model.
        model: &'static str,
        /// Weights or exposure.
        part: &'static str,
    },
    /// Fewer rows than the model needs.
    #[error("{model} needs at least {expected} rows (with a weight above 0), found {found}")]
    TooFewRows {
        /// The model.
        model: &'static str,
        /// Rows needed.
        expected: usize,
        /// Rows there are.
        found: usize,
    },
    /// An iteration that did not arrive.
    #[error(
        "{model} did not converge in {iterations} iterations: the duality gap is {gap:e}, expected at most {tolerance:e}; \
         raise max_iterations, alpha or tolerance, or scale the features"
    )]
    NotConverged {
        /// The model.
        model: &'static str,
        /// Iterations made.
        iterations: usize,
        /// Duality gap reached.
        gap: f64,
        /// Duality gap wanted.
        tolerance: f64,
    },
    /// Arithmetic that left the range of 64-bit floating point.
    #[error("{model}: {what} is not finite; the features or the target are too large, scale them")]
    Overflow {
        /// The model.
        model: &'static str,
        /// What came out as infinite or not a number.
        what: &'static str,
    },
    /// An error of the library that fits this model.
    #[error("{model} could not be fitted: {source}")]
    Backend {
        /// The model.
        model: &'static str,
        /// What the library says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A cost the model cannot take.
    #[error("{model}: row {row}: expected a cost of {expected}")]
    Cost {
        /// The model.
        model: &'static str,
        /// The row, from 0.
        row: usize,
        /// What a cost may be.
        expected: &'static str,
    },
    /// A target without any cost.
    #[error("{model}: expected at least one row with a cost above 0 and a weight above 0, found none")]
    NoCost {
        /// The model.
        model: &'static str,
    },
    /// A feature to smear by that is not there.
    #[error("parameter smearing_by of log_ols: there is no feature {column:?}{}", hint(.near))]
    UnknownSmearing {
        /// The name.
        column: String,
        /// Names like it, and those of its levels where it is encoded.
        near: Vec<String>,
    },
    /// A feature to smear by with too many values to be groups.
    #[error("parameter smearing_by of log_ols: column {column:?} has {groups} values, expected at most {most}")]
    TooManyGroups {
        /// The column.
        column: String,
        /// Values it has.
        groups: usize,
        /// Values it may have.
        most: usize,
    },
    /// A target that the model's family cannot have.
    #[error("row {row}: {model} needs {expected} as its target; {}", family_remedy(.expected))]
    FamilyTarget {
        /// The model.
        model: &'static str,
        /// The row, from 0.
        row: usize,
        /// What it may be.
        expected: &'static str,
    },
    /// A target without variation that has no finite fit.
    #[error(
        "{model} cannot be fitted: expected targets that differ, found only {found} in the rows that count; check the column and the \
         weights"
    )]
    Degenerate {
        /// The model.
        model: &'static str,
        /// The one value.
        found: &'static str,
    },
    /// More columns than the normal equations can hold.
    #[error("{model} takes at most {expected} columns, levels of categories counted, found {found}; group rare levels")]
    DesignTooWide {
        /// The model.
        model: &'static str,
        /// Columns there may be.
        expected: usize,
        /// Columns there are.
        found: usize,
    },
    /// An iteration whose gradient did not become small.
    #[error(
        "{model} did not converge in {iterations} iterations: the scaled norm of the gradient is {gradient:e}, expected at \
         most {tolerance:e}; raise max_iterations, alpha or tolerance, or group levels without costs"
    )]
    Unconverged {
        /// The model.
        model: &'static str,
        /// Iterations made.
        iterations: usize,
        /// Norm reached.
        gradient: f64,
        /// Norm wanted.
        tolerance: f64,
    },
    /// A penalised fit, asked for its standard errors.
    #[error("the coefficients of a penalised fit are biased and have no standard errors; fit with alpha = 0")]
    Penalised,
    /// A target that the objective cannot describe.
    #[error(
        "{model} with objective {objective}: row {row}: expected {expected} as target; drop the row or take the objective \
         {instead}"
    )]
    Target {
        /// The model.
        model: &'static str,
        /// The objective.
        objective: &'static str,
        /// The row, from 0.
        row: usize,
        /// What a target may be.
        expected: &'static str,
        /// An objective that takes it.
        instead: &'static str,
    },
    /// An offset that does not go with the rows.
    #[error("offset of {model}: expected {expected}, found {found}")]
    Offset {
        /// The model.
        model: &'static str,
        /// What it must be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A parameter that names a column there is none of.
    #[error("parameter {parameter} of {model}: there is no feature {column:?}{}", hint(.near))]
    UnknownFeature {
        /// The model.
        model: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// The name.
        column: String,
        /// Names like it.
        near: Vec<String>,
    },
    /// A parameter that does not go with the features.
    #[error("parameter {parameter} of {model}: expected {expected}, found {found}")]
    Parameter {
        /// The model.
        model: &'static str,
        /// The parameter.
        parameter: &'static str,
        /// What it may be with these features.
        expected: String,
        /// What it is.
        found: String,
    },
    /// A validation part with other columns.
    #[error("the validation part has other columns: {0}")]
    Validation(MatrixError),
    /// A fit that the caller broke off.
    #[error("{model}: fitting was cancelled after {iterations} iterations")]
    Cancelled {
        /// The model.
        model: &'static str,
        /// Iterations made.
        iterations: usize,
    },
}
