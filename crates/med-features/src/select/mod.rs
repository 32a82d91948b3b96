//! Choosing features by statistics that are written out.
//!
//! A [`Selector`] (a [`SelectionMethod`] and a [`Keep`] rule) is fitted on the [`Evidence`], the training part alone, and gives
//! a [`Selection`]: every feature with its score, best first, and whether it is kept. Only
//! [`SelectionMethod::StdStability`] and [`SelectionMethod::DriftAware`] look at the test part, because comparing the parts is what
//! they do; they never see its target.
//!
//! Scores and p-values are computed over the rows where the feature has a value (univariate methods), over the rows complete
//! in all numeric features (`vif`, `partial_correlation`, `mrmr`, and those by a linear model: stepwise, lasso, stability,
//! knockoffs), or over all rows by a [`Learner`] that takes missing values (`boruta`, `permutation`, `drift_aware`). A p-value of a
//! model fitted *after* selection on the same rows is too small: judge models on the test part.

mod boruta;
mod by_learner;
mod drift_aware;
mod gram;
mod keep;
mod knockoff;
mod learner;
mod linear;
mod linear_learner;
mod method;
mod mrmr;
mod permutation;
mod redundancy;
mod score;
mod selection;
mod stepwise;

pub use keep::Keep;
pub use knockoff::knockoff_threshold;
pub use learner::{Learner, LearnerError, Learnt};
pub use linear_learner::LinearLearner;
pub use method::{Better, SelectionMethod};
pub use mrmr::{MrmrScheme, mrmr};
pub use redundancy::{Dropped, FittedRedundancy, RedundancyFilter};
pub use selection::{FeatureScore, Selection};

use std::borrow::Cow;

use med_schema::{Dataset, DatasetError, FeatureMatrix};
use ndarray::ArrayView1;
use serde::{Deserialize, Serialize};

use crate::FeatureError;
use crate::statistic::Adjustment;

/// Level of Boruta's decisions where the rule names none.
const DEFAULT_LEVEL: f64 = 0.05;

/// What a selection may look at: the training part, and where the method compares parts, the features of the test part.
#[derive(Debug, Clone)]
pub struct Evidence<'a> {
    train: &'a FeatureMatrix,
    target: Option<Cow<'a, [f64]>>,
    weights: Option<Cow<'a, [f64]>>,
    test: Option<&'a FeatureMatrix>,
    learner: Option<&'a dyn Learner>,
}

impl<'a> Evidence<'a> {
    /// Features of the training part, without target.
    pub fn new(train: &'a FeatureMatrix) -> Self {
        Self { train, target: None, weights: None, test: None, learner: None }
    }

    /// With the target of the training part.
    ///
    /// # Errors
    /// When it has another number of rows.
    pub fn target(mut self, y: &'a [f64]) -> Result<Self, FeatureError> {
        let expected = self.train.n_rows();
        if y.len() != expected {
            return Err(FeatureError::Rows { part: "the target", found: y.len(), expected });
        }
        self.target = Some(Cow::Borrowed(y));
        Ok(self)
    }

    /// With weights of the training rows, for the methods that fit a [`Learner`]: the model is fitted with them, and losses are averaged by them. The other methods
    /// take every row for one.
    ///
    /// # Errors
    /// When there is another number of them, one is negative or not finite, or all are 0.
    pub fn weights(mut self, weights: &'a [f64]) -> Result<Self, FeatureError> {
        let (part, expected) = ("the weights", self.train.n_rows());
        if weights.len() != expected {
            return Err(FeatureError::Rows { part, found: weights.len(), expected });
        }
        // `!(w >= 0.0)` also catches NaN.
        let wrong = |&(_, &w): &(usize, &f64)| !(w >= 0.0 && w.is_finite());
        if let Some((row, &value)) = weights.iter().enumerate().find(wrong) {
            return Err(DatasetError::Weight { row, value }.into());
        }
        if weights.iter().all(|&w| w == 0.0) {
            return Err(DatasetError::Weightless.into());
        }
        self.weights = Some(Cow::Borrowed(weights));
        Ok(self)
    }

