//! Lasso and elastic net by coordinate descent on the Gram matrix.
//!
//! Objective, with `W = sum w` (the number of rows without weights), as in scikit-learn and glmnet:
//!
//! ```text
//! 1/(2W) sum_i w_i (y_i - a - x_i'b)^2 + alpha l1_ratio |b|_1 + alpha (1 - l1_ratio)/2 |b|_2^2
//! ```
//!
//! Friedman, Hastie and Tibshirani 2010 (J Stat Software 33:1) for the covariance updates; the duality gap is the one of
//! Kim et al. 2007, as in scikit-learn. A sweep costs `O(p^2)` whatever the number of rows; the gap is taken on the
//! rows themselves, `O(n p)`, so it is exact even where the fit is almost perfect.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

use super::{LinearModel, centred, ridge};
use crate::input::{Missing, TrainingSet, Weights};
use crate::linalg::{Centred, dot};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// Steps of a sweep below this share of the target's standard deviation (both in units of the target) have settled.
const SETTLED: f64 = 1e-12;

/// Parameters of [`ElasticNet`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `alpha` | weight of the penalty | 1 | [0, inf) |
/// | `l1_ratio` | share of the absolute penalty; the rest is quadratic | 0.5 | [0, 1] |
/// | `fit_intercept` | whether there is an intercept; it is not penalised | `true` | |
/// | `max_iterations` | sweeps over the features before it is an error | 100000 | [1, inf) |
/// | `tolerance` | duality gap to reach, as a share of the variance of the target | 1e-10 | (0, 1) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ElasticNetParams {
    /// Weight of the penalty.
    pub alpha: f64,
    /// Share of the absolute penalty.
    pub l1_ratio: f64,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
    /// Sweeps before it is an error.
    pub max_iterations: usize,
    /// Duality gap to reach, as a share of the variance of the target.
    pub tolerance: f64,
}

impl Default for ElasticNetParams {
    fn default() -> Self {
        Self { alpha: 1.0, l1_ratio: 0.5, fit_intercept: true, max_iterations: 100_000, tolerance: 1e-10 }
    }
}

impl Parameters for ElasticNetParams {
    const MODEL: &'static str = "elastic_net";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { alpha, l1_ratio, max_iterations, tolerance, .. } = *self;
        require::<Self>(alpha >= 0.0 && alpha.is_finite(), "alpha", "a finite number >= 0", alpha)?;
        require::<Self>((0.0..=1.0).contains(&l1_ratio), "l1_ratio", "a number from 0 to 1", l1_ratio)?;
        require::<Self>(max_iterations >= 1, "max_iterations", "at least 1", max_iterations)?;
        require::<Self>(tolerance > 0.0 && tolerance < 1.0, "tolerance", "a number between 0 and 1", tolerance)
    }
}

/// Parameters of [`Lasso`]: those of [`ElasticNetParams`] without `l1_ratio`, which is 1.
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `alpha` | weight of the penalty | 1 | [0, inf) |
/// | `fit_intercept` | whether there is an intercept; it is not penalised | `true` | |
/// | `max_iterations` | sweeps over the features before it is an error | 100000 | [1, inf) |
/// | `tolerance` | duality gap to reach, as a share of the variance of the target | 1e-10 | (0, 1) |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LassoParams {
    /// Weight of the penalty.
    pub alpha: f64,
    /// Whether there is an intercept.
    pub fit_intercept: bool,
    /// Sweeps before it is an error.
    pub max_iterations: usize,
    /// Duality gap to reach, as a share of the variance of the target.
    pub tolerance: f64,
}

impl Default for LassoParams {
    fn default() -> Self {
        let ElasticNetParams { alpha, fit_intercept, max_iterations, tolerance, .. } = ElasticNetParams::default();
        Self { alpha, fit_intercept, max_iterations, tolerance }
    }
}

impl Parameters for LassoParams {
    const MODEL: &'static str = "lasso";

    fn check(&self) -> Result<(), ParameterError> {
        let Self { alpha, max_iterations, tolerance, .. } = *self;
        require::<Self>(alpha >= 0.0 && alpha.is_finite(), "alpha", "a finite number >= 0", alpha)?;
        require::<Self>(max_iterations >= 1, "max_iterations", "at least 1", max_iterations)?;
        require::<Self>(tolerance > 0.0 && tolerance < 1.0, "tolerance", "a number between 0 and 1", tolerance)
    }
}

