//! The small set of likelihoods that the health-cost models are made of, and their covariances.
//!
//! The solver of the generalised linear models minimises `1/2 sum_i w_i d(y_i, mu(a + x_i'b)) + 1/2 r W |b'|^2`, `d` the unit
//! deviance, `b'` the coefficients of the standardised columns and `W` the sum of the weights. `r` is 0 for gamma and 1e-12
//! for the binary responses: where a column separates the zeros from the rest there is no finite maximum, and this brings
//! its coefficient to rest at about 20 standard units without moving the others in their first ten digits. Columns that
//! are combinations of those before them get coefficient 0.
//!
//! One pass over blocks of rows at the solution gives deviance, score and information; blocks are summed in order, so the
//! result does not depend on the number of threads. `O(n p^2)`.

use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;
use statrs::function::erf::erfc;
use statrs::function::gamma::ln_gamma;

use crate::FitError;
use crate::glm::{ColumnFit, ColumnSolution, Family, Link, Standard};
use crate::linalg::dot;

/// Rows of a block: its columns stay in the first or second level of cache.
const BLOCK: usize = 1024;
/// Blocks from which on threads pay.
const PARALLEL_BLOCKS: usize = 8;
/// What must be left of a column beside those before it, as a share of its square.
const RANK_TOLERANCE: f64 = 1e-10;
const SEPARATION_RIDGE: f64 = 1e-12;
/// Beyond this the exponential of a linear predictor is no cost.
const LARGEST_PREDICTOR: f64 = 300.0;

/// The likelihoods, each with its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Response {
    Logit,
    Probit,
    GammaLog,
}

/// Standard normal distribution function, without loss of digits in the lower tail.
pub(crate) fn normal_cdf(z: f64) -> f64 {
    0.5 * erfc(-z * std::f64::consts::FRAC_1_SQRT_2)
}

pub(crate) fn normal_density(z: f64) -> f64 {
    (-0.5 * z * z).exp() / std::f64::consts::TAU.sqrt()
}

impl Response {
    fn bounded(self, eta: f64) -> f64 {
        match self {
            // Further out the normal tail underflows.
            Self::Probit => eta.clamp(-25.0, 25.0),
            Self::Logit | Self::GammaLog => eta.clamp(-LARGEST_PREDICTOR, LARGEST_PREDICTOR),
        }
    }

    /// Mean at a linear predictor.
    pub(crate) fn mean(self, eta: f64) -> f64 {
        let eta = self.bounded(eta);
        match self {
            Self::Logit => 1.0 / (1.0 + (-eta).exp()),
            Self::Probit => normal_cdf(eta),
            Self::GammaLog => eta.exp(),
        }
    }

    /// First and second derivative of the mean.
    pub(crate) fn slopes(self, eta: f64) -> (f64, f64) {
        let bounded = self.bounded(eta);
        let mean = self.mean(eta);
        match self {
            Self::Logit => {
                let other = 1.0 / (1.0 + bounded.exp());
                (mean * other, mean * other * (other - mean))
            }
            Self::Probit => (normal_density(bounded), -bounded * normal_density(bounded)),
            Self::GammaLog => (mean, mean),
        }
    }

    /// Unit deviance, derivative of the log-likelihood (for a dispersion of 1) and information: that expected for logit and
    /// gamma, that observed for probit.
    fn terms(self, y: f64, eta: f64) -> (f64, f64, f64) {
        let eta = self.bounded(eta);
        match self {
            Self::Logit => {
                let p = self.mean(eta);
                let against = if y > 0.0 { -eta } else { eta };
                // ln(1 + e^a) without overflow.
                let loss = against.max(0.0) + (-against.abs()).exp().ln_1p();
                (2.0 * loss, y - p, p / (1.0 + eta.exp()))
            }
            Self::Probit => {
                let (p, q, density) = (normal_cdf(eta), normal_cdf(-eta), normal_density(eta));
                let (of, sign) = if y > 0.0 { (p, 1.0) } else { (q, -1.0) };
                // The observed information: the likelihood is log-concave, and this is its curvature.
                let hazard = density / of;
                (-2.0 * of.ln(), sign * hazard, hazard * (hazard + sign * eta))
            }
            Self::GammaLog => {
                let mean = eta.exp();
                (2.0 * ((mean / y).ln() + y / mean - 1.0), y / mean - 1.0, 1.0)
            }
        }
    }

    /// Curvature of the log-likelihood, for a covariance that holds whatever the variance is.
    fn observed(self, y: f64, eta: f64) -> f64 {
        match self {
            Self::GammaLog => y / self.mean(eta),
            Self::Logit | Self::Probit => self.terms(y, eta).2,
        }
    }

