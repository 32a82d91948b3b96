//! The fitted model: coefficients by feature and level, predictions, and what each feature adds to the linear predictor.

mod parts;
mod rows;

use med_schema::{FeatureKind, FeatureMatrix, FeatureSchema, FeatureSpec};
use ndarray::Array1;
use serde::{Deserialize, Serialize};

use super::family::{Family, Link, Loss};
use super::params::{Settings, Unseen};
use super::solver::Solution;
use crate::{Model, PredictError};
use parts::GlmParts;
pub(super) use rows::means_in_place;
use rows::{Aligned, Values};

/// How the model calls itself in errors.
const MODEL: &str = "a generalised linear model";

/// What a feature adds to the linear predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Term {
    Numeric {
        coefficient: f64,
        /// Weighted mean of the training rows.
        mean: f64,
    },
    Categorical {
        /// One a level; one more for missing values where there were some.
        coefficients: Vec<f64>,
        /// Share of the weight of the training rows, in the same order.
        shares: Vec<f64>,
        missing: bool,
        reference: Option<usize>,
    },
}

impl Term {
    pub(super) fn coefficients(&self) -> &[f64] {
        match self {
            Self::Numeric { coefficient, .. } => std::slice::from_ref(coefficient),
            Self::Categorical { coefficients, .. } => coefficients,
        }
    }

    fn mean(&self) -> f64 {
        match self {
            Self::Numeric { coefficient, mean } => coefficient * mean,
            Self::Categorical { coefficients, shares, .. } => coefficients.iter().zip(shares).map(|(b, s)| b * s).sum(),
        }
    }
}

/// How means become predictions: times the calibration, and not above the cap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    pub(super) calibration: f64,
    pub(super) cap: Option<f64>,
}

/// A coefficient of a [`GlmModel`], with the column of the design it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlmCoefficient {
    /// `(Intercept)`, the name of a numeric feature, or `feature=level`.
    pub name: String,
    /// On the scale of the linear predictor.
    pub value: f64,
}

/// A fitted generalised linear model: `prediction = calibration * g^-1(intercept + sum of the terms)`, per unit of exposure.
///
/// Linear predictors of log, logit and probit links are cut to -600 and 600, results to the range of finite numbers and,
/// but for the gaussian family, to 0 and above: a prediction is always finite. With `prediction_cap` none is above that many times the
/// largest target it was fitted on.
///
/// A category that the training rows did not have is refused or taken for the reference level, as `unseen` says. The same
/// holds for a missing category, unless the training rows had some: then it is a level of its own, `(missing)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GlmParts", into = "GlmParts")]
pub struct GlmModel {
    features: FeatureSchema,
    loss: Loss,
    intercept: f64,
    fit_intercept: bool,
    terms: Vec<Term>,
    scale: Scale,
    unseen: Unseen,
    penalised: bool,
    aliased: Vec<String>,
    iterations: usize,
    gradient_norm: f64,
}

/// `feature=level`.
pub(super) fn level_name(spec: &FeatureSpec, level: usize) -> String {
    let levels = match &spec.kind {
        FeatureKind::Categorical { levels } => levels.get(level).map(String::as_str),
        FeatureKind::Numeric => None,
    };
    format!("{}={}", spec.name, levels.unwrap_or("(missing)"))
}

impl GlmModel {
    #[expect(clippy::too_many_arguments, reason = "the parts of the model, once")]
    pub(super) fn new(
        features: FeatureSchema,
        loss: Loss,
        intercept: f64,
        terms: Vec<Term>,
        scale: Scale,
        settings: &Settings,
        solution: &Solution,
        aliased: &[(usize, Option<usize>)],
    ) -> Self {
        let name = |&(feature, level): &(usize, Option<usize>)| {
            let spec = features.features().get(feature)?;
            Some(level.map_or_else(|| spec.name.clone(), |level| level_name(spec, level)))
        };
        let aliased = aliased.iter().filter_map(name).collect();
        Self {
            features,
            loss,
            intercept,
            fit_intercept: settings.fit_intercept,
            terms,
            scale,
            unseen: settings.unseen,
            penalised: settings.alpha > 0.0,
            aliased,
            iterations: solution.iterations,
            gradient_norm: solution.gradient_norm,
        }
    }