checked_estimator! {
    /// Minimises `1/(2W) sum_i w_i (y_i - a - x_i'b)^2 + alpha (l1_ratio |b|_1 + (1 - l1_ratio)/2 |b|_2^2)`
    /// (Zou and Hastie 2005), `W` the sum of the weights.
    ///
    /// Features are not standardised, as in scikit-learn: the penalty is in their units.
    ElasticNet from ElasticNetParams
}

checked_estimator! {
    /// Minimises `1/(2W) sum_i w_i (y_i - a - x_i'b)^2 + alpha |b|_1` (Tibshirani 1996), `W` the sum of the weights.
    ///
    /// Features are not standardised, as in scikit-learn: the penalty is in their units.
    Lasso from LassoParams
}

impl Regressor for ElasticNet {
    type Fitted = LinearModel;

    fn fit(&self, train: &Dataset) -> Result<LinearModel, FitError> {
        fit(ElasticNetParams::MODEL, &self.params, train)
    }
}

impl Regressor for Lasso {
    type Fitted = LinearModel;

    fn fit(&self, train: &Dataset) -> Result<LinearModel, FitError> {
        let LassoParams { alpha, fit_intercept, max_iterations, tolerance } = self.params;
        let params = ElasticNetParams { alpha, l1_ratio: 1.0, fit_intercept, max_iterations, tolerance };
        fit(LassoParams::MODEL, &params, train)
    }
}

fn fit(model: &'static str, params: &ElasticNetParams, train: &Dataset) -> Result<LinearModel, FitError> {
    let set = TrainingSet::new(train, model, Missing::Refused, Weights::Honoured)?;
    let problem = centred(model, &set, params.fit_intercept)?;
    let l1 = params.alpha * params.l1_ratio;
    let l2 = params.alpha * (1.0 - params.l1_ratio);
    if l1 == 0.0 {
        // Smooth: solved directly. Coordinate descent has no duality gap to stop by here.
        let (coefficients, aliased) = ridge::solve(&problem, l2 * problem.total_weight);
        return LinearModel::new(model, set.features, &problem, coefficients, &aliased, 0);
    }
    let descent = CoordinateDescent::new(&problem, l1, l2);
    let (coefficients, iterations) = descent.run(model, params.max_iterations, params.tolerance)?;
    LinearModel::new(model, set.features, &problem, coefficients, &[], iterations)
}

struct CoordinateDescent<'a> {
    problem: &'a Centred,
    l1: f64,
    l2: f64,
    /// `X'X / W`, one row a feature.
    gram: Vec<Vec<f64>>,
    /// `X'y / W`.
    xty: Vec<f64>,
}

impl<'a> CoordinateDescent<'a> {
    fn new(problem: &'a Centred, l1: f64, l2: f64) -> Self {
        let (p, w) = (problem.columns.len(), problem.total_weight);
        let gram = problem.gram();
        let gram = (0..p).map(|j| (0..p).map(|k| gram[(j, k)] / w).collect()).collect();
        let xty = problem.columns.iter().map(|c| dot(c, &problem.y) / w).collect();
        Self { problem, l1, l2, gram, xty }
    }

    fn run(&self, model: &'static str, max_iterations: usize, tolerance: f64) -> Result<(Vec<f64>, usize), FitError> {
        let p = self.xty.len();
        let variance = dot(&self.problem.y, &self.problem.y) / self.problem.total_weight;
        let (wanted, deviation) = (tolerance * variance, variance.sqrt());
        let mut b = vec![0.0; p];
        // `X'(y - Xb) / W`, kept up to date by one row of the Gram matrix a step.
        let mut gradient = self.xty.clone();
        let mut next_look = 1;
        for iteration in 1..=max_iterations {
            let mut largest_step = 0.0_f64;
            for j in 0..p {
                let own = self.gram[j][j];
                if own == 0.0 {
                    continue;
                }
                let old = b[j];
                let new = soft_threshold(gradient[j] + own * old, self.l1) / (own + self.l2);
                if new != old {
                    b[j] = new;
                    let step = new - old;
                    gradient.iter_mut().zip(&self.gram[j]).for_each(|(g, x)| *g -= step * x);
                    largest_step = largest_step.max(step.abs() * own.sqrt());
                }
            }
            // A small gap bounds the objective, small steps the coefficients: both are asked for. The gap costs a pass
            // over the rows, so it is looked at only when the steps are small.
            let settled = largest_step <= SETTLED * deviation;
            if (settled && iteration >= next_look) || iteration == max_iterations {
                next_look = iteration + 1 + iteration / 4;
                let gap = self.gap_and_refresh(&b, &mut gradient);
                if gap <= wanted {
                    return Ok((b, iteration));
                }
                if !gap.is_finite() {
                    return Err(FitError::Overflow { model, what: "the duality gap" });
                }
                if iteration == max_iterations {
                    return Err(FitError::NotConverged { model, iterations: iteration, gap, tolerance: wanted });
                }
            }
        }
        Ok((b, max_iterations))
    }

