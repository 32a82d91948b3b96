//! The estimating equations, solved by Fisher scoring for the mean and by Newton steps for the variance, in turn.
//!
//! With the variance parameters held fixed the equations of the mean are the gradient of the quasi-likelihood
//! `Q = sum w integral from 1 to m of (y - s) / v(s) ds`, which guards the steps: one that does not raise it, or that takes a row
//! beyond the end of the link, is halved. With the mean held fixed and `t` eliminated,
//!
//! ```text
//! t(p) = sum w r^2 m^-p / sum w,      f(p) = sum w r^2 m^-p ln m / sum w r^2 m^-p - sum w ln m / sum w = 0
//! ```
//!
//! and `f` falls in `p`, its slope being less the variance of `ln m` under the weights `w r^2 m^-p`: one root at most. A pass is
//! `O(n (p + 3)^2)`; rows are summed in chunks whose order is fixed, so threads change nothing.

use nalgebra::{DMatrix, DVector};

use super::super::two_part::Predictor;
use super::mean::{exponential_integral, log_mean, slope_in_power};
use super::{EeeErrors, EeeParams};
use crate::FitError;
use crate::linalg::cholesky::Cholesky;
use crate::linalg::gram::{Gram, ROWS, RowBlock};
use crate::linalg::moments::for_chunks;
use crate::parameters::Parameters;

/// What must be left of a column beside the others, as a share of its square.
const RANK_TOLERANCE: f64 = 1e-10;
/// How often a step is halved before it is given up.
const HALVINGS: usize = 40;
/// The link stays logarithmic until the steps of the coefficients are this short.
const SETTLED: f64 = 0.1;
/// Newton steps for the variance after each step of the mean.
const VARIANCE_STEPS: usize = 4;
/// Powers of the variance that are looked at.
const VARIANCE_POWERS: std::ops::RangeInclusive<f64> = -4.0..=8.0;

/// The problem: features, costs over their mean, weights.
#[derive(Debug)]
pub(super) struct Equations<'a> {
    columns: &'a [&'a [f64]],
    y: &'a [f64],
    weights: Option<&'a [f64]>,
    total_weight: f64,
    /// Means of the features, which they are centred at.
    means: Vec<f64>,
}

/// What is estimated. Coefficients of the centred features, then the intercept.
#[derive(Debug, Clone)]
struct State {
    coefficients: Vec<f64>,
    link_power: f64,
    variance_factor: f64,
    variance_power: f64,
}

/// Where the equations are 0.
#[derive(Debug)]
pub(super) struct Solution {
    pub(super) predictor: Predictor,
    pub(super) link_power: f64,
    pub(super) variance_factor: f64,
    pub(super) variance_power: f64,
    /// The largest logarithm of a mean.
    pub(super) largest: f64,
    pub(super) errors: EeeErrors,
}

/// Which products a pass takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Products {
    /// `sum w d d' / v` and `sum w d r / v`, `r` being the last column.
    Information,
    /// `sum w^2 r^2 d d' / v^2`.
    Scores,
}

/// Sums over all rows at a state.
#[derive(Debug)]
struct Sums {
    /// Features, intercept, power of the link, residual.
    products: DMatrix<f64>,
    quasi_likelihood: f64,
}

/// Sums over a chunk; `None` if a row is beyond the end of the link.
type Part = Option<(Gram, f64)>;

