//! Support vector regression with a radial kernel.

use std::fmt;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::svm::Kernels;
use smartcore::svm::svr::{SVR, SVRParameters};

use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, Weights, prediction_columns};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::scaling::{Scaling, moments};
use crate::{FitError, Model, ParameterError, PredictError, Regressor};

/// Parameters of [`Svr`]. `c`, `epsilon` and `tolerance` are in standard deviations of the target.
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `c` | bound on the pull of one row | 10 | (0, inf) |
/// | `epsilon` | errors up to here cost nothing | 0.1 | [0, inf) |
/// | `gamma` | of the kernel `exp(-gamma d^2)`; `null` for 1 / features | `null` | (0, inf) |
/// | `tolerance` | violation of the optimality conditions at which to stop | 0.01 | (0, inf) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SvrParams {
    /// Bound on the pull of one row.
    pub c: f64,
    /// Errors up to here cost nothing.
    pub epsilon: f64,
    /// Of the kernel.
    pub gamma: Option<f64>,
    /// Violation of the optimality conditions at which to stop.
    pub tolerance: f64,
}

impl Default for SvrParams {
    fn default() -> Self {
        Self { c: 10.0, epsilon: 0.1, gamma: None, tolerance: 0.01 }
    }
}

impl Parameters for SvrParams {
    const MODEL: &'static str = "svr";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { c, epsilon, gamma, tolerance } = *self;
        let positive = |v: f64| v > 0.0 && v.is_finite();
        require::<Self>(positive(c), "c", "a finite number > 0", c)?;
        require::<Self>(epsilon >= 0.0 && epsilon.is_finite(), "epsilon", "a finite number >= 0", epsilon)?;
        require::<Self>(gamma.is_none_or(positive), "gamma", "null or a finite number > 0", gamma.unwrap_or(0.0))?;
        require::<Self>(positive(tolerance), "tolerance", "a finite number > 0", tolerance)
    }
}

checked_estimator! {
    /// Epsilon support vector regression (Smola and Schoelkopf 2004) with the kernel `exp(-gamma |x - z|^2)` on
    /// standardised features and target, solved by smartcore's sequential minimal optimisation, which stops after 50,000
    /// steps even where `tolerance` is not reached. Memory and time grow with the square of the rows, of which there have to be at least as
    /// many as features; takes no weights.
    Svr from SvrParams
}

/// A fitted support vector model. **It holds training rows** (the support vectors): its file is personal data where
/// they are.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "SvrParts", into = "SvrParts")]
pub struct SvrModel {
    parts: SvrParts,
}

#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SvrParts {
    features: FeatureSchema,
    scaling: Scaling,
    gamma: f64,
    support_vectors: Vec<Vec<f64>>,
    duals: Vec<f64>,
    bias: f64,
    y_mean: f64,
    y_deviation: f64,
}

/// smartcore's solution; it writes itself but cannot be read back as what it was, so its numbers are taken out.
#[derive(Deserialize)]
struct Solved {
    instances: Vec<Vec<f64>>,
    w: Vec<f64>,
    b: f64,
}

impl fmt::Debug for SvrModel {
    /// Without the support vectors: a log is no place for somebody's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SvrModel")
            .field("features", &self.parts.features)
            .field("gamma", &self.parts.gamma)
            .field("support_vectors", &self.parts.support_vectors.len())
            .finish_non_exhaustive()
    }
}

impl From<SvrModel> for SvrParts {
    fn from(model: SvrModel) -> Self {
        model.parts
    }
}

impl TryFrom<SvrParts> for SvrModel {
    type Error = BrokenModel;

    fn try_from(parts: SvrParts) -> Result<Self, BrokenModel> {
        let p = parts.features.features().len();
        BrokenModel::same_length("duals", parts.support_vectors.len(), parts.duals.len())?;
        if let Some(row) = parts.support_vectors.iter().find(|r| r.len() != p) {
            return Err(BrokenModel::new("support vector", format!("{p} values"), row.len()));
        }
        if !parts.scaling.is_sound(p) {
            return Err(BrokenModel::new("scaling", "a finite mean and a positive deviation a feature", "others"));
        }
        Ok(Self { parts })
    }
}

impl SvrModel {
    /// Number of support vectors.
    pub fn n_support_vectors(&self) -> usize {
        self.parts.support_vectors.len()
    }
}

impl Regressor for Svr {
    type Fitted = SvrModel;

