//! Lasso and elastic net by coordinate descent on the Gram matrix.
//!
//! Objective, with `W = sum w` (the number of rows without weights), as in scikit-learn and glmnet:
//!
//! ```text
//! 1/(2W) sum_i w_i (y_i - a - x_i'b)^2 + alpha l1_ratio |b|_1 + alpha (1 - l1_ratio)/2 |b|_2^2
//! ```
//!
//! Friedman, Hastie and Tibshirani 2010 (J Stat Software 33:1) for the covariance updates; the duality gap is the one of
//! Kim et al. 2007, as in scikit-learn. A sweep costs `O(p^2)` whatever the number of rows. The gap is taken from the Gram
//! matrix, or from the rows where the tolerance is near its rounding.
//!
//! All that stops the descent is in units of the target: with `c y` and `c l1` it makes the same steps, `c` times as long. A
//! penalty that is small beside the rounding of the gradient (a target of billions with `alpha` 1) is met to that rounding.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

use super::{LinearModel, moments, problem, solve, training_set};
use crate::counted::of_counted;
use crate::linalg::cholesky::Cholesky;
use crate::linalg::dot;
use crate::linalg::moments::{Moments, Problem};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, ParameterError, Regressor};

/// Steps of a sweep below this share of the target's standard deviation (both in units of the target) have settled.
const SETTLED: f64 = 1e-12;
/// Below this share of the target's variance, the gap is rounding unless it is taken from the rows.
const EXACT: f64 = 1e-12;
/// Features that go out on the way to a direct solution at most, each of which costs a factorisation.
const MOST_DROPPED: usize = 32;
/// Multiplications of a direct solution that do not matter.
const CHEAP: f64 = 2e8;
/// Sweeps before the first direct solution for the features that are in.
const FIRST_DIRECT: usize = 8;

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
        of_counted(train, ElasticNetParams::MODEL, |train| fit(ElasticNetParams::MODEL, &self.params, train))
    }
}

impl Regressor for Lasso {
    type Fitted = LinearModel;

    fn fit(&self, train: &Dataset) -> Result<LinearModel, FitError> {
        let LassoParams { alpha, fit_intercept, max_iterations, tolerance } = self.params;
        let params = ElasticNetParams { alpha, l1_ratio: 1.0, fit_intercept, max_iterations, tolerance };
        of_counted(train, LassoParams::MODEL, |train| fit(LassoParams::MODEL, &params, train))
    }
}

fn fit(model: &'static str, params: &ElasticNetParams, train: &Dataset) -> Result<LinearModel, FitError> {
    let set = training_set(train, model)?;
    let problem = problem(&set, params.fit_intercept);
    let moments = moments(train, model, &problem)?;
    let l1 = params.alpha * params.l1_ratio;
    let l2 = params.alpha * (1.0 - params.l1_ratio);
    if l1 == 0.0 {
        // Smooth: solved directly. Coordinate descent has no duality gap to stop by here.
        let (coefficients, aliased) = solve::ridge(&problem, &moments, l2 * moments.total_weight);
        return LinearModel::new(model, set.features, &moments, coefficients, &aliased, 0);
    }
    let mut descent = CoordinateDescent::new(&moments);
    let rows = (params.tolerance < EXACT).then_some(&problem);
    let iterations = descent.run(model, rows, (l1, l2), params.max_iterations, params.tolerance)?;
    LinearModel::new(model, set.features, &moments, descent.b, &[], iterations)
}

/// Coordinate descent; keeps its place, so that the next penalty starts from the solution of the last.
pub(super) struct CoordinateDescent<'a> {
    moments: &'a Moments,
    /// `X'X / W`, one row a feature.
    gram: Vec<Vec<f64>>,
    /// `X'y / W`.
    xty: Vec<f64>,
    /// `y'y / W`.
    variance: f64,
    pub(super) b: Vec<f64>,
    /// `X'(y - Xb) / W`, kept up to date by one row of the Gram matrix a step.
    gradient: Vec<f64>,
}

impl<'a> CoordinateDescent<'a> {
    pub(super) fn new(moments: &'a Moments) -> Self {
        let (p, w) = (moments.xty.len(), moments.total_weight);
        let gram = (0..p).map(|j| moments.gram.column(j).iter().map(|v| v / w).collect()).collect();
        let xty: Vec<f64> = moments.xty.iter().map(|v| v / w).collect();
        Self { moments, gram, gradient: xty.clone(), xty, variance: moments.yty / w, b: vec![0.0; p] }
    }