    fn ridge(self) -> f64 {
        match self {
            Self::Logit | Self::Probit => SEPARATION_RIDGE,
            Self::GammaLog => 0.0,
        }
    }
}

/// A regression with an intercept: columns, response, weights.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Problem<'a> {
    pub(crate) model: &'static str,
    pub(crate) response: Response,
    pub(crate) columns: &'a [&'a [f64]],
    pub(crate) y: &'a [f64],
    pub(crate) weights: Option<&'a [f64]>,
    pub(crate) max_iterations: usize,
    /// Root mean square of the last change of the linear predictor, weighted by information.
    pub(crate) tolerance: f64,
}

/// A maximum of the likelihood. Vectors start with the intercept.
#[derive(Debug)]
pub(crate) struct Maximum {
    pub(crate) coefficients: Vec<f64>,
    /// Inverse of the expected information for a dispersion of 1; rows and columns of aliased columns are 0.
    pub(crate) inverse: DMatrix<f64>,
    /// Positions of columns that are combinations of others, without the intercept.
    pub(crate) aliased: Vec<usize>,
    pub(crate) deviance: f64,
    pub(crate) pearson: f64,
    pub(crate) iterations: usize,
    /// Largest linear predictor of a row that counts.
    pub(crate) largest_predictor: f64,
    /// The same of the standardised columns.
    solution: ColumnSolution,
}

/// What each row adds to the matrix of sums.
#[derive(Debug, Clone, Copy)]
enum Adds {
    Information,
    Observed,
    SquaredScore,
}

/// Sums over rows.
struct Sums {
    deviance: f64,
    score: Vec<f64>,
    information: DMatrix<f64>,
    pearson: f64,
    largest: f64,
}

impl Problem<'_> {
    fn weight(&self, i: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[i])
    }

    pub(crate) fn total_weight(&self) -> f64 {
        self.weights.map_or(self.y.len() as f64, |w| w.iter().sum())
    }

    fn block(&self, standard: &[Standard], b: &[f64], first: usize, adds: Adds) -> Sums {
        let last = (first + BLOCK).min(self.y.len());
        let n = last - first;
        let width = standard.len() + 1;
        let mut z = vec![1.0; n * width];
        let mut eta = vec![b[0]; n];
        for (j, (column, s)) in self.columns.iter().zip(standard).enumerate() {
            let target = &mut z[(j + 1) * n..(j + 2) * n];
            for ((t, e), v) in target.iter_mut().zip(&mut eta).zip(&column[first..last]) {
                *t = (v - s.mean) * s.inverse;
                *e += b[j + 1] * *t;
            }
        }
        let (mut score, mut information) = (vec![0.0; n], vec![0.0; n]);
        let mut sums = Sums {
            deviance: 0.0,
            score: Vec::with_capacity(width),
            information: DMatrix::zeros(width, width),
            pearson: 0.0,
            largest: f64::NEG_INFINITY,
        };
        for i in 0..n {
            let weight = self.weight(first + i);
            if weight > 0.0 {
                let (d, s, h) = self.response.terms(self.y[first + i], eta[i]);
                sums.deviance += weight * d;
                // Pearson's residual squared is the squared score over the information.
                sums.pearson += if h > 0.0 { weight * s * s / h } else { 0.0 };
                sums.largest = sums.largest.max(eta[i]);
                score[i] = weight * s;
                information[i] = match adds {
                    Adds::Information => weight * h,
                    Adds::Observed => weight * self.response.observed(self.y[first + i], eta[i]),
                    Adds::SquaredScore => weight * s * weight * s,
                };
            }
        }
        let mut scaled = vec![0.0; n];
        for j in 0..width {
            let column = &z[j * n..(j + 1) * n];
            sums.score.push(dot(column, &score));
            scaled.iter_mut().zip(column).zip(&information).for_each(|((t, v), h)| *t = v * h);
            for k in 0..=j {
                sums.information[(j, k)] = dot(&scaled, &z[k * n..(k + 1) * n]);
            }
        }
        sums
    }

    fn sums(&self, standard: &[Standard], b: &[f64], adds: Adds) -> Sums {
        let starts: Vec<usize> = (0..self.y.len()).step_by(BLOCK).collect();
        let width = standard.len() + 1;
        let mut total = Sums {
            deviance: 0.0,
            score: vec![0.0; width],
            information: DMatrix::zeros(width, width),
            pearson: 0.0,
            largest: f64::NEG_INFINITY,
        };
        // A few blocks at a time, so that their matrices do not fill the memory; always added in order.
        for group in starts.chunks(64) {
            let one = |&first: &usize| self.block(standard, b, first, adds);
            let blocks: Vec<Sums> = if starts.len() >= PARALLEL_BLOCKS {
                group.par_iter().map(one).collect()
            } else {
                group.iter().map(one).collect()
            };
            for block in blocks {
                total.deviance += block.deviance;
                total.pearson += block.pearson;
                total.largest = total.largest.max(block.largest);
                total.score.iter_mut().zip(&block.score).for_each(|(t, s)| *t += s);
                total.information += block.information;
            }
        }
        total.information.fill_upper_triangle_with_lower_triangle();
        total
    }

    /// Maximises the likelihood.
    pub(crate) fn solve(&self) -> Result<Maximum, FitError> {
        let (family, link) = match self.response {
            Response::Logit => (Family::Binomial, Link::Logit),
            Response::Probit => (Family::Binomial, Link::Probit),
            Response::GammaLog => (Family::Gamma, Link::Log),
        };
        let ridge = self.response.ridge();
        let Self { model, columns, y, weights, max_iterations, tolerance, .. } = *self;
        let fit = ColumnFit { model, family, link, columns, y, weights, ridge, max_iterations, tolerance };
        let found = fit.fit()?;
        let sums = self.sums(&found.standard, &found.coefficients, Adds::Information);
        let factor = Factor::new(&sums.information, ridge * self.total_weight(), Some(&found.free));
        let coefficients = original(&found.standard, &found.coefficients);
        if coefficients.iter().any(|b| !b.is_finite()) {
            return Err(FitError::Overflow { model, what: "a coefficient" });
        }
        Ok(Maximum {
            coefficients,
            inverse: original_covariance(&found.standard, &factor.inverse()),
            aliased: (1..=columns.len()).filter(|j| !found.free.contains(j)).map(|j| j - 1).collect(),
            deviance: sums.deviance,
            pearson: sums.pearson,
            iterations: found.iterations,
            largest_predictor: sums.largest,
            solution: found,
        })
    }

    /// Covariance that holds whatever the variance is: `A^-1 (sum w^2 s^2 x x') A^-1` (HC0), `A` the observed information.
    pub(crate) fn robust_covariance(&self, maximum: &Maximum) -> DMatrix<f64> {
        let ColumnSolution { coefficients: b, standard, free, .. } = &maximum.solution;
        let bread = Factor::new(&self.sums(standard, b, Adds::Observed).information, 0.0, Some(free)).inverse();
        let meat = self.sums(standard, b, Adds::SquaredScore).information;
        original_covariance(standard, &(&bread * meat * &bread))
    }

    /// Log-likelihood of the gamma distribution with this dispersion.
    pub(crate) fn gamma_log_likelihood(&self, means: &[f64], dispersion: f64) -> f64 {
        let row = |i: usize| {
            let (shape, ratio) = (self.weight(i) / dispersion, self.y[i] / means[i]);
            if shape > 0.0 {
                shape * (shape * ratio).ln() - shape * ratio - ln_gamma(shape) - self.y[i].ln()
            } else {
                0.0
            }
        };
        (0..self.y.len()).map(row).sum()
    }
}

