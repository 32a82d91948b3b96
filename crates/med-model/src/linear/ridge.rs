//! Ridge regression.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

use super::{LinearModel, moments, problem, solve, training_set};
use crate::counted::of_counted;
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// Parameters of [`Ridge`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `alpha` | weight of the penalty, in the units of `sum w x^2` | 1 | [0, inf) |
/// | `fit_intercept` | whether there is an intercept; it is not penalised | `true` | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RidgeParams {
    /// Weight of the penalty.
    pub alpha: f64,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
}

impl Default for RidgeParams {
    fn default() -> Self {
        Self { alpha: 1.0, fit_intercept: true }
    }
}

impl Parameters for RidgeParams {
    const MODEL: &'static str = "ridge";

    fn check(&self) -> Result<(), ParameterError> {
        let holds = self.alpha >= 0.0 && self.alpha.is_finite();
        require::<Self>(holds, "alpha", "a finite number >= 0", self.alpha)
    }
}

checked_estimator! {
    /// Minimises `sum_i w_i (y_i - a - x_i'b)^2 + alpha |b|^2` (Hoerl and Kennard 1970; scikit-learn's scale of `alpha`).
    ///
    /// Features are not standardised: the penalty is in their units. Cholesky of `X'WX + alpha I`, with a
    /// refinement step on the rows where digits are at stake, QR of the stacked problem where that is ill conditioned.
    /// `O(n p^2)`, no copy of the features.
    Ridge from RidgeParams
}

impl Regressor for Ridge {
    type Fitted = LinearModel;

    fn fit(&self, train: &Dataset) -> Result<LinearModel, FitError> {
        of_counted(train, RidgeParams::MODEL, |train| {
            let set = training_set(train, RidgeParams::MODEL)?;
            let RidgeParams { alpha, fit_intercept } = self.params;
            let problem = problem(&set, fit_intercept);
            let moments = moments(train, RidgeParams::MODEL, &problem)?;
            let (coefficients, aliased) = solve::ridge(&problem, &moments, alpha);
            LinearModel::new(RidgeParams::MODEL, set.features, &moments, coefficients, &aliased, 0)
        })
    }
}