    /// Descends until the duality gap is `tolerance` times the variance of the target, taken from `rows` if there are any.
    /// Gives the number of sweeps.
    pub(super) fn run(
        &mut self,
        model: &'static str,
        rows: Option<&Problem<'_>>,
        (l1, l2): (f64, f64),
        max_iterations: usize,
        tolerance: f64,
    ) -> Result<usize, FitError> {
        let (wanted, deviation) = (tolerance * self.variance, self.variance.sqrt());
        let (mut next_look, mut next_direct) = (1, FIRST_DIRECT);
        for iteration in 1..=max_iterations {
            let largest_step = self.sweep(l1, l2);
            // A small gap bounds the objective, small steps the coefficients: both are asked for.
            let settled = largest_step <= SETTLED * deviation;
            if (settled && iteration >= next_look) || iteration == max_iterations {
                next_look = iteration + 1 + iteration / 4;
                let gap = self.gap_and_refresh(rows, l1, l2);
                if gap <= wanted {
                    return Ok(iteration);
                }
                if !gap.is_finite() {
                    return Err(FitError::Overflow { model, what: "the duality gap" });
                }
                if iteration == max_iterations {
                    return Err(FitError::NotConverged { model, iterations: iteration, gap, tolerance: wanted });
                }
                // Steps of the last digits of the target may still be long beside a small penalty.
                self.solve_active(l1, l2, iteration);
            } else if iteration >= next_direct {
                // Soon again at first, later as often as it costs no more than the sweeps.
                next_direct = iteration + iteration.min(FIRST_DIRECT.max(self.b.len()));
                self.solve_active(l1, l2, iteration);
            }
        }
        Ok(max_iterations)
    }

    /// One step for every feature; gives the largest, in units of the target.
    fn sweep(&mut self, l1: f64, l2: f64) -> f64 {
        let mut largest_step = 0.0_f64;
        for j in 0..self.b.len() {
            let own = self.gram[j][j];
            if own == 0.0 {
                continue;
            }
            let old = self.b[j];
            let new = soft_threshold(self.gradient[j] + own * old, l1) / (own + l2);
            if new != old {
                self.b[j] = new;
                let step = new - old;
                self.gradient.iter_mut().zip(&self.gram[j]).for_each(|(g, x)| *g -= step * x);
                largest_step = largest_step.max(step.abs() * own.sqrt());
            }
        }
        largest_step
    }

    /// With the features that are in, and their signs, the problem is a linear system, which spares the many small steps
    /// that collinear features take. On the way to its solution the objective falls; the first feature that comes to 0 there
    /// goes out, and the rest is solved anew. Where a feature is a combination of others, the way is the one that leaves the fit
    /// as it is and shortens the coefficients. Sweeps then show whether it is the solution.
    ///
    /// Of many features no more go out than their factorisations cost what the sweeps so far did.
    fn solve_active(&mut self, l1: f64, l2: f64, n_sweeps: usize) {
        let mut active: Vec<usize> = (0..self.b.len()).filter(|&j| self.b[j] != 0.0).collect();
        let (n, p) = (active.len() as f64, self.b.len() as f64);
        let affordable = (n_sweeps as f64 * p * p).max(CHEAP) / (n.powi(3) / 6.0).max(1.0);
        for _ in 0..(affordable as usize).clamp(1, MOST_DROPPED) {
            let n = active.len();
            let system = nalgebra::DMatrix::from_fn(n, n, |i, j| {
                self.gram[active[i]][active[j]] + if i == j { l2 } else { 0.0 }
            });
            let factor = Cholesky::new(&system, EXACT);
            let solution = if factor.rank == n {
                let right: Vec<f64> = active.iter().map(|&j| self.xty[j] - l1 * self.b[j].signum()).collect();
                Some(factor.solve(&right))
            } else {
                None
            };
            let direction: Vec<f64> = match &solution {
                Some(solution) => active.iter().zip(solution).map(|(&j, b)| b - self.b[j]).collect(),
                // With a quadratic penalty no way leaves the objective as it is.
                None if l2 > 0.0 => break,
                None => self.idle_direction(&active, &factor),
            };
            let crossings = active.iter().zip(&direction).enumerate().filter(|(_, (j, d))| self.b[**j] * **d < 0.0);
            let first = crossings.map(|(k, (&j, d))| (k, -self.b[j] / d)).min_by(|a, b| a.1.total_cmp(&b.1));
            match (first, solution) {
                (Some((k, share)), solution) if solution.is_none() || share <= 1.0 => {
                    active.iter().zip(&direction).for_each(|(&j, d)| self.b[j] += share * d);
                    self.b[active.remove(k)] = 0.0;
                }
                (_, Some(solution)) => {
                    active.iter().zip(solution).for_each(|(&j, b)| self.b[j] = b);
                    break;
                }
                (_, None) => break,
            }
        }
        self.refresh();
    }

