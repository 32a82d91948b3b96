//! The fitted model.

use med_schema::{FeatureMatrix, FeatureSchema};
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::control::LearningCurve;
use super::objective::Link;
use super::params::{GbdtParams, Objective};
use crate::error::BrokenModel;
use crate::explain::{ShapScale, TreeSum};
use crate::kernel::vectorised;
use crate::parameters::Parameters;
use crate::tree::{Ensemble, Tree, ensemble};
use crate::{LightGbmError, Model, PredictError};

/// Scores are cut here before their exponential is taken, so that every prediction is finite.
const LARGEST_LOG: f64 = 700.0;

/// What was minimised, with what was chosen or estimated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FittedObjective {
    name: Objective,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alpha: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    power: Option<f64>,
}

impl Default for FittedObjective {
    /// That of model files before there was a choice.
    fn default() -> Self {
        Self { name: Objective::Regression, alpha: None, power: None }
    }
}

impl FittedObjective {
    pub(super) fn new(name: Objective, alpha: f64, power: f64) -> Self {
        let has_alpha = matches!(name, Objective::Huber | Objective::Quantile);
        Self { name, alpha: has_alpha.then_some(alpha), power: (name == Objective::Tweedie).then_some(power) }
    }

    /// The objective; never `auto`.
    pub fn name(&self) -> Objective {
        self.name
    }

    /// Huber's bend or the quantile.
    pub fn alpha(&self) -> Option<f64> {
        self.alpha
    }

    /// The Tweedie power, given or estimated.
    pub fn tweedie_variance_power(&self) -> Option<f64> {
        self.power
    }

    /// How a score becomes a prediction.
    pub fn link(&self) -> Link {
        match self.name {
            Objective::Poisson | Objective::Gamma | Objective::Tweedie => Link::Log,
            Objective::Binary => Link::Logit,
            _ => Link::Identity,
        }
    }
}

/// How the use of features is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Importance {
    /// Splits on the feature.
    Splits,
    /// What these splits gained, in units of the objective.
    Gain,
}

/// A fitted boosted model: a start value, the sum of its trees, and the link to predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GbdtParts", into = "GbdtParts")]
pub struct GbdtModel {
    pub(super) features: FeatureSchema,
    pub(super) objective: FittedObjective,
    /// Its base has the calibration in it.
    pub(super) ensemble: Ensemble,
    pub(super) calibration: f64,
    pub(super) exposure: bool,
    pub(super) offset: bool,
    pub(super) curve: LearningCurve,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GbdtParts {
    features: FeatureSchema,
    #[serde(default)]
    objective: FittedObjective,
    base: f64,
    #[serde(default = "one")]
    calibration: f64,
    #[serde(default)]
    exposure: bool,
    #[serde(default)]
    offset: bool,
    trees: Vec<Tree>,
    #[serde(default)]
    learning_curve: LearningCurve,
}

fn one() -> f64 {
    1.0
}

impl From<GbdtModel> for GbdtParts {
    fn from(model: GbdtModel) -> Self {
        let GbdtModel { features, objective, ensemble, calibration, exposure, offset, curve } = model;
        let (base, trees) = (ensemble.base, ensemble.trees);
        Self { features, objective, base, calibration, exposure, offset, trees, learning_curve: curve }
    }
}

impl TryFrom<GbdtParts> for GbdtModel {
    type Error = BrokenModel;

    fn try_from(parts: GbdtParts) -> Result<Self, BrokenModel> {
        let GbdtParts { features, objective, base, calibration, exposure, offset, trees, learning_curve: curve } =
            parts;
        let wrong = |part, expected: &str, found: String| Err(BrokenModel::new(part, expected, found));
        if objective.name == Objective::Auto {
            return wrong("objective", "the one that was chosen", "auto".to_owned());
        }
        if objective.power.is_some_and(|p| !(p > 1.0 && p < 2.0)) {
            return wrong("power of the objective", "a number above 1 and below 2", format!("{:?}", objective.power));
        }
        if !(calibration > 0.0 && calibration.is_finite()) {
            return wrong("calibration", "a finite number above 0", calibration.to_string());
        }
        if !base.is_finite() {
            return wrong("base", "a finite number", base.to_string());
        }
        let ensemble = Ensemble::new(base, trees);
        ensemble.check(&features)?;
        Ok(Self { features, objective, ensemble, calibration, exposure, offset, curve })
    }
}

impl GbdtModel {
    /// What was minimised; where parameters left it open, what was chosen and estimated.
    pub fn objective(&self) -> FittedObjective {
        self.objective
    }

    /// The score before the first tree. With a log link the logarithm of a cost, the calibration included.
    pub fn base(&self) -> f64 {
        self.ensemble.base
    }

