//! Extended estimating equations: the link and the variance of a cost estimated together with its coefficients.
//!
//! A gamma model with a logarithmic link assumes that effects multiply and that the standard deviation grows with the mean.
//! Basu and Rathouz (2005, Biostatistics 6:93) let the data say so. The link is of the Box-Cox family, the variance a power:
//!
//! ```text
//! (m^l - 1) / l = a + x'b   (l = 0: ln m),        Var(y | x) = v(m) = t m^p
//! sum w (y - m) / v  dm/d(a, b, l) = 0
//! sum w ((y - m)^2 / v - 1) (1, ln m) = 0          for (ln t, p)
//! ```
//!
//! `l = 0` is a multiplicative model, `l = 1` an additive one; `p` is 0 for constant variance, 1 for Poisson-like, 2 for gamma,
//! 3 for inverse Gaussian. Only mean and variance are assumed, so costs of 0 are fine. Costs are divided by their mean
//! before fitting, which changes the coefficients and not the model.

mod mean;
mod solve;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use super::two_part::{Predictor, TwoPartCalibration};
use crate::counted::of_counted;
use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, Weights, prediction_columns};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, Model, ParameterError, PredictError, Regressor};
use mean::log_mean;
use solve::Equations;

/// Parameters of [`Eee`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `max_iterations` | steps before it gives up | 200 | 1 or more |
/// | `tolerance` | length of the last step, in standard errors over the root of the rows | 1e-8 | above 0 |
/// | `calibration` | whether sums on the training part are made equal: `auto` or `none` | `none` | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EeeParams {
    /// Steps before it gives up.
    pub max_iterations: usize,
    /// Length of the last step, in standard errors over the root of the rows.
    pub tolerance: f64,
    /// Whether sums on the training part are made equal.
    pub calibration: TwoPartCalibration,
}

impl Default for EeeParams {
    fn default() -> Self {
        Self { max_iterations: 200, tolerance: 1e-8, calibration: TwoPartCalibration::None }
    }
}

impl Parameters for EeeParams {
    const MODEL: &'static str = "eee";

    fn check(&self) -> Result<(), ParameterError> {
        require::<Self>(self.max_iterations > 0, "max_iterations", "1 or more", self.max_iterations)?;
        require::<Self>(self.tolerance > 0.0 && self.tolerance.is_finite(), "tolerance", "above 0", self.tolerance)
    }
}

checked_estimator! {
    /// A cost model whose link and variance are estimated: see the module for the equations.
    ///
    /// ```
    /// use med_model::{Eee, Model, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// // An additive cost, 100 a visit, with a spread that grows with the mean.
    /// let visits: Vec<f64> = (0..300).map(|i| f64::from(1 + i % 10)).collect();
    /// let cost: Vec<f64> = visits.iter().enumerate().map(|(i, v)| 100.0 * v * [0.7, 1.3, 1.0][i / 10 % 3]).collect();
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("visits", visits)])?;
    /// let model = Eee::default().fit(&Dataset::new(x.clone(), "cost", cost)?)?;
    /// assert!((model.link_power() - 1.0).abs() < 1e-6);
    /// assert!((model.variance_power() - 2.0).abs() < 1e-6);
    /// assert!((model.predict(&x)?[3] - 400.0).abs() < 1e-3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Eee from EeeParams
}

/// Robust standard errors of the mean: `A^-1 (sum w^2 (y - m)^2 / v^2 d d') A^-1` with `d = dm/d(a, b, l)`,
/// `A = sum w d d' / v`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EeeErrors {
    /// Of the intercept.
    pub intercept: f64,
    /// One a feature; 0 for a column that is a combination of others and has coefficient 0.
    pub coefficients: Vec<f64>,
    /// Of the power of the link.
    pub link_power: f64,
}

/// A fitted model with its link and its variance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "EeeParts", into = "EeeParts")]
pub struct EeeModel {
    parts: EeeParts,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EeeParts {
    features: FeatureSchema,
    /// On the scale of the link, of the cost divided by `scale`.
    predictor: Predictor,
    link_power: f64,
    variance_factor: f64,
    variance_power: f64,
    /// The mean cost.
    scale: f64,
    /// Largest logarithm of a mean over `scale`.
    limit: f64,
    calibration: f64,
    errors: EeeErrors,
}

impl From<EeeModel> for EeeParts {
    fn from(model: EeeModel) -> Self {
        model.parts
    }
}

impl TryFrom<EeeParts> for EeeModel {
    type Error = BrokenModel;

