//! The two traits of this crate: hyper-parameters that fit, and what comes of it.

use std::fmt::Debug;

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use ndarray::Array1;

use crate::{FitError, PredictError};

/// Checked hyper-parameters. Fitting leaves them unchanged, so one value fits any number of models.
///
/// Fitting is deterministic: the same dataset and parameters give the same bits. A dataset with an exposure is fitted
/// on cost per year, `y / exposure`, with `weight * exposure` as weights.
pub trait Regressor: Debug {
    /// What fitting gives.
    type Fitted: Model;

    /// Fits the model.
    ///
    /// # Errors
    /// When the dataset holds something the model cannot take, with column and row, or the method does not converge.
    fn fit(&self, train: &Dataset) -> Result<Self::Fitted, FitError>;
}

/// A fitted model: immutable, shareable between threads.
pub trait Model: Debug + Send + Sync {
    /// The columns it was fitted on.
    fn features(&self) -> &FeatureSchema;

    /// Writes the expected cost per unit of exposure, one value a row, into `out`.
    ///
    /// # Errors
    /// When `x` has other columns than at fit time (each of them is named), a value the model cannot take, or another
    /// number of rows than `out`.
    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError>;

    /// The expected cost per unit of exposure, one value a row.
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    fn predict(&self, x: &FeatureMatrix) -> Result<Array1<f64>, PredictError> {
        let mut out = Array1::zeros(x.n_rows());
        // A one-dimensional array made here is contiguous.
        self.predict_into(x, out.as_slice_mut().unwrap_or_default())?;
        Ok(out)
    }
}