    /// A way on which the fit does not change and the absolute penalty does not rise, for features of which one is a combination of
    /// others.
    fn idle_direction(&self, active: &[usize], factor: &Cholesky) -> Vec<f64> {
        let Some(&out) = factor.left_out().first() else { return vec![0.0; active.len()] };
        let mut direction = factor.combination(out);
        direction[out] -= 1.0;
        let rise: f64 = active.iter().zip(&direction).map(|(&j, d)| self.b[j].signum() * d).sum();
        if rise > 0.0 {
            direction.iter_mut().for_each(|d| *d = -*d);
        }
        direction
    }

    /// Takes the gradient anew, which undoes rounding.
    fn refresh(&mut self) {
        for (g, (row, xty)) in self.gradient.iter_mut().zip(self.gram.iter().zip(&self.xty)) {
            *g = xty - dot(row, &self.b);
        }
    }

    /// Primal minus dual objective; also takes the gradient anew.
    fn gap_and_refresh(&mut self, rows: Option<&Problem<'_>>, l1: f64, l2: f64) -> f64 {
        let w = self.moments.total_weight;
        let (residual_square, residual_y) = match rows {
            Some(problem) => {
                let sums = problem.residual_sums(self.moments, &self.b);
                self.gradient.iter_mut().zip(&sums.gradient).for_each(|(g, s)| *g = s / w);
                (sums.square / w, sums.with_y / w)
            }
            None => {
                self.refresh();
                let with_y = self.variance - dot(&self.xty, &self.b);
                ((with_y - dot(&self.gradient, &self.b)).max(0.0), with_y)
            }
        };
        let b = &self.b;
        let dual_norm = self.gradient.iter().zip(b).map(|(g, b)| (g - l2 * b).abs()).fold(0.0, f64::max);
        // The residual, shrunk until it is feasible for the dual problem, as far as the gradient is known.
        let shrink = if dual_norm > l1 + self.rounding(l2) { l1 / dual_norm } else { 1.0 };
        let l1_norm: f64 = b.iter().map(|b| b.abs()).sum();
        let fit = 0.5 * residual_square * (1.0 + shrink * shrink) - shrink * residual_y;
        fit + l1 * l1_norm + 0.5 * l2 * (1.0 + shrink * shrink) * dot(b, b)
    }

    /// What the gradient may be off by: that of a sum of so many terms, the largest over the features.
    fn rounding(&self, l2: f64) -> f64 {
        let terms = |j: usize| {
            let sum: f64 = self.gram[j].iter().zip(&self.b).map(|(x, b)| (x * b).abs()).sum();
            self.xty[j].abs() + l2 * self.b[j].abs() + sum
        };
        let largest = (0..self.b.len()).map(terms).fold(0.0, f64::max);
        (self.b.len() + 2) as f64 * f64::EPSILON * largest
    }