    /// Primal minus dual objective at `b`; also takes the gradient anew from the rows, which undoes rounding.
    fn gap_and_refresh(&self, b: &[f64], gradient: &mut [f64]) -> f64 {
        let w = self.problem.total_weight;
        let residual = self.problem.residual(b);
        for (g, column) in gradient.iter_mut().zip(&self.problem.columns) {
            *g = dot(column, &residual) / w;
        }
        let dual_norm = gradient.iter().zip(b).map(|(g, b)| (g - self.l2 * b).abs()).fold(0.0, f64::max);
        // The residual, shrunk until it is feasible for the dual problem.
        let shrink = if dual_norm > self.l1 { self.l1 / dual_norm } else { 1.0 };
        let residual_square = dot(&residual, &residual) / w;
        let l1_norm: f64 = b.iter().map(|b| b.abs()).sum();
        let fit = 0.5 * residual_square * (1.0 + shrink * shrink) - shrink * dot(&residual, &self.problem.y) / w;
        fit + self.l1 * l1_norm + 0.5 * self.l2 * (1.0 + shrink * shrink) * dot(b, b)
    }
}

fn soft_threshold(value: f64, threshold: f64) -> f64 {
    if value > threshold {
        value - threshold
    } else if value < -threshold {
        value + threshold
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn dataset() -> Dataset {
        let a: Vec<f64> = (0..50).map(|i| f64::from(i % 7)).collect();
        let b: Vec<f64> = (0..50).map(|i| f64::from(i % 5) * 10.0).collect();
        let y: Vec<f64> = a.iter().zip(&b).enumerate().map(|(i, (a, b))| 3.0 * a - b + (i as f64).sin()).collect();
        let x = FeatureMatrix::new(vec![FeatureColumn::numeric("a", a), FeatureColumn::numeric("b", b)]).unwrap();
        Dataset::new(x, "y", y).unwrap()
    }

    #[test]
    fn a_large_penalty_leaves_the_mean() {
        let data = dataset();
        let model = Lasso::new(LassoParams { alpha: 1e4, ..Default::default() }).unwrap().fit(&data).unwrap();
        assert_eq!(model.coefficients(), [0.0, 0.0]);
        assert!((model.intercept() - data.y().mean().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn without_the_absolute_part_it_is_ridge() {
        let data = dataset();
        let net = ElasticNetParams { alpha: 0.3, l1_ratio: 0.0, ..Default::default() };
        let net = ElasticNet::new(net).unwrap().fit(&data).unwrap();
        let same = crate::Ridge::new(crate::RidgeParams { alpha: 0.3 * 50.0, ..Default::default() });
        let ridge = same.unwrap().fit(&data).unwrap();
        assert_eq!(net.coefficients(), ridge.coefficients());
    }

    #[test]
    fn one_sweep_is_not_enough_and_it_says_so() {
        let params = LassoParams { alpha: 0.01, max_iterations: 1, tolerance: 1e-14, ..Default::default() };
        let error = Lasso::new(params).unwrap().fit(&dataset()).unwrap_err();
        assert!(matches!(error, FitError::NotConverged { model: "lasso", iterations: 1, .. }), "{error}");
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let error = ElasticNet::new(ElasticNetParams { l1_ratio: f64::NAN, ..Default::default() }).unwrap_err();
        assert_eq!(error.to_string(), "parameter l1_ratio of elastic_net: expected a number from 0 to 1, found NaN");
    }
}
