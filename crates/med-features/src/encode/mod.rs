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
//! | [`Log1p`] | a heavy-tailed numeric column | its logarithm `ln(1 + x)` |
//!
//! Columns that an encoder does not take pass through untouched and are shared, not copied.

mod columns;
mod impute;
mod input;
mod levels;
mod log1p;
mod one_hot;
mod ordinal;
mod scale;

pub use columns::Columns;
pub use impute::{FittedImpute, Impute, ImputeBy};
pub use input::{InputColumn, InputKind, Inputs};
pub use levels::{MissingPolicy, UnseenPolicy};
pub use log1p::{FittedLog1p, Log1p};
pub use one_hot::{FittedOneHot, OneHot, Reference};
pub use ordinal::{FittedOrdinal, Ordinal};
pub use scale::{FittedScale, Scale};

use std::collections::BTreeSet;
use std::fmt::Debug;

use med_schema::{FeatureMatrix, MatrixError};
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