    pub(super) fn loss(&self) -> &Loss {
        &self.loss
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    pub(super) fn is_penalised(&self) -> bool {
        self.penalised
    }

    pub(super) fn has_intercept(&self) -> bool {
        self.fit_intercept
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.loss.family
    }

    /// The link.
    pub fn link(&self) -> Link {
        self.loss.link
    }

    /// Exponent of the variance function of the Tweedie family, given or estimated.
    pub fn power(&self) -> Option<f64> {
        (self.loss.family == Family::Tweedie).then_some(self.loss.power)
    }

    /// The linear predictor where all numbers are 0 and all categories the reference.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// The intercept (if there is one) and a coefficient for each column of the design: numeric features, and the levels
    /// of categorical ones but the reference.
    pub fn coefficients(&self) -> Vec<GlmCoefficient> {
        let mut all = Vec::new();
        if self.fit_intercept {
            all.push(GlmCoefficient { name: "(Intercept)".to_owned(), value: self.intercept });
        }
        for (spec, term) in self.features.features().iter().zip(&self.terms) {
            match term {
                Term::Numeric { coefficient, .. } => {
                    all.push(GlmCoefficient { name: spec.name.clone(), value: *coefficient });
                }
                Term::Categorical { coefficients, reference, .. } => {
                    let own = coefficients.iter().enumerate().filter(|(l, _)| Some(*l) != *reference);
                    all.extend(own.map(|(l, &value)| GlmCoefficient { name: level_name(spec, l), value }));
                }
            }
        }
        all
    }

    /// Columns of the design that carry nothing new, with coefficient 0: linear combinations of columns before them,
    /// constants, and levels without a training row.
    pub fn aliased(&self) -> &[String] {
        &self.aliased
    }

    /// What predictions are multiplied by so that they sum to the costs of the training part; 1 without calibration.
    pub fn calibration_factor(&self) -> f64 {
        self.scale.calibration
    }

    /// What predictions are cut at, if they are: `prediction_cap` times the largest target per unit of exposure that it was fitted on.
    pub fn largest_prediction(&self) -> Option<f64> {
        self.scale.cap
    }

    /// Steps of the solver.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Scaled norm of the gradient before the last step.
    pub fn gradient_norm(&self) -> f64 {
        self.gradient_norm
    }

    /// Weighted mean of what each feature adds to the linear predictor of the training rows, in the order of the features.
    pub fn term_means(&self) -> Vec<f64> {
        self.terms.iter().map(Term::mean).collect()
    }

    /// What each feature adds to the linear predictor: `n_features` values a row, one row after the other. With
    /// [`GlmModel::intercept`] they sum to [`GlmModel::linear_predictor`].
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    pub fn linear_terms(&self, x: &FeatureMatrix) -> Result<Vec<f64>, PredictError> {
        let x = Aligned::new(self, x)?;
        let p = x.values.len();
        let mut out = vec![0.0; x.n_rows * p];
        for (j, values) in x.values.iter().enumerate() {
            let out = out.iter_mut().skip(j).step_by(p.max(1));
            match values {
                Values::Numbers(values, b) => out.zip(*values).for_each(|(o, v)| *o = b * v),
                Values::Codes(codes, table) => {
                    let last = table.len() - 1;
                    out.zip(codes.iter()).for_each(|(o, &c)| *o = table[(c as usize).min(last)]);
                }
            }
        }
        Ok(out)
    }

    /// The linear predictor of each row, without an offset.
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    pub fn linear_predictor(&self, x: &FeatureMatrix) -> Result<Array1<f64>, PredictError> {
        let x = Aligned::new(self, x)?;
        let mut out = vec![0.0; x.n_rows];
        x.fill(self.intercept, None, &mut out, |_| {});
        Ok(out.into())
    }

    /// Predictions with an offset added to the linear predictor, one value a row.
    ///
    /// # Errors
    /// As [`Model::predict_into`], and when `offset` is of another length.
    pub fn predict_with_offset(&self, x: &FeatureMatrix, offset: &[f64]) -> Result<Array1<f64>, PredictError> {
        if offset.len() != x.n_rows() {
            return Err(PredictError::Length { expected: x.n_rows(), found: offset.len() });
        }
        let x = Aligned::new(self, x)?;
        let mut out = vec![0.0; x.n_rows];
        x.fill(self.intercept, Some(offset), &mut out, |out| self.means(out));
        Ok(out.into())
    }

    /// Linear predictors to predictions.
    fn means(&self, values: &mut [f64]) {
        let Scale { calibration, cap } = self.scale;
        means_in_place(&self.loss, values);
        if calibration != 1.0 {
            values.iter_mut().for_each(|v| *v = (*v * calibration).min(f64::MAX));
        }
        if let Some(cap) = cap {
            values.iter_mut().for_each(|v| *v = v.min(cap));
        }
    }
}

impl Model for GlmModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let aligned = Aligned::new(self, x)?;
        if out.len() != x.n_rows() {
            return Err(PredictError::Length { expected: x.n_rows(), found: out.len() });
        }
        aligned.fill(self.intercept, None, out, |out| self.means(out));
        Ok(())
    }
}