    /// Factor that made the predictions add up to the target on the training part; 1 where none was asked for.
    pub fn calibration(&self) -> f64 {
        self.calibration
    }

    /// Whether it was fitted on cost per unit of exposure.
    pub fn has_exposure(&self) -> bool {
        self.exposure
    }

    /// Whether it was fitted with an offset, so that [`Model::predict`] gives predictions at an offset of 0.
    pub fn has_offset(&self) -> bool {
        self.offset
    }

    /// How the metric fell, tree by tree.
    pub fn learning_curve(&self) -> &LearningCurve {
        &self.curve
    }

    /// Number of trees. Fewer than `num_iterations` when no split was left to make, or fitting stopped early.
    pub fn n_trees(&self) -> usize {
        self.ensemble.trees.len()
    }

    /// The trees and the scale of their sum.
    pub(crate) fn tree_sum(&self) -> (TreeSum<'_>, ShapScale) {
        let scale = if self.objective.link() == Link::Log { ShapScale::Log } else { ShapScale::Response };
        (TreeSum { base: self.ensemble.base, weight: 1.0, trees: &self.ensemble.trees }, scale)
    }

    /// Number of leaves of all trees together.
    pub fn n_leaves(&self) -> usize {
        self.ensemble.n_leaves()
    }

    /// The use of each feature, in the order of [`Model::features`].
    pub fn importance(&self, by: Importance) -> Array1<f64> {
        let mut importance = Array1::zeros(self.features.features().len());
        for split in self.ensemble.trees.iter().flat_map(|t| &t.splits) {
            if let Some(sum) = importance.get_mut(split.feature as usize) {
                *sum += match by {
                    Importance::Splits => 1.0,
                    Importance::Gain => split.gain,
                };
            }
        }
        importance
    }

    /// Predictions with known parts of the scores: with a log link, the prediction times `exp(offset)`.
    ///
    /// # Errors
    /// As [`Model::predict_into`]; also when the offset is not one finite number a row.
    pub fn predict_with_offset(&self, x: &FeatureMatrix, offset: &[f64]) -> Result<Array1<f64>, PredictError> {
        if offset.len() != x.n_rows() {
            let (expected, found) = (format!("{} values", x.n_rows()), offset.len().to_string());
            return Err(PredictError::Offset { expected, found });
        }
        if let Some(row) = offset.iter().position(|o| !o.is_finite()) {
            return Err(PredictError::Offset {
                expected: "finite numbers".into(),
                found: format!("another in row {row}"),
            });
        }
        let mut scores = vec![0.0; x.n_rows()];
        self.scores_into(x, &mut scores)?;
        scores.iter_mut().zip(offset).for_each(|(s, o)| *s += o);
        self.to_predictions(&mut scores);
        Ok(Array1::from_vec(scores))
    }

    /// The prediction of one row, without allocating: values in the order of the features, NaN for missing ones, the
    /// code of the level for categorical ones.
    ///
    /// # Errors
    /// When the row has another length than there are features, or a code has no level.
    pub fn predict_row(&self, row: &[f64]) -> Result<f64, PredictError> {
        ensemble::check_row(&self.features, row)?;
        let mut prediction = [self.ensemble.predict_row(row)];
        self.to_predictions(&mut prediction);
        Ok(prediction[0])
    }

    /// The model in LightGBM's text format.
    ///
    /// # Errors
    /// When two names of features are the same without their white space.
    pub fn to_lightgbm(&self) -> Result<String, LightGbmError> {
        let name = self.objective.name.name();
        let objective = match (self.objective.power, self.objective.alpha) {
            (Some(power), _) => format!("{name} tweedie_variance_power:{power}"),
            (None, Some(alpha)) if self.objective.name == Objective::Quantile => format!("{name} alpha:{alpha}"),
            _ => name.to_owned(),
        };
        crate::lightgbm::write(&self.features, &self.ensemble, &objective, false, None)
    }

    fn scores_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        self.ensemble.predict_checked(&self.features, x, GbdtParams::MODEL, out)
    }

    fn to_predictions(&self, scores: &mut [f64]) {
        if self.objective.link() == Link::Logit {
            scores.iter_mut().for_each(|s| *s = 1.0 / (1.0 + (-*s).clamp(-LARGEST_LOG, LARGEST_LOG).exp()));
        } else if self.objective.link() == Link::Log {
            vectorised(|| {
                for score in scores {
                    let cut = if *score > LARGEST_LOG { LARGEST_LOG } else { *score };
                    *score = crate::kernel::exp::exp(cut);
                }
            });
        }
    }
}

impl Model for GbdtModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        self.scores_into(x, out)?;
        self.to_predictions(out);
        Ok(())
    }
}