/// `(a, b)` of the columns as they are from those of the standardised ones.
fn original(standard: &[Standard], b: &[f64]) -> Vec<f64> {
    let mut own: Vec<f64> = Vec::with_capacity(b.len());
    own.push(b[0]);
    own.extend(standard.iter().zip(&b[1..]).map(|(s, b)| b * s.inverse));
    own[0] -= standard.iter().zip(&own[1..]).map(|(s, b)| s.mean * b).sum::<f64>();
    own
}

/// The same of a symmetric covariance. `O(p^2)`: only the intercept is a sum of others.
fn original_covariance(standard: &[Standard], inverse: &DMatrix<f64>) -> DMatrix<f64> {
    let intercept = std::iter::once(1.0).chain(standard.iter().map(|s| -s.mean * s.inverse));
    let intercept = DVector::from_iterator(standard.len() + 1, intercept);
    let with_intercept = inverse * &intercept;
    let scale = |j: usize| standard[j - 1].inverse;
    DMatrix::from_fn(inverse.nrows(), inverse.ncols(), |j, k| match (j, k) {
        (0, 0) => intercept.dot(&with_intercept),
        (0, j) | (j, 0) => with_intercept[j] * scale(j),
        (j, k) => scale(j) * inverse[(j, k)] * scale(k),
    })
}

/// Cholesky factor of the rows and columns that are kept, of unit diagonal before.
struct Factor {
    kept: Vec<usize>,
    lower: DMatrix<f64>,
    scale: Vec<f64>,
    width: usize,
}

