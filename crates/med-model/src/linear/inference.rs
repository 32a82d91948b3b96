//! What a least-squares fit says about itself: errors of the coefficients, and how well it fits its own data.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::{Linear, LinearParams, centred};
use crate::input::{Missing, TrainingSet, Weights};
use crate::linalg::{PivotedQr, dot};
use crate::parameters::Parameters;
use crate::{FitError, Regressor};

/// The classical summary of a least-squares fit with an intercept, as R's `summary.lm` and statsmodels give it.
///
/// Vectors start with the intercept and follow the features; an aliased feature has NaN-free zeros for error and
/// statistic and a p-value of 1, and does not count as a parameter. With weights, `sigma2` belongs to weight 1.
/// `AIC = -2 llf + 2 k`, `BIC = -2 llf + k ln n`, `k` the coefficients with the intercept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeastSquaresSummary {
    /// Intercept and coefficients.
    pub coefficients: Vec<f64>,
    /// Standard errors, `sqrt(sigma2 (X'WX)^-1_jj)`.
    pub standard_errors: Vec<f64>,
    /// Coefficient over standard error.
    pub t: Vec<f64>,
    /// Two-sided p-values by Student's t.
    pub p_values: Vec<f64>,
    /// Weighted sum of squared residuals.
    pub rss: f64,
    /// `rss / df_residual`.
    pub sigma2: f64,
    /// Rows with weight less coefficients.
    pub df_residual: f64,
    /// Share of the weighted variance explained.
    pub r2: f64,
    /// `1 - (1 - r2) (n - 1) / df_residual`.
    pub adjusted_r2: f64,
    /// F statistic against the intercept alone.
    pub f: f64,
    /// Gaussian log-likelihood at its maximum.
    pub log_likelihood: f64,
    /// Akaike's criterion.
    pub aic: f64,
    /// Schwarz's criterion.
    pub bic: f64,
}

impl LeastSquaresSummary {
    /// Fits [`Linear`] with an intercept and sums it up.
    ///
    /// # Errors
    /// As [`Linear`]'s fit, and when no degree of freedom is left for the errors.
    pub fn fit(train: &Dataset) -> Result<Self, FitError> {
        let model = Linear::default().fit(train)?;
        let set = TrainingSet::new(train, LinearParams::MODEL, Missing::Refused, Weights::Honoured)?;
        let weights = set.weights.as_deref();
        let problem = centred(LinearParams::MODEL, &set, true)?;
        let qr = PivotedQr::new(problem.columns.clone(), problem.y.clone());
        let (n, k) = (set.n_weighted() as f64, (qr.rank + 1) as f64);
        let df_residual = n - k;
        if df_residual < 1.0 {
            let (expected, found) = (qr.rank + 2, set.n_weighted());
            return Err(FitError::TooFewRows { model: LinearParams::MODEL, expected, found });
        }
        let residual = problem.residual(model.coefficients());
        let rss = dot(&residual, &residual);
        let total = dot(&problem.y, &problem.y);
        let sigma2 = rss / df_residual;
        let inverse = qr.inverse_gram();
        // The intercept is the value at x = 0: its variance is that of the mean plus that of the way there.
        let means = nalgebra::DVector::from_column_slice(&problem.means);
        let intercept_variance = 1.0 / problem.total_weight + (means.transpose() * &inverse * &means)[(0, 0)];
        let variances = std::iter::once(intercept_variance).chain((0..problem.means.len()).map(|j| inverse[(j, j)]));
        let standard_errors: Vec<f64> = variances.map(|v| (sigma2 * v).sqrt()).collect();
        let coefficients: Vec<f64> =
            std::iter::once(model.intercept()).chain(model.coefficients().iter().copied()).collect();
        let ratio = |(b, se): (&f64, &f64)| if *se > 0.0 { b / se } else { 0.0 };
        let t: Vec<f64> = coefficients.iter().zip(&standard_errors).map(ratio).collect();
        let p_values = match StudentsT::new(0.0, 1.0, df_residual) {
            Ok(student) => t.iter().map(|t| 2.0 * student.cdf(-t.abs())).collect(),
            Err(source) => {
                return Err(FitError::Backend { model: LinearParams::MODEL, source: Box::new(source) });
            }
        };
        let log_weights: f64 = weights.map_or(0.0, |w| w.iter().filter(|&&w| w > 0.0).map(|w| w.ln()).sum());
        let log_likelihood = 0.5 * log_weights - 0.5 * n * ((std::f64::consts::TAU * rss / n).ln() + 1.0);
        let r2 = 1.0 - rss / total;
        Ok(Self {
            coefficients,
            standard_errors,
            t,
            p_values,
            rss,
            sigma2,
            df_residual,
            r2,
            adjusted_r2: 1.0 - (1.0 - r2) * (n - 1.0) / df_residual,
            f: (total - rss) / (k - 1.0) / sigma2,
            log_likelihood,
            aic: -2.0 * log_likelihood + 2.0 * k,
            bic: -2.0 * log_likelihood + k * n.ln(),
        })
    }
}