    fn fit(&self, train: &Dataset) -> Result<SvrModel, FitError> {
        const MODEL: &str = SvrParams::MODEL;
        let backend = |source: Box<dyn std::error::Error + Send + Sync>| FitError::Backend { model: MODEL, source };
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Refused)?;
        let (n, p) = (set.n_rows(), set.columns.len());
        // smartcore keeps as many features of a row as there are rows.
        if n < p {
            return Err(FitError::TooFewRows { model: MODEL, expected: p, found: n });
        }
        let scaling = Scaling::of(&set.columns);
        let (y_mean, y_deviation) = moments(&set.y);
        if !scaling.is_sound(p) || !y_mean.is_finite() || !y_deviation.is_finite() {
            return Err(FitError::Overflow { model: MODEL, what: "the standard deviation of a feature or the target" });
        }
        let y: Vec<f64> = set.y.iter().map(|v| (v - y_mean) / y_deviation).collect();
        let x =
            DenseMatrix::new(n, p, scaling.rows(&set.columns, n).concat(), false).map_err(|e| backend(Box::new(e)))?;
        let gamma = self.params.gamma.unwrap_or(1.0 / p as f64);
        let parameters = SVRParameters::default()
            .with_c(self.params.c)
            .with_eps(self.params.epsilon)
            .with_tol(self.params.tolerance)
            .with_kernel(Kernels::rbf().with_gamma(gamma));
        let solved = SVR::fit(&x, &y, &parameters).map_err(|e| backend(Box::new(e)))?;
        let json = serde_json::to_vec(&solved).map_err(|e| backend(Box::new(e)))?;
        let Solved { instances, w, b } = serde_json::from_slice(&json).map_err(|e| backend(Box::new(e)))?;
        let parts = SvrParts {
            features: set.features,
            scaling,
            gamma,
            support_vectors: instances,
            duals: w,
            bias: b,
            y_mean,
            y_deviation,
        };
        SvrModel::try_from(parts).map_err(|e| backend(Box::new(e)))
    }
}

impl Model for SvrModel {
    fn features(&self) -> &FeatureSchema {
        &self.parts.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let parts = &self.parts;
        let columns = prediction_columns(&parts.features, x, out, SvrParams::MODEL, Missing::Refused)?;
        let mut scaled = vec![0.0; columns.len()];
        for (row, o) in out.iter_mut().enumerate() {
            parts.scaling.row_into(&columns, row, &mut scaled);
            let mut sum = parts.bias;
            for (vector, dual) in parts.support_vectors.iter().zip(&parts.duals) {
                let distance: f64 = vector.iter().zip(&scaled).map(|(a, b)| (a - b) * (a - b)).sum();
                sum += dual * (-parts.gamma * distance).exp();
            }
            *o = parts.y_mean + parts.y_deviation * sum;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::FeatureColumn;

    #[test]
    fn fewer_rows_than_features_are_refused_by_their_number() {
        let column = |j: u32| {
            let values = (0..3).map(|i| f64::from((i * 7 + j * 5) % 11)).collect::<Vec<_>>();
            FeatureColumn::numeric(format!("x{j}"), values)
        };
        let data = |p| {
            let x = FeatureMatrix::new((0..p).map(column).collect()).unwrap();
            Dataset::new(x, "y", vec![1.0, 9.0, 4.0]).unwrap()
        };
        let error = Svr::default().fit(&data(4)).unwrap_err();
        assert!(matches!(error, FitError::TooFewRows { expected: 4, found: 3, .. }), "{error}");
        assert!(Svr::default().fit(&data(3)).is_ok());
    }

    #[test]
    fn predictions_are_those_of_the_library_that_solved_it() {
        let a: Vec<f64> = (0..80).map(|i| f64::from(i % 13)).collect();
        let b: Vec<f64> = (0..80).map(|i| (f64::from(i) * 0.4).sin()).collect();
        let y: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a * a + 20.0 * b).collect();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
        let data = Dataset::new(x, "y", y.clone()).unwrap();
        let model = Svr::default().fit(&data).unwrap();
        let columns: Vec<&[f64]> = data.x().columns().iter().map(|c| c.as_numeric().unwrap()).collect();
        let scaled = Scaling::of(&columns).rows(&columns, 80).concat();
        let x = DenseMatrix::new(80, 2, scaled, false).unwrap();
        let (mean, deviation) = moments(&y);
        let scaled_y: Vec<f64> = y.iter().map(|v| (v - mean) / deviation).collect();
        let parameters = SVRParameters::default()
            .with_c(10.0)
            .with_eps(0.1)
            .with_tol(0.01)
            .with_kernel(Kernels::rbf().with_gamma(0.5));
        let theirs = SVR::fit(&x, &scaled_y, &parameters).unwrap().predict(&x).unwrap();
        for (ours, theirs) in model.predict(data.x()).unwrap().iter().zip(theirs) {
            assert!((ours - (mean + deviation * theirs)).abs() < 1e-9 * deviation);
        }
    }
}
