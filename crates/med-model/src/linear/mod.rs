//! Models `intercept + x'b`: least squares, and its penalised forms.

mod elastic_net;
mod inference;
mod ols;
mod path;
mod ridge;
mod robust;
mod solve;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, Weights, numeric_columns, prediction_columns};
use crate::kernel::{self, Kernel};
use crate::linalg::moments::{Moments, Problem};
use crate::{FitError, Model, PredictError};

pub use elastic_net::{ElasticNet, ElasticNetParams, Lasso, LassoParams};
pub use inference::LeastSquaresSummary;
pub(crate) use inference::intervals;
pub use ols::{Linear, LinearParams};
pub use path::{ElasticNetPath, ElasticNetPathParams, PathPoint, RegularisationPath, Selection};
pub use ridge::{Ridge, RidgeParams};
pub use robust::{RobustCovariance, RobustSummary};

/// A fitted linear model: `prediction = intercept + sum_j coefficient_j x_j`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "LinearParts", into = "LinearParts")]
pub struct LinearModel {
    features: FeatureSchema,
    intercept: f64,
    coefficients: Vec<f64>,
    aliased: Vec<String>,
    iterations: usize,
    means: Vec<f64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LinearParts {
    features: FeatureSchema,
    intercept: f64,
    coefficients: Vec<f64>,
    aliased: Vec<String>,
    iterations: usize,
    /// Files of older versions have none.
    #[serde(default)]
    means: Option<Vec<f64>>,
}

impl From<LinearModel> for LinearParts {
    fn from(m: LinearModel) -> Self {
        let LinearModel { features, intercept, coefficients, aliased, iterations, means } = m;
        Self { features, intercept, coefficients, aliased, iterations, means: Some(means) }
    }
}

impl TryFrom<LinearParts> for LinearModel {
    type Error = BrokenModel;

    fn try_from(parts: LinearParts) -> Result<Self, BrokenModel> {
        let LinearParts { features, intercept, coefficients, aliased, iterations, means } = parts;
        let p = features.features().len();
        BrokenModel::same_length("coefficients", p, coefficients.len())?;
        let means = means.unwrap_or_else(|| vec![0.0; p]);
        BrokenModel::same_length("means", p, means.len())?;
        Ok(Self { features, intercept, coefficients, aliased, iterations, means })
    }
}

/// Rows of one task of a prediction.
const PREDICTED_ROWS: usize = 1 << 14;
/// Rows of a prediction that stay in the first-level cache while the features pass.
const CACHED_ROWS: usize = 1 << 10;
/// Products below which threads do not pay.
const SERIAL: usize = 4_000_000;

/// What the data say, if its numbers can be squared, and the data themselves.
fn training_set<'a>(train: &'a Dataset, model: &'static str) -> Result<TrainingSet<'a>, FitError> {
    TrainingSet::new(train, model, Missing::RefusedLater, Weights::Honoured)
}

fn problem<'a>(set: &'a TrainingSet<'_>, intercept: bool) -> Problem<'a> {
    Problem { columns: &set.columns, y: &set.y, weights: set.weights.as_deref(), intercept }
}

/// Moments, if they are finite; if not, the value that is to blame.
fn moments(train: &Dataset, model: &'static str, problem: &Problem<'_>) -> Result<Moments, FitError> {
    let moments = problem.moments();
    if moments.is_bounded() {
        return Ok(moments);
    }
    numeric_columns(train.x(), model, Missing::Refused)?;
    Err(FitError::Overflow { model, what: "a sum of squares" })
}

impl LinearModel {
    fn new(
        model: &'static str,
        features: FeatureSchema,
        moments: &Moments,
        mut coefficients: Vec<f64>,
        aliased: &[usize],
        iterations: usize,
    ) -> Result<Self, FitError> {
        let intercept = moments.intercept_of(&coefficients);
        if !intercept.is_finite() || coefficients.iter().any(|b| !b.is_finite()) {
            return Err(FitError::Overflow { model, what: "a coefficient" });
        }
        // Minus zero is zero: one number, one text in the file.
        coefficients.iter_mut().for_each(|b| *b += 0.0);
        let aliased = aliased.iter().filter_map(|&j| features.names().nth(j).map(str::to_owned)).collect();
        Ok(Self { features, intercept, coefficients, aliased, iterations, means: moments.averages.clone() })
    }

    /// The prediction where all features are 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// One coefficient a feature, in the order of [`Model::features`].
    pub fn coefficients(&self) -> &[f64] {
        &self.coefficients
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

    /// Weighted means of the features in the training part, in their order; zeros where the model was read from a file of
    /// a version that did not keep them. What a feature adds to a prediction is `coefficient (x - mean)`.
    pub fn means(&self) -> &[f64] {
        &self.means
    }
}

impl Model for LinearModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        const MODEL: &str = "a linear model";
        let columns = prediction_columns(&self.features, x, out, MODEL, Missing::RefusedLater)?;
        let (b, intercept) = (&self.coefficients, self.intercept);
        let predict = |(part, out): (usize, &mut [f64])| {
            let start = part * PREDICTED_ROWS;
            kernel::run(Predict { columns: &columns, b, intercept, start, out });
            // A value that is not finite times whatever coefficient gives a sum that is not.
            out.iter().all(|p| p.is_finite())
        };
        let finite = if out.len().saturating_mul(b.len()) < SERIAL {
            out.chunks_mut(PREDICTED_ROWS).enumerate().map(predict).fold(true, |a, b| a & b)
        } else {
            out.par_chunks_mut(PREDICTED_ROWS).enumerate().map(predict).reduce(|| true, |a, b| a & b)
        };
        if !finite {
            numeric_columns(x, MODEL, Missing::Refused)?;
        }
        Ok(())
    }
}

struct Predict<'a> {
    columns: &'a [&'a [f64]],
    b: &'a [f64],
    intercept: f64,
    start: usize,
    out: &'a mut [f64],
}

impl Kernel for Predict<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (k, out) in self.out.chunks_mut(CACHED_ROWS).enumerate() {
            let start = self.start + k * CACHED_ROWS;
            out.fill(self.intercept);
            for (column, &b) in self.columns.iter().zip(self.b) {
                let values = &column[start..start + out.len()];
                for i in 0..out.len() {
                    out[i] += b * values[i];
                }
            }
        }
    }
}