    /// Weighted mean of the squared residuals.
    pub(super) fn mean_square(&self) -> f64 {
        (self.variance - dot(&self.xty, &self.b) - dot(&self.gradient, &self.b)).max(0.0)
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

    /// More features than rows and no intercept: plain descent takes a hundred thousand sweeps and more.
    #[test]
    fn more_features_than_rows_of_all_scales_take_few_sweeps() {
        use rand::{RngExt, SeedableRng};
        for seed in 0..4 {
            let mut random = rand_pcg::Pcg64::seed_from_u64(seed);
            let mut draw = |scale: f64| (0..40).map(|_| random.random_range(-scale..scale)).collect::<Vec<f64>>();
            let columns: Vec<Vec<f64>> = (0..60).map(|j| draw(10.0_f64.powf((j % 7) as f64 * 0.6 - 2.0))).collect();
            let noise = draw(5.0);
            let y: Vec<f64> = (0..40).map(|i| 100.0 + columns[5][i] - 3.0 * columns[3][i] + noise[i]).collect();
            let named = columns.into_iter().enumerate().map(|(j, c)| FeatureColumn::numeric(format!("x{j}"), c));
            let data = Dataset::new(FeatureMatrix::new(named.collect()).unwrap(), "y", y).unwrap();
            for fit_intercept in [true, false] {
                let params = LassoParams { alpha: 0.01, fit_intercept, ..Default::default() };
                let model = Lasso::new(params).unwrap().fit(&data).unwrap();
                assert!(model.iterations() < 3000, "{seed} {fit_intercept}: {}", model.iterations());
            }
        }
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
    fn scaled(data: &Dataset, factor: f64) -> Dataset {
        Dataset::new(data.x().clone(), "y", data.y().mapv(|y| factor * y).to_vec()).unwrap()
    }

    #[test]
    fn the_unit_of_the_target_does_not_matter() {
        let data = dataset();
        let fit = |alpha: f64, data: &Dataset| {
            let lasso = Lasso::new(LassoParams { alpha, ..Default::default() }).unwrap();
            lasso.fit(data).unwrap_or_else(|e| panic!("{alpha}: {e}"))
        };
        for alpha in [1e-13, 1e-6, 0.5, 5.0, 1e3] {
            let own = fit(alpha, &data);
            for power in [-80, -40, -1, 40, 100, 400] {
                let factor = 2.0_f64.powi(power);
                let other = fit(alpha * factor, &scaled(&data, factor));
                let back: Vec<f64> = other.coefficients().iter().map(|b| b / factor).collect();
                assert_eq!((own.coefficients(), own.iterations()), (&back[..], other.iterations()), "{alpha} {power}");
            }
        }
    }

    /// A penalty of 1 on a target of billions is less than the rounding of its gradient: what is left is least squares or,
    /// with the quadratic part, ridge.
    #[test]
    fn a_penalty_below_rounding_converges() {
        for power in [6, 9, 12, 15, 60, 140] {
            let factor = 10.0_f64.powi(power);
            let data = scaled(&dataset(), factor);
            for l1_ratio in [1.0, 0.5, 0.01] {
                let net = ElasticNetParams { l1_ratio, ..Default::default() };
                let net =
                    ElasticNet::new(net).unwrap().fit(&data).unwrap_or_else(|e| panic!("1e{power} {l1_ratio}: {e}"));
                let same =
                    crate::Ridge::new(crate::RidgeParams { alpha: 50.0 * (1.0 - l1_ratio), ..Default::default() });
                let ridge = same.unwrap().fit(&data).unwrap();
                for (a, b) in net.coefficients().iter().zip(ridge.coefficients()) {
                    assert!((a - b).abs() <= 1e-9 * b.abs() + 2.0 * l1_ratio, "1e{power} {l1_ratio}: {a} {b}");
                }
            }
        }
        for power in [-6, -12, -100] {
            let data = scaled(&dataset(), 10.0_f64.powi(power));
            let net = ElasticNet::default().fit(&data).unwrap();
            assert_eq!(net.coefficients(), [0.0, 0.0]);
        }
    }

    #[test]
    fn collinear_features_and_large_targets_converge() {
        let data = dataset();
        let a = data.x().columns()[0].as_numeric().unwrap();
        let near: Vec<f64> = a.iter().enumerate().map(|(i, a)| a + 1e-4 * (i as f64 * 1.3).cos()).collect();
        let mut columns = data.x().columns().to_vec();
        columns.push(FeatureColumn::numeric("near", near));
        let data = data.with_features(FeatureMatrix::new(columns).unwrap()).unwrap();
        for power in [0, 6, 9, 12, 15] {
            let data = scaled(&data, 10.0_f64.powi(power));
            for l1_ratio in [1.0, 0.5] {
                let net = ElasticNet::new(ElasticNetParams { l1_ratio, alpha: 1e-3, ..Default::default() }).unwrap();
                let fitted = net.fit(&data).unwrap_or_else(|e| panic!("1e{power} {l1_ratio}: {e}"));
                assert!(fitted.iterations() < 10_000, "1e{power} {l1_ratio}: {}", fitted.iterations());
            }
        }
    }
}
