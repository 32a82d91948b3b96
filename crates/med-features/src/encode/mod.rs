//! From raw features to numbers, by what the training part alone has taught.
//!
//! An [`Encoder`] holds checked parameters; [`fit`](Encoder::fit) looks at the training part and gives a [`FittedEncoder`]: an
//! immutable value that can be stored, that refuses other columns than it was fitted on, and that does the same to every row
//! whatever rows come with it. A fitted encoder keeps the *levels* it saw, not codes: each matrix codes its levels in its own
//! way, so they are matched by their text.
//!
//! | encoder | takes | makes |
//! | --- | --- | --- |
//! | [`OneHot`] | a categorical column | a 0/1 column for each level |
//! | [`Ordinal`] | a categorical column | one column of ranks 0, 1, 2, ... |
//! | [`Impute`] | a numeric column | the same without missing values, optionally with an indicator |
//! | [`Scale`] | a numeric column | the same with mean 0 and standard deviation 1 |
//! | [`Frequency`] | a categorical column | one column, how common the level is |
//! | [`TargetMean`] | a categorical column | one column, the mean target of the level, out of fold |
//! | [`Log1p`] | a heavy-tailed numeric column | its logarithm `ln(1 + x)` |
//! | [`YeoJohnson`] | a numeric column | a power of it that looks normal |
//! | [`Clip`] | a numeric column | the same without extremes |
//! | [`Spline`] | a numeric column | curves that bend at knots |
//! | [`Interact`] | two columns | their product, or their levels together |
//! | [`DateParts`] | a date as a number | year, month, weekday, ... |
//!
//! Columns that an encoder does not take pass through untouched and are shared, not copied.

mod clip;
mod columns;
mod date_parts;
mod frequency;
mod impute;
mod input;
mod interact;
mod levels;
mod log1p;
mod one_hot;
mod ordinal;
mod scale;
mod spline;
mod target_mean;
mod yeo_johnson;

pub use clip::{Clip, FittedClip};
pub use columns::Columns;
pub use date_parts::{DatePart, DateParts, DateUnit, FittedDateParts};
pub use frequency::{FittedFrequency, Frequency};
pub use impute::{FittedImpute, Impute, ImputeBy};
pub use input::{InputColumn, InputKind, Inputs};
pub use interact::{FittedInteract, Interact};
pub use levels::{MissingPolicy, UnseenPolicy};
pub use log1p::{FittedLog1p, Log1p};
pub use one_hot::{FittedOneHot, OneHot, Reference};
pub use ordinal::{FittedOrdinal, Ordinal};
pub use scale::{FittedScale, Scale};
pub use spline::{FittedSpline, Spline, SplineBasis};
pub use target_mean::{FittedTargetMean, TargetMean};
pub use yeo_johnson::{FittedYeoJohnson, YeoJohnson};

use std::collections::BTreeSet;
use std::fmt::Debug;

use med_schema::{FeatureColumn, FeatureMatrix, MatrixError};
use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// Parameters of a transform that is fitted on the training part.
pub trait Encoder: Debug {
    /// What fitting gives.
    type Fitted: FittedEncoder;

    /// Learns from the training part: nothing of any other row enters.
    ///
    /// # Errors
    /// When the training part has no such columns, or values that the policies refuse.
    fn fit(&self, train: &FeatureMatrix) -> Result<Self::Fitted, FeatureError>;
}

/// Parameters of a transform that learns from the target as well, and so must not show a row of the training part what its own
/// target was.
pub trait TargetEncoder: Debug {
    /// What fitting gives.
    type Fitted: FittedEncoder;

    /// Learns from the training part and its target, and gives the training part as a model may be fitted on it. It is not what
    /// the fitted encoder makes of the same rows.
    ///
    /// # Errors
    /// As [`Encoder::fit`]; also when the target has another number of rows or a value that is not finite.
    fn fit_transform(&self, train: &FeatureMatrix, y: &[f64]) -> Result<(Self::Fitted, FeatureMatrix), FeatureError>;
}

/// A transform that was fitted.
pub trait FittedEncoder: Debug + Send + Sync {
    /// The columns it was fitted on.
    fn inputs(&self) -> &Inputs;

    /// What it does to a matrix with those columns, in any order; what comes out is always in one order.
    ///
    /// # Errors
    /// When the columns are others (each is named), or values are there that the policies refuse.
    fn transform(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError>;

    /// Each column that comes out, in order, with the columns it is made from.
    fn provenance(&self) -> Vec<Origin>;
}

/// Which input columns an output column is made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The column that comes out.
    pub output: String,
    /// The columns it is made from.
    pub from: Vec<String>,
}

impl Origin {
    /// An output made from one column.
    fn of(output: impl Into<String>, from: impl Into<String>) -> Self {
        Self { output: output.into(), from: vec![from.into()] }
    }
}

/// The columns of `x` in the order of fitting, each replaced by what `by` makes of it; where that is nothing, shared as it is.
fn replaced(
    inputs: &Inputs,
    x: &FeatureMatrix,
    by: impl Fn(&FeatureColumn) -> Option<Result<Vec<FeatureColumn>, FeatureError>>,
) -> Result<FeatureMatrix, FeatureError> {
    let x = inputs.pick(x)?;
    let mut columns = Vec::with_capacity(x.n_columns());
    for column in x.columns() {
        match by(column) {
            Some(made) => columns.extend(made?),
            None => columns.push(column.clone()),
        }
    }
    Ok(FeatureMatrix::new(columns)?)
}

/// Refuses outputs whose names collide, with each other or with a column that passes through: at fitting, not at use.
fn outputs_are_distinct(fitted: &impl FittedEncoder) -> Result<(), FeatureError> {
    let mut names = BTreeSet::new();
    for Origin { output, .. } in fitted.provenance() {
        if let Some(name) = names.replace(output) {
            return Err(MatrixError::DuplicateFeature { name }.into());
        }
    }
    Ok(())
}