impl<'a> Equations<'a> {
    pub(super) fn new(columns: &'a [&'a [f64]], y: &'a [f64], weights: Option<&'a [f64]>, total_weight: f64) -> Self {
        let mean = |column: &&[f64]| match weights {
            Some(w) => column.iter().zip(w).map(|(x, w)| x * w).sum::<f64>() / total_weight,
            None => column.iter().sum::<f64>() / total_weight,
        };
        Self { means: columns.iter().map(mean).collect(), columns, y, weights, total_weight }
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    pub(super) fn solve(&self, max_iterations: usize, tolerance: f64) -> Result<Solution, FitError> {
        const MODEL: &str = EeeParams::MODEL;
        let mut coefficients = vec![0.0; self.columns.len() + 1];
        let mut state =
            State { coefficients: coefficients.clone(), link_power: 0.0, variance_factor: 1.0, variance_power: 2.0 };
        self.fit_variance(&mut state, VARIANCE_STEPS);
        let (mut free, mut length) = (false, f64::INFINITY);
        for _ in 0..max_iterations {
            let Some(sums) = self.sums(&state, free, Products::Information) else { break };
            let (step, squared) = self.step(&sums.products);
            if !squared.is_finite() {
                return Err(FitError::Overflow { model: MODEL, what: "a step of the estimating equations" });
            }
            length = (squared.max(0.0) / self.total_weight).sqrt();
            let before = state.clone();
            // The last steps change the quasi-likelihood by less than it can be computed to.
            let slack = 1e-12 * (1.0 + sums.quasi_likelihood.abs());
            let mut factor = 1.0;
            let taken = (0..HALVINGS).any(|_| {
                coefficients.copy_from_slice(&before.coefficients);
                coefficients.iter_mut().zip(&step).for_each(|(b, s)| *b += factor * s);
                state.coefficients.copy_from_slice(&coefficients);
                state.link_power = before.link_power + factor * step[coefficients.len()];
                factor *= 0.5;
                self.quasi_likelihood(&state).is_some_and(|q| q >= sums.quasi_likelihood - slack)
            });
            if !taken {
                state = before.clone();
            }
            self.fit_variance(&mut state, VARIANCE_STEPS);
            let moved = (state.variance_power - before.variance_power).abs();
            if free && length <= tolerance && moved <= tolerance {
                return self.solution(&state);
            }
            free |= length < SETTLED;
        }
        Err(FitError::Unconverged { model: MODEL, iterations: max_iterations, gradient: length, tolerance })
    }

    /// The step of Fisher scoring, and its square in the metric of the information.
    fn step(&self, products: &DMatrix<f64>) -> (Vec<f64>, f64) {
        let width = self.columns.len() + 2;
        let information = products.view((0, 0), (width, width)).into_owned();
        let score: Vec<f64> = (0..width).map(|j| products[(j, width)]).collect();
        let step = Cholesky::new(&information, RANK_TOLERANCE).solve(&score);
        let squared = step.iter().zip(&score).map(|(s, g)| s * g).sum();
        (step, squared)
    }

    /// Runs over the rows in blocks: `row` sees a row, its weight and its linear predictor.
    fn predictors(&self, state: &State, mut row: impl FnMut(usize, f64) -> bool) -> bool {
        let Some((intercept, b)) = state.coefficients.split_last() else { return true };
        let mut block = RowBlock::new(b.len());
        let mut eta = [0.0; ROWS];
        for start in (0..self.y.len()).step_by(ROWS) {
            block.fill(self.columns, &self.means, start);
            block.times(b, &mut eta);
            for (i, eta) in (start..self.y.len()).zip(&eta) {
                if self.weight(i) > 0.0 && !row(i, intercept + eta) {
                    return false;
                }
            }
        }
        true
    }

    fn quasi_likelihood(&self, state: &State) -> Option<f64> {
        let mut sum = 0.0;
        let inside = self.predictors(state, |i, eta| {
            let Some(log) = log_mean(eta, state.link_power) else { return false };
            sum += self.weight(i) * state.quasi_likelihood(self.y[i], log);
            true
        });
        (inside && sum.is_finite()).then_some(sum)
    }

    /// Sums of products at a state; `None` if a row is beyond the end of the link.
    fn sums(&self, state: &State, free: bool, products: Products) -> Option<Sums> {
        let (p, width) = (self.columns.len(), self.columns.len() + 3);
        let (intercept, b) = state.coefficients.split_last()?;
        let part = |block: &mut RowBlock, rows: std::ops::Range<usize>| -> Part {
            let (mut gram, mut quasi) = (Gram::new(width), 0.0);
            let (mut eta, mut factors) = ([0.0; ROWS], [0.0; ROWS]);
            for start in rows.clone().step_by(ROWS) {
                block.fill(self.columns, &self.means, start);
                block.times(b, &mut eta);
                let (mut slopes, mut residuals) = ([0.0; ROWS], [0.0; ROWS]);
                factors.fill(0.0);
                for (k, i) in (start..rows.end.min(start + ROWS)).enumerate() {
                    let w = self.weight(i);
                    if w == 0.0 {
                        continue;
                    }
                    let log = log_mean(intercept + eta[k], state.link_power)?;
                    // dm/deta, which all columns are multiplied with.
                    let slope = ((1.0 - state.link_power) * log).exp();
                    let variance = state.variance(log);
                    let residual = self.y[i] - log.exp();
                    quasi += w * state.quasi_likelihood(self.y[i], log);
                    slopes[k] = if free { slope_in_power(log, state.link_power) } else { 0.0 };
                    residuals[k] = residual / slope;
                    factors[k] = match products {
                        Products::Information => slope * (w / variance).sqrt(),
                        Products::Scores => slope * w * residual.abs() / variance,
                    };
                }
                block.column_mut(p).fill(1.0);
                *block.column_mut(p + 1) = slopes;
                *block.column_mut(p + 2) = residuals;
                block.scale_rows(&factors);
                gram.add(block);
            }
            Some((gram, quasi))
        };
        let mut total: Option<Part> = None;
        for_chunks(
            self.y.len(),
            width * width / 2,
            || RowBlock::new(width),
            part,
            |part| {
                total = Some(match (total.take(), part) {
                    (None, part) => part,
                    (Some(Some((mut gram, quasi))), Some((other, more))) => {
                        gram.merge(&other);
                        Some((gram, quasi + more))
                    }
                    _ => None,
                });
            },
        );
        let (gram, quasi_likelihood) = total.flatten()?;
        Some(Sums { products: gram.to_matrix(), quasi_likelihood })
    }

    /// Newton steps for the power of the variance, and its factor.
    fn fit_variance(&self, state: &mut State, steps: usize) {
        let (mut rows, mut weighted) = (Vec::with_capacity(self.y.len()), 0.0);
        let inside = self.predictors(state, |i, eta| {
            let Some(log) = log_mean(eta, state.link_power) else { return false };
            let residual = self.y[i] - log.exp();
            rows.push((log, self.weight(i) * residual * residual));
            weighted += self.weight(i) * log;
            true
        });
        if !inside {
            return;
        }
        let mean_log = weighted / self.total_weight;
        for last in (0..=steps).map(|k| k == steps) {
            let [sum, first, second] = rows.iter().fold([0.0; 3], |[a, b, c], &(log, square)| {
                let term = square * (-state.variance_power * log).exp();
                [a + term, b + term * log, c + term * log * log]
            });
            // Costs that are predicted to the last digit have no variance to speak of.
            if sum > 0.0 && sum.is_finite() {
                state.variance_factor = (sum / self.total_weight).max(f64::MIN_POSITIVE);
                let (f, spread) = (first / sum - mean_log, second / sum - (first / sum).powi(2));
                if !last && spread > 1e-12 {
                    let power = state.variance_power + (f / spread).clamp(-1.0, 1.0);
                    state.variance_power = power.clamp(*VARIANCE_POWERS.start(), *VARIANCE_POWERS.end());
                }
            }
        }
    }

    fn solution(&self, state: &State) -> Result<Solution, FitError> {
        let overflow = || FitError::Overflow { model: EeeParams::MODEL, what: "the information" };
        let information = self.sums(state, true, Products::Information).ok_or_else(overflow)?;
        let scores = self.sums(state, true, Products::Scores).ok_or_else(overflow)?;
        let (p, width) = (self.columns.len(), self.columns.len() + 2);
        let half = |m: &DMatrix<f64>| m.view((0, 0), (width, width)).into_owned();
        let bread = Cholesky::new(&half(&information.products), RANK_TOLERANCE).inverse();
        let covariance = &bread * half(&scores.products) * &bread;
        let error = |j: usize| covariance[(j, j)].max(0.0).sqrt();
        // The intercept of features as they are: a - sum b mean.
        let mut centre = DVector::zeros(width);
        centre[p] = 1.0;
        self.means.iter().enumerate().for_each(|(j, m)| centre[j] = -m);
        let mut largest = f64::NEG_INFINITY;
        self.predictors(state, |_, eta| {
            largest = largest.max(log_mean(eta, state.link_power).unwrap_or(f64::NEG_INFINITY));
            true
        });
        let (intercept, b) = (state.coefficients[p], &state.coefficients[..p]);
        Ok(Solution {
            predictor: Predictor {
                intercept: intercept - b.iter().zip(&self.means).map(|(b, m)| b * m).sum::<f64>(),
                coefficients: b.to_vec(),
            },
            link_power: state.link_power,
            variance_factor: state.variance_factor,
            variance_power: state.variance_power,
            largest,
            errors: EeeErrors {
                intercept: (centre.transpose() * &covariance * &centre)[0].max(0.0).sqrt(),
                coefficients: (0..p).map(error).collect(),
                link_power: error(p + 1),
            },
        })
    }
}

impl State {
    fn variance(&self, log_mean: f64) -> f64 {
        self.variance_factor * (self.variance_power * log_mean).exp()
    }

    /// `integral from 1 to m of (y - s) / v(s) ds`.
    fn quasi_likelihood(&self, y: f64, log_mean: f64) -> f64 {
        let integral = |a: f64| exponential_integral(a - self.variance_power, log_mean);
        (y * integral(1.0) - integral(2.0)) / self.variance_factor
    }
}