    /// With the features of the test part, for methods that compare the two.
    #[must_use]
    pub fn test(mut self, x: &'a FeatureMatrix) -> Self {
        self.test = Some(x);
        self
    }

    /// With the model that `boruta`, `permutation` and `drift_aware` fit; without one it is a [`LinearLearner`].
    #[must_use]
    pub fn learner(mut self, learner: &'a dyn Learner) -> Self {
        self.learner = Some(learner);
        self
    }
}

impl<'a> From<&'a Dataset> for Evidence<'a> {
    /// The features, the target and the weights of a training part.
    fn from(train: &'a Dataset) -> Self {
        fn values(of: ArrayView1<'_, f64>) -> Cow<'_, [f64]> {
            of.to_slice().map_or_else(|| Cow::Owned(of.to_vec()), Cow::Borrowed)
        }
        let (target, weights) = (Some(values(train.y())), train.weights().map(values));
        Self { train: train.x(), target, weights, test: None, learner: None }
    }
}

/// A method and the rule by which features are kept. As JSON `{"method": "spearman", "keep": {"fdr": 0.05}}`.
///
/// ```
/// use med_features::{Evidence, Keep, SelectionMethod, Selector};
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![
///     FeatureColumn::numeric("age", vec![20.0, 35.0, 50.0, 65.0, 80.0]),
///     FeatureColumn::numeric("shoe_size", vec![42.0, 39.0, 44.0, 38.0, 43.0]),
/// ])?;
/// let train = Dataset::new(x, "cost", vec![1.0, 2.0, 4.0, 5.0, 9.0])?;
/// let selection = Selector::new(SelectionMethod::Spearman, Some(Keep::Top(1)))?.fit(&Evidence::from(&train))?;
/// assert_eq!(selection.selected().collect::<Vec<_>>(), ["age"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct Selector {
    method: SelectionMethod,
    keep: Keep,
    #[serde(skip_serializing_if = "is_default")]
    adjust: Adjustment,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    method: SelectionMethod,
    #[serde(default)]
    keep: Option<Keep>,
    #[serde(default)]
    adjust: Adjustment,
}

fn is_default(adjust: &Adjustment) -> bool {
    *adjust == Adjustment::default()
}

impl TryFrom<Parameters> for Selector {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        Ok(Self::new(p.method, p.keep)?.adjusted(p.adjust))
    }
}

impl Selector {
    /// A method with a rule, or with [the method's own](SelectionMethod::default_keep).
    ///
    /// # Errors
    /// When the rule's number is out of range, or asks for p-values of a method that has none.
    pub fn new(method: SelectionMethod, keep: Option<Keep>) -> Result<Self, FeatureError> {
        let keep = keep.unwrap_or_else(|| method.default_keep());
        keep.validate(method)?;
        Ok(Self { method, keep, adjust: Adjustment::default() })
    }

    /// With p-values adjusted in this way; Boruta's rounds adjust for themselves.
    #[must_use]
    pub fn adjusted(mut self, adjust: Adjustment) -> Self {
        self.adjust = adjust;
        self
    }

    /// The method.
    pub fn method(&self) -> SelectionMethod {
        self.method
    }

    /// The rule.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// Scores every feature and decides which are kept.
    ///
    /// # Errors
    /// When the method needs a target or a test part that the evidence lacks, the test part lacks a feature, or the learner
    /// fails.
    pub fn fit(&self, evidence: &Evidence<'_>) -> Result<Selection, FeatureError> {
        let level = if let Keep::Fdr(q) = self.keep { q } else { DEFAULT_LEVEL };
        let scored = score::score(self.method, evidence, level)?;
        Ok(self.keep.decide(self.method, self.adjust, scored))
    }
}