    fn try_from(parts: EeeParts) -> Result<Self, BrokenModel> {
        let width = parts.features.features().len();
        BrokenModel::same_length("coefficients", width, parts.predictor.coefficients.len())?;
        BrokenModel::same_length("standard errors", width, parts.errors.coefficients.len())?;
        if !(parts.scale > 0.0 && parts.scale.is_finite()) {
            return Err(BrokenModel::new("scale", "a number above 0", parts.scale));
        }
        Ok(Self { parts })
    }
}

impl EeeModel {
    /// The intercept, on the scale of the link and of the cost over [its mean](Self::scale).
    pub fn intercept(&self) -> f64 {
        self.parts.predictor.intercept
    }

    /// One coefficient a feature, on the same scale; 0 for a column that is a combination of those before it.
    pub fn coefficients(&self) -> &[f64] {
        &self.parts.predictor.coefficients
    }

    /// The power `l` of the link: 0 where effects multiply, 1 where they add up.
    pub fn link_power(&self) -> f64 {
        self.parts.link_power
    }

    /// The power `p` of the variance in the mean.
    pub fn variance_power(&self) -> f64 {
        self.parts.variance_power
    }

    /// The variance of the cost over [its mean](Self::scale) where its expectation is 1.
    pub fn variance_factor(&self) -> f64 {
        self.parts.variance_factor
    }

    /// The mean cost of the training part, in the unit of the cost.
    pub fn scale(&self) -> f64 {
        self.parts.scale
    }

    /// Robust standard errors.
    pub fn standard_errors(&self) -> &EeeErrors {
        &self.parts.errors
    }

    /// The factor on all predictions; 1 without calibration.
    pub fn calibration(&self) -> f64 {
        self.parts.calibration
    }

    fn predict_columns(&self, columns: &[&[f64]], out: &mut [f64]) {
        let EeeParts { predictor, link_power, scale, limit, calibration, .. } = &self.parts;
        predictor.add_to(columns, out);
        for o in out {
            // Beyond the end of the link the mean is 0, or without bound where its power is negative.
            let end = if *link_power > 0.0 { f64::NEG_INFINITY } else { *limit };
            *o = log_mean(*o, *link_power).unwrap_or(end).min(*limit).exp() * scale * calibration;
        }
    }
}

impl Regressor for Eee {
    type Fitted = EeeModel;

    fn fit(&self, train: &Dataset) -> Result<EeeModel, FitError> {
        of_counted(train, EeeParams::MODEL, |train| self.fit_counted(train))
    }
}

impl Eee {
    fn fit_counted(&self, train: &Dataset) -> Result<EeeModel, FitError> {
        const MODEL: &str = EeeParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Honoured)?;
        if let Some(row) = set.y.iter().position(|&y| y < 0.0) {
            return Err(FitError::Cost { model: MODEL, row, expected: "0 or more" });
        }
        let weight = |i: usize| set.weights.as_ref().map_or(1.0, |w| w[i]);
        let total: f64 = (0..set.n_rows()).map(weight).sum();
        let scale = set.y.iter().enumerate().map(|(i, y)| weight(i) * y).sum::<f64>() / total;
        if scale == 0.0 {
            return Err(FitError::NoCost { model: MODEL });
        }
        if !scale.is_finite() {
            return Err(FitError::Overflow { model: MODEL, what: "the mean of the cost" });
        }
        // Intercept, power of the link and both parameters of the variance, beside a coefficient a feature.
        let needed = set.columns.len() + 5;
        if set.n_weighted() < needed {
            return Err(FitError::TooFewRows { model: MODEL, expected: needed, found: set.n_weighted() });
        }
        let y: Vec<f64> = set.y.iter().map(|y| y / scale).collect();
        let equations = Equations::new(&set.columns, &y, set.weights.as_deref(), total);
        let solution = equations.solve(self.params.max_iterations, self.params.tolerance)?;
        let mut model = EeeModel {
            parts: EeeParts {
                features: set.features.clone(),
                predictor: solution.predictor,
                link_power: solution.link_power,
                variance_factor: solution.variance_factor,
                variance_power: solution.variance_power,
                scale,
                limit: solution.largest + std::f64::consts::LN_10,
                calibration: 1.0,
                errors: solution.errors,
            },
        };
        if self.params.calibration == TwoPartCalibration::Auto {
            let mut predicted = vec![0.0; y.len()];
            model.predict_columns(&set.columns, &mut predicted);
            let sum: f64 = predicted.iter().enumerate().map(|(i, p)| weight(i) * p).sum();
            model.parts.calibration = scale * total / sum;
        }
        Ok(model)
    }
}

impl Model for EeeModel {
    fn features(&self) -> &FeatureSchema {
        &self.parts.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let columns = prediction_columns(&self.parts.features, x, out, EeeParams::MODEL, Missing::Refused)?;
        self.predict_columns(&columns, out);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
