//! Models `intercept + x'b`: least squares, and its penalised forms.

mod elastic_net;
mod inference;
mod ols;
mod ridge;

use med_schema::{FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, prediction_columns};
use crate::linalg::Centred;
use crate::{FitError, Model, PredictError};

pub use elastic_net::{ElasticNet, ElasticNetParams, Lasso, LassoParams};
pub use inference::LeastSquaresSummary;
pub use ols::{Linear, LinearParams};
pub use ridge::{Ridge, RidgeParams};

/// A fitted linear model: `prediction = intercept + sum_j coefficient_j x_j`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LinearParts", into = "LinearParts")]
pub struct LinearModel {
    features: FeatureSchema,
    intercept: f64,
    coefficients: Vec<f64>,
    means: Vec<f64>,
    aliased: Vec<String>,
    iterations: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinearParts {
    features: FeatureSchema,
    intercept: f64,
    coefficients: Vec<f64>,
    /// Of the training rows. Not in files of older releases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    means: Vec<f64>,
    aliased: Vec<String>,
    iterations: usize,
}

impl From<LinearModel> for LinearParts {
    fn from(m: LinearModel) -> Self {
        let LinearModel { features, intercept, coefficients, means, aliased, iterations } = m;
        Self { features, intercept, coefficients, means, aliased, iterations }
    }
}

impl TryFrom<LinearParts> for LinearModel {
    type Error = BrokenModel;

    fn try_from(parts: LinearParts) -> Result<Self, BrokenModel> {
        let LinearParts { features, intercept, coefficients, means, aliased, iterations } = parts;
        BrokenModel::same_length("coefficients", features.features().len(), coefficients.len())?;
        if !means.is_empty() {
            BrokenModel::same_length("means", coefficients.len(), means.len())?;
        }
        Ok(Self { features, intercept, coefficients, means, aliased, iterations })
    }
}

/// The problem that all of these solve, if its numbers can be squared.
fn centred(model: &'static str, set: &TrainingSet<'_>, intercept: bool) -> Result<Centred, FitError> {
    let problem = Centred::new(&set.columns, &set.y, set.weights.as_deref(), intercept);
    if problem.is_bounded() { Ok(problem) } else { Err(FitError::Overflow { model, what: "a sum of squares" }) }
}

impl LinearModel {
    fn new(
        model: &'static str,
        features: FeatureSchema,
        problem: &Centred,
        mut coefficients: Vec<f64>,
        aliased: &[usize],
        iterations: usize,
    ) -> Result<Self, FitError> {
        let intercept = problem.intercept_of(&coefficients);
        if !intercept.is_finite() || coefficients.iter().any(|b| !b.is_finite()) {
            return Err(FitError::Overflow { model, what: "a coefficient" });
        }
        // Minus zero is zero: one number, one text in the file.
        coefficients.iter_mut().for_each(|b| *b += 0.0);
        let aliased = aliased.iter().filter_map(|&j| features.names().nth(j).map(str::to_owned)).collect();
        let means = problem.means.clone();
        Ok(Self { features, intercept, coefficients, means, aliased, iterations })
    }

    /// The prediction where all features are 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// One coefficient a feature, in the order of [`Model::features`].
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
    }

    /// The weighted means of the features over the training rows, which explanations start from: 0 for models without
    /// intercept, none in files of older releases.
    pub fn means(&self) -> &[f64] {
        &self.means
    }

    /// Features that are linear combinations of others (or constant): they carry nothing new and have coefficient 0.
    pub fn aliased(&self) -> &[String] {
        &self.aliased
    }

    /// Rank of the centred features: how many of them carry something new. The intercept is not counted.
    pub fn rank(&self) -> usize {
        self.coefficients.len() - self.aliased.len()
    }

    /// Sweeps of coordinate descent; 0 for the methods that solve directly.
    pub fn iterations(&self) -> usize {
        self.iterations
    }
}

impl Model for LinearModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let columns = prediction_columns(&self.features, x, out, "a linear model", Missing::Refused)?;
        out.fill(self.intercept);
        for (column, &b) in columns.iter().zip(&self.coefficients) {
            out.iter_mut().zip(*column).for_each(|(o, v)| *o += b * v);
        }
        Ok(())
    }
}
