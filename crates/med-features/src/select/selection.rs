//! What a selection found.

use med_schema::{FeatureColumn, FeatureMatrix};
use serde::{Deserialize, Serialize};

use super::{Keep, SelectionMethod};
use crate::FeatureError;
use crate::statistic::Adjustment;

/// One feature's score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeatureScore {
    /// The feature.
    pub feature: String,
    /// The statistic; `None` (null, never left out) where it is not defined or infinite.
    #[serde(default)]
    pub score: Option<f64>,
    /// p-value, where the method has one: two-sided, but one-sided where a score can only be large by merit (`permutation`,
    /// `drift_aware`, `boruta`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The p-value adjusted for the number of features tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p_adjusted: Option<f64>,
    /// Whether the feature is kept.
    pub selected: bool,
    /// Why there is no score, or what else should be known: a constant, a categorical feature, a likely identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// All features with their scores, best first, and which are kept.
///
/// ```
/// # use med_features::{Evidence, SelectionMethod, Selector};
/// # use med_schema::{FeatureColumn, FeatureMatrix};
/// let train = FeatureMatrix::new(vec![
///     FeatureColumn::numeric("age", vec![20.0, 30.0, 40.0]),
///     FeatureColumn::numeric("country", vec![1.0, 1.0, 1.0]),
/// ])?;
/// let selection = Selector::new(SelectionMethod::Variance, None)?.fit(&Evidence::new(&train))?;
/// assert_eq!(selection.apply(&train)?.names().collect::<Vec<_>>(), ["age"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    method: SelectionMethod,
    keep: Keep,
    #[serde(default, skip_serializing_if = "super::is_default")]
    adjust: Adjustment,
    scores: Vec<FeatureScore>,
}

impl Selection {
    pub(super) fn new(method: SelectionMethod, keep: Keep, adjust: Adjustment, scores: Vec<FeatureScore>) -> Self {
        Self { method, keep, adjust, scores }
    }

    /// The method.
    pub fn method(&self) -> SelectionMethod {
        self.method
    }

    /// The rule.
    pub fn keep(&self) -> Keep {
        self.keep
    }

    /// How p-values were adjusted.
    pub fn adjustment(&self) -> Adjustment {
        self.adjust
    }

    /// All features, best first; those without a score last, by name.
    pub fn scores(&self) -> &[FeatureScore] {
        &self.scores
    }

    /// The features kept, best first.
    pub fn selected(&self) -> impl Iterator<Item = &str> {
        self.scores.iter().filter(|s| s.selected).map(|s| s.feature.as_str())
    }

    /// The features not kept, best first.
    pub fn dropped(&self) -> impl Iterator<Item = &FeatureScore> {
        self.scores.iter().filter(|s| !s.selected)
    }

    /// The columns of `x` that are kept, in the order of `x`; values are shared. Features that were never scored are left out.
    ///
    /// # Errors
    /// When a kept feature is not there.
    pub fn apply(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let kept: Vec<&str> = self.selected().collect();
        kept.iter().try_for_each(|name| x.column(name).map(|_| ()))?;
        Ok(x.select(x.names().filter(|name| kept.contains(name)))?)
    }

    /// As [`apply`](Self::apply), but categorical columns stay whatever their score: for methods that judge numeric features only.
    ///
    /// # Errors
    /// When a kept feature is not there.
    pub fn apply_to_numeric(&self, x: &FeatureMatrix) -> Result<FeatureMatrix, FeatureError> {
        let numeric = self.apply(x)?;
        let stays = |c: &&FeatureColumn| c.as_numeric().is_none() || numeric.column(c.name()).is_ok();
        Ok(x.select(x.columns().iter().filter(stays).map(FeatureColumn::name))?)
    }
}
