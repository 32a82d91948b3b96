//! Ordinary and weighted least squares.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

use super::{LinearModel, moments, problem, solve, training_set};
use crate::counted::of_counted;
use crate::parameters::{Parameters, checked_estimator};
use crate::{FitError, ParameterError, Regressor};

/// Parameters of [`Linear`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `fit_intercept` | whether there is an intercept | `true` | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearParams {
    /// Whether there is an intercept.
    pub fit_intercept: bool,
}

impl Default for LinearParams {
    fn default() -> Self {
        Self { fit_intercept: true }
    }
}

impl Parameters for LinearParams {
    const MODEL: &'static str = "linear";

    fn check(&self) -> Result<(), ParameterError> {
        Ok(())
    }
}

checked_estimator! {
    /// Least squares: minimises `sum_i w_i (y_i - a - x_i'b)^2`.
    ///
    /// Solved by the normal equations of the centred features, with a refinement step on the rows where digits are at
    /// stake, and by Householder QR with column pivoting, which does not square the condition number, where the normal
    /// equations cannot tell. Features that are linear combinations of others (to 10 digits) get coefficient 0 and are
    /// listed by [`LinearModel::aliased`]. `O(n p^2)`, no copy of the features.
    ///
    /// ```
    /// use med_model::{Linear, Model, Regressor};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![30.0, 40.0, 60.0])])?;
    /// let train = Dataset::new(x.clone(), "cost", vec![700.0, 900.0, 1300.0])?;
    /// let model = Linear::default().fit(&train)?;
    /// assert!((model.coefficients()[0] - 20.0).abs() < 1e-9);
    /// assert!((model.predict(&x)?[2] - 1300.0).abs() < 1e-9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    Linear from LinearParams
}

impl Regressor for Linear {
    type Fitted = LinearModel;

    fn fit(&self, train: &Dataset) -> Result<LinearModel, FitError> {
        of_counted(train, LinearParams::MODEL, |train| {
            let set = training_set(train, LinearParams::MODEL)?;
            let problem = problem(&set, self.params.fit_intercept);
            let moments = moments(train, LinearParams::MODEL, &problem)?;
            let (coefficients, factor) = solve::least_squares(&problem, &moments);
            let aliased = factor.aliased();
            LinearModel::new(LinearParams::MODEL, set.features, &moments, coefficients, &aliased, 0)
        })
    }
}
