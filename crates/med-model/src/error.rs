//! What can go wrong with models.

use med_schema::MatrixError;

fn listed(names: &[String]) -> String {
    names.join(", ")
}

fn hint(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!(" (did you mean {}?)", near.join(", ")) }
}

/// What to do with a target that a family cannot have.
fn family_remedy(expected: &str) -> &'static str {
    match expected {
        "a number > 0" => "drop the row or take glm_tweedie or two_part, which know targets of 0",
        "a number >= 0" => "drop the row, net it against what it corrects, or take a model of squared error",
        _ => "drop the row",
    }
}

/// A hyper-parameter, or a model name, that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterError {
    /// A value out of its range.
    #[error("parameter {name} of {model}: expected {expected}, found {found}")]
    Range {
        /// The model.
        model: &'static str,
        /// The parameter.
        name: &'static str,
        /// What it may be.
        expected: String,
        /// What it is.
        found: String,
    },
    /// No parameter of that name.
    #[error("{model} has no parameter {name:?}{}; it has {}", hint(.near), listed(.known))]
    Unknown {
        /// The model.
        model: &'static str,
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
        /// The parameters there are.
        known: Vec<String>,
    },
    /// A value of another type.
    #[error("parameter {name} of {model}: {source}")]
    Type {
        /// The model.
        model: &'static str,
        /// The parameter.
        name: String,
        /// What was expected and found.
        source: serde_json::Error,
    },
    /// Parameters that are no JSON object.
    #[error("parameters of {model}: expected a JSON object, found {found}")]
    NotAnObject {
        /// The model.
        model: &'static str,
        /// What it is instead.
        found: &'static str,
    },
    /// No metric of that name.
    #[error("there is no metric {name:?}{}; there are {}", hint(.near), listed(.known))]
    UnknownMetric {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
        /// The metrics there are.
        known: Vec<String>,
    },
    /// No model of that name.
    #[error("there is no model {name:?}{}; there are {}", hint(.near), listed(.known))]
    UnknownModel {
        /// The name asked for.
        name: String,
        /// Names like it.
        near: Vec<String>,
        /// The models there are.
        known: Vec<String>,
    },
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
    #[error("parameter smearing_by of log_ols: there is no feature {column:?}")]
    UnknownSmearing {
        /// The name.
        column: String,
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

/// A model file that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Not JSON, or JSON that holds no such model.
    #[error("not a model file: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of another format.
    #[error("expected the format {expected:?}, found {found:?}")]
    Format {
        /// The format read here.
        expected: &'static str,
        /// The format of the file.
        found: String,
    },
    /// A version this code does not know.
    #[error("expected version {expected} of the format or an older one, found {found}; a newer release can read it")]
    Version {
        /// The newest version read here.
        expected: u32,
        /// The version of the file.
        found: u32,
    },
    /// Parts that contradict each other.
    #[error("the model in the file is broken: {0}")]
    Broken(#[from] BrokenModel),
}

/// Why the parts of a stored model do not fit together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{part}: expected {expected}, found {found}")]
pub struct BrokenModel {
    pub(crate) part: &'static str,
    pub(crate) expected: String,
    pub(crate) found: String,
}

impl BrokenModel {
    pub(crate) fn new(part: &'static str, expected: impl ToString, found: impl ToString) -> Self {
        Self { part, expected: expected.to_string(), found: found.to_string() }
    }

    /// Whether `found` values stand where `expected` should.
    pub(crate) fn same_length(part: &'static str, expected: usize, found: usize) -> Result<(), Self> {
        if expected == found { Ok(()) } else { Err(Self::new(part, format!("{expected} values"), format!("{found}"))) }
    }
}

/// A model of LightGBM that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LightGbmError {
    /// Text of something else.
    #[error("not a LightGBM model: expected the first line \"tree\", found {found:?}")]
    NotAModel {
        /// The first line.
        found: String,
    },
    /// A version this code does not know.
    #[error("expected a LightGBM model of version v2, v3 or v4, found {found:?}")]
    Version {
        /// The version of the file.
        found: String,
    },
    /// An objective that does not predict a cost.
    #[error("the LightGBM objective {objective:?} is not supported; only those of regression with one output are")]
    Objective {
        /// The objective.
        objective: String,
    },
    /// Linear models in the leaves.
    #[error("tree {tree} of the LightGBM model has linear leaves (linear_tree), which are not supported")]
    LinearLeaves {
        /// The tree, from 0.
        tree: usize,
    },
    /// A line that cannot be read, or is not there.
    #[error("LightGBM model, {}{field}: expected {expected}, found {found}", tree_name(.tree))]
    Field {
        /// The tree, from 0; none for the head of the file.
        tree: Option<usize>,
        /// Key of the line.
        field: &'static str,
        /// What should stand there.
        expected: String,
        /// What does.
        found: String,
    },
    /// Parts of a tree that contradict each other.
    #[error("tree {tree} of the LightGBM model is broken: {source}")]
    BrokenTree {
        /// The tree, from 0.
        tree: usize,
        /// What is wrong.
        source: BrokenModel,
    },
    /// Parts of the model that contradict each other.
    #[error("the LightGBM model is broken: {0}")]
    Broken(#[from] BrokenModel),
    /// A feature that cannot be named in the format.
    #[error("feature {name:?} has no name of its own in LightGBM's format, which has no white space")]
    Name {
        /// The feature.
        name: String,
    },
}

fn tree_name(tree: &Option<usize>) -> String {
    tree.map_or(String::new(), |t| format!("tree {t}, "))
}
