//! Models in the text format of LightGBM: read, predicted with, written.
//!
//! The format (`gbdt_model_text.cpp` and `tree.cpp` of LightGBM, versions `v2` to `v4`) is lines of `key=value`: a head
//! with names and objective, then a section a tree with one array a field. What decides where a row goes is kept exactly:
//!
//! - a number goes left when it is at most the threshold, in 64-bit floating point;
//! - missing type *None* takes NaN for 0, *Zero* sends NaN and `|x| <= 1e-35` the default way, *NaN* sends NaN there;
//! - a set of categories takes the value cut to an integer; NaN and negative values go right;
//! - an infinite value is beyond every finite threshold, and within an infinite one of its sign;
//! - leaf values are those of the file, shrinkage is in them; the sum starts at 0 and goes in the order of the trees.
//!
//! So a loaded model has the raw scores of LightGBM bit for bit; `exp` of the log links may differ in the last bit.

mod read;
mod write;

use std::borrow::Cow;

use med_schema::{FeatureColumn, FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use crate::error::{BrokenModel, LightGbmError};
use crate::explain::TreeSum;
use crate::tree::{Ensemble, Tree, ensemble};
use crate::{InputError, Model, PredictError, ShapScale};
pub(crate) use write::write;

/// What turns the sum of the trees into the prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Output {
    /// The sum itself.
    Identity,
    /// `exp` of it.
    Exp,
    /// Its square, with its sign.
    SignedSquare,
}

impl Output {
    /// That of an `objective` line of a model file.
    fn of(objective: &str) -> Result<Self, LightGbmError> {
        let mut words = objective.split_whitespace();
        let name = words.next().unwrap_or_default();
        match name {
            "regression" | "regression_l2" if words.any(|w| w == "sqrt") => Ok(Self::SignedSquare),
            // Without one (an objective of the user's own) LightGBM gives the sum.
            "" | "none" | "custom" | "regression" | "regression_l2" | "regression_l1" | "huber" | "fair"
            | "quantile" | "mape" => Ok(Self::Identity),
            "poisson" | "gamma" | "tweedie" => Ok(Self::Exp),
            _ => Err(LightGbmError::Objective { objective: name.to_owned() }),
        }
    }
}

/// A regression model that LightGBM trained, or one of ours in its format.
///
/// Features that LightGBM took as pandas categories are categorical here, and levels that are numbers are their texts (`7`, `2.5`,
/// `true`); all others are numeric, categories given as integer codes among them.
///
/// ```
/// use med_model::{LightGbmModel, Model};
/// use med_schema::{FeatureColumn, FeatureMatrix};
/// let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\n\
///     objective=regression\nfeature_names=age\nfeature_infos=[18:64]\n\nTree=0\nnum_leaves=2\nnum_cat=0\nsplit_feature=0\n\
///     split_gain=1\nthreshold=40.5\ndecision_type=2\nleft_child=-1\nright_child=-2\nleaf_value=900 2100\n\
///     is_linear=0\nshrinkage=1\n\n\nend of trees\n";
/// let model = LightGbmModel::from_text(text)?;
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![40.0, 41.0])])?;
/// assert_eq!(model.predict(&x)?.to_vec(), [900.0, 2100.0]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parts", into = "Parts")]
pub struct LightGbmModel {
    features: FeatureSchema,
    /// The `objective` line, as it stands.
    objective: String,
    output: Output,
    /// Whether the sum is divided by the number of trees (random forests).
    average: bool,
    /// The list of pandas categories as it stood, where the texts of the levels do not tell it.
    pandas_categorical: Option<String>,
    ensemble: Ensemble,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    features: FeatureSchema,
    objective: String,
    average: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pandas_categorical: Option<String>,
    trees: Vec<Tree>,
}

impl From<LightGbmModel> for Parts {
    fn from(LightGbmModel { features, objective, average, pandas_categorical, ensemble, .. }: LightGbmModel) -> Self {
        Self { features, objective, average, pandas_categorical, trees: ensemble.trees }
    }
}

impl TryFrom<Parts> for LightGbmModel {
    type Error = LightGbmError;

    fn try_from(parts: Parts) -> Result<Self, LightGbmError> {
        let Parts { features, objective, average, pandas_categorical, trees } = parts;
        // It becomes a line of a file.
        if pandas_categorical.as_ref().is_some_and(|line| line.contains(['\n', '\r'])) {
            return Err(BrokenModel::new("pandas_categorical", "one line", "several").into());
        }
        let output = Output::of(&objective)?;
        if average && trees.is_empty() {
            return Err(BrokenModel::new("trees of an average", "at least one", 0).into());
        }
        let ensemble = Ensemble::new(0.0, trees);
        ensemble.check(&features)?;
        Ok(Self { features, objective, output, average, pandas_categorical, ensemble })
    }
}