impl Factor {
    /// Drops columns of which nothing is left beside those before.
    fn new(information: &DMatrix<f64>, ridge: f64, among: Option<&[usize]>) -> Self {
        let width = information.nrows();
        let candidates: Vec<usize> = among.map_or_else(|| (0..width).collect(), <[usize]>::to_vec);
        let diagonal = |j: usize| information[(j, j)] + if j > 0 { ridge } else { 0.0 };
        let mut kept: Vec<usize> = Vec::with_capacity(candidates.len());
        let mut scale: Vec<f64> = Vec::with_capacity(candidates.len());
        let mut rows: Vec<Vec<f64>> = Vec::with_capacity(candidates.len());
        for &j in &candidates {
            let root = diagonal(j).sqrt();
            if root <= 0.0 || !root.is_finite() {
                continue;
            }
            let mut row: Vec<f64> = Vec::with_capacity(kept.len() + 1);
            for (k, &other) in kept.iter().enumerate() {
                let known: f64 = row.iter().zip(&rows[k]).map(|(a, b)| a * b).sum();
                row.push((information[(j, other)] / (root * scale[k]) - known) / rows[k][k]);
            }
            let left = 1.0 - dot(&row, &row);
            if left > RANK_TOLERANCE {
                row.push(left.sqrt());
                rows.push(row);
                kept.push(j);
                scale.push(root);
            }
        }
        let lower = DMatrix::from_fn(kept.len(), kept.len(), |i, k| if k <= i { rows[i][k] } else { 0.0 });
        Self { kept, lower, scale, width }
    }

    fn solve(&self, v: &[f64]) -> Vec<f64> {
        let mut right = DVector::from_fn(self.kept.len(), |i, _| v[self.kept[i]] / self.scale[i]);
        let mut solution = vec![0.0; self.width];
        // The diagonal is above 0 by construction, so both always work.
        if self.lower.solve_lower_triangular_mut(&mut right) && self.lower.tr_solve_lower_triangular_mut(&mut right) {
            for (i, &j) in self.kept.iter().enumerate() {
                solution[j] = right[i] / self.scale[i];
            }
        }
        solution
    }

    fn inverse(&self) -> DMatrix<f64> {
        let mut inverse = DMatrix::zeros(self.width, self.width);
        let mut unit = vec![0.0; self.width];
        for &j in &self.kept {
            unit[j] = 1.0;
            for (i, value) in self.solve(&unit).into_iter().enumerate() {
                inverse[(i, j)] = value;
            }
            unit[j] = 0.0;
        }
        inverse
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem<'a>(response: Response, columns: &'a [&'a [f64]], y: &'a [f64]) -> Problem<'a> {
        Problem { model: "test", response, columns, y, weights: None, max_iterations: 100, tolerance: 1e-9 }
    }

    #[test]
    fn scores_are_the_slopes_of_the_deviance() {
        for (response, y) in [
            (Response::Logit, 1.0),
            (Response::Logit, 0.0),
            (Response::Probit, 1.0),
            (Response::Probit, 0.0),
            (Response::GammaLog, 3.0),
        ] {
            for eta in [-2.0, 0.1, 1.7] {
                let h = 1e-6;
                let d = |e| response.terms(y, e).0;
                let numeric = -0.25 * (d(eta + h) - d(eta - h)) / h;
                let (_, score, information) = response.terms(y, eta);
                assert!((numeric - score).abs() < 1e-7, "{response:?} {eta}: {numeric} {score}");
                assert!(information > 0.0);
                let (first, second) = response.slopes(eta);
                assert!((0.5 * (response.mean(eta + h) - response.mean(eta - h)) / h - first).abs() < 1e-7);
                let numeric = 0.5 * (response.slopes(eta + h).0 - response.slopes(eta - h).0) / h;
                assert!((numeric - second).abs() < 1e-7);
            }
        }
    }

    #[test]
    fn separated_rows_and_redundant_columns_come_to_rest() {
        let x: Vec<f64> = (0..40).map(f64::from).collect();
        let twice: Vec<f64> = x.iter().map(|v| 2.0 * v + 1.0).collect();
        let y: Vec<f64> = x.iter().map(|&v| f64::from(v > 19.0)).collect();
        for response in [Response::Logit, Response::Probit] {
            let found = problem(response, &[&x, &twice, &[3.0; 40]], &y).solve().unwrap();
            assert_eq!(found.aliased, [1, 2]);
            assert!(found.deviance < 1e-6 && found.coefficients.iter().all(|b| b.is_finite()));
        }
    }

    #[test]
    fn one_group_mean_each() {
        let x = [0.0, 0.0, 1.0, 1.0];
        let found = problem(Response::GammaLog, &[&x], &[1.0, 3.0, 10.0, 30.0]).solve().unwrap();
        assert!((found.coefficients[0] - 2.0_f64.ln()).abs() < 1e-12);
        assert!((found.coefficients[1] - 10.0_f64.ln()).abs() < 1e-12);
    }
}