impl LightGbmModel {
    /// Reads the content of a model file.
    ///
    /// # Errors
    /// When it is no such file, is of another version, has an objective that is no regression, several classes or linear
    /// leaves, or its parts do not fit together; the error names the tree and the field.
    pub fn from_text(text: &str) -> Result<Self, LightGbmError> {
        Self::try_from(read::parts(text)?)
    }

    /// The content of a model file that LightGBM loads, with the same predictions.
    ///
    /// # Errors
    /// When two names of features are the same without their white space.
    pub fn to_text(&self) -> Result<String, LightGbmError> {
        write(&self.features, &self.ensemble, &self.objective, self.average, self.pandas_categorical.as_deref())
    }

    /// The objective it was trained for, as LightGBM writes it: `tweedie tweedie_variance_power:1.5`.
    pub fn objective(&self) -> &str {
        &self.objective
    }

    /// Number of trees.
    pub fn n_trees(&self) -> usize {
        self.ensemble.trees.len()
    }

    /// Number of leaves of all trees together.
    pub fn n_leaves(&self) -> usize {
        self.ensemble.n_leaves()
    }

    /// The raw score as a sum of trees, and its scale.
    pub(crate) fn tree_sum(&self) -> (TreeSum<'_>, ShapScale) {
        let scale = match self.output {
            Output::Identity => ShapScale::Response,
            Output::Exp => ShapScale::Log,
            Output::SignedSquare => ShapScale::Link,
        };
        let weight = if self.average { 1.0 / self.n_trees() as f64 } else { 1.0 };
        (TreeSum { base: 0.0, weight, trees: &self.ensemble.trees }, scale)
    }

    fn finish(&self, sum: f64) -> f64 {
        let score = if self.average { sum / self.ensemble.trees.len() as f64 } else { sum };
        match self.output {
            Output::Identity => score,
            Output::Exp => crate::kernel::exp::exp(score),
            Output::SignedSquare => score * score.abs(),
        }
    }

    /// The prediction of one row, without allocating: values in the order of the features, NaN for missing ones, the
    /// code of the level for categorical ones. Infinite values go where LightGBM sends them.
    ///
    /// # Errors
    /// When the row has another length than there are features, or a code has no level.
    pub fn predict_row(&self, row: &[f64]) -> Result<f64, PredictError> {
        ensemble::check_row_but_infinities(&self.features, row)?;
        let value = |j: usize| largest(row.get(j).copied().unwrap_or(f64::NAN));
        let trees = &self.ensemble.trees;
        Ok(self.finish(trees.iter().fold(self.ensemble.base, |sum, tree| sum + tree.predict(value))))
    }
}

/// The largest number of its sign for infinity: it falls on the same side of each threshold, since infinite ones were read as it too.
fn largest(value: f64) -> f64 {
    value.clamp(f64::MIN, f64::MAX)
}

/// The rows with the largest numbers in place of infinite ones.
pub(crate) fn without_infinities(x: &FeatureMatrix) -> Cow<'_, FeatureMatrix> {
    let infinite = |c: &FeatureColumn| c.as_numeric().is_some_and(|v| v.iter().any(|v| v.is_infinite()));
    if !x.columns().iter().any(infinite) {
        return Cow::Borrowed(x);
    }
    let columns = x.columns().iter().map(|column| match column.as_numeric() {
        Some(values) => FeatureColumn::numeric(column.name(), values.iter().map(|&v| largest(v)).collect::<Vec<f64>>()),
        None => column.clone(),
    });
    // The same names and lengths.
    FeatureMatrix::new(columns.collect()).map_or(Cow::Borrowed(x), Cow::Owned)
}

impl Model for LightGbmModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        // Rare, so that looking for infinite values once is enough.
        match self.ensemble.predict_checked(&self.features, x, "lightgbm", out) {
            Err(PredictError::Input(InputError::Infinite { .. })) => {
                self.ensemble.predict_checked(&self.features, &without_infinities(x), "lightgbm", out)?;
            }
            other => other?,
        }
        out.iter_mut().for_each(|o| *o = self.finish(*o));
        Ok(())
    }
}
