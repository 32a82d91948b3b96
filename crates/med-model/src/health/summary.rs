//! What a two-part model says about itself: coefficients with errors, likelihood, average marginal effects.

use med_schema::Dataset;
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};

use super::scoring::{Maximum, Response};
use super::two_part::{TwoPartParams, occurrence, positives};
use crate::FitError;
use crate::counted::of_counted;
use crate::input::{Missing, TrainingSet, Weights};
use crate::parameters::Parameters;

/// One part of the model. Vectors start with the intercept and follow the features.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PartSummary {
    /// Intercept and coefficients; 0 for features that carry nothing new.
    pub coefficients: Vec<f64>,
    /// Standard errors from the expected information; for the probit from the observed one, as statsmodels has them.
    pub standard_errors: Vec<f64>,
    /// `-2 (llf - llf of the saturated model)`, times the dispersion.
    pub deviance: f64,
    /// Dispersion: 1 in part one, Pearson's statistic over the degrees of freedom in part two.
    pub dispersion: f64,
    /// Log-likelihood at the maximum.
    pub log_likelihood: f64,
    /// Rows that count.
    pub n_rows: usize,
    /// Iterations made.
    pub iterations: usize,
    /// Whether they ended because nothing moved any more; a fit that does not is an error.
    pub converged: bool,
}

/// How the expected cost changes with a feature, averaged over the rows: `mean_i dE[y | x_i] / dx_j`.
///
/// With part one `p(a'x)` and part two `mu(b'x)` it is `mean (p' a_j mu + p mu b_j)`; the error is by the delta method
/// with the covariances of both parts, which are independent (Belotti, Deb, Manning and Norton 2015).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MarginalEffect {
    /// The feature.
    pub feature: String,
    /// Cost per unit of the feature.
    pub effect: f64,
    /// Its standard error.
    pub standard_error: f64,
}

/// A two-part model of generalised linear models, summed up. Without calibration: the maximum of the likelihood.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TwoPartSummary {
    /// The probability of a cost; `None` where no cost is 0.
    pub first: Option<PartSummary>,
    /// The size of a cost.
    pub second: PartSummary,
    /// Log-likelihood of both parts together.
    pub log_likelihood: f64,
    /// Akaike's criterion, `-2 llf + 2 k` with the coefficients of both parts.
    pub aic: f64,
    /// Schwarz's criterion, `-2 llf + k ln n` with the rows of part one.
    pub bic: f64,
    /// Average marginal effects, one a feature.
    pub marginal_effects: Vec<MarginalEffect>,
}

fn errors(covariance: &DMatrix<f64>, dispersion: f64) -> Vec<f64> {
    (0..covariance.nrows()).map(|j| (dispersion * covariance[(j, j)]).max(0.0).sqrt()).collect()
}

fn rank(maximum: &Maximum) -> usize {
    maximum.coefficients.len() - maximum.aliased.len()
}

impl TwoPartSummary {
    /// Fits the generalised linear models of these parameters and sums them up.
    ///
    /// # Errors
    /// As [`TwoPart`](crate::TwoPart)'s fit, and when no degree of freedom is left for the dispersion of part two.
    pub fn fit(params: &TwoPartParams, train: &Dataset) -> Result<Self, FitError> {
        of_counted(train, TwoPartParams::MODEL, |train| Self::of(params, train))
    }

    fn of(params: &TwoPartParams, train: &Dataset) -> Result<Self, FitError> {
        const MODEL: &str = TwoPartParams::MODEL;
        let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Honoured)?;
        let found = occurrence(&set.y, set.weights.as_deref())?;
        let first = params.fit_occurrence(&set, &found)?;
        let positives = positives(&set);
        let columns: Vec<&[f64]> = positives.columns.iter().map(Vec::as_slice).collect();
        let problem = params.size_problem(&positives, &columns);
        let second = problem.solve()?;
        let n_positive = positives.y.len();
        if n_positive <= rank(&second) {
            return Err(FitError::TooFewRows { model: MODEL, expected: rank(&second) + 1, found: n_positive });
        }
        let dispersion = second.pearson / (n_positive - rank(&second)) as f64;
        let mut means = vec![second.coefficients[0]; n_positive];
        add(&second.coefficients, &columns, &mut means);
        means.iter_mut().for_each(|m| *m = Response::GammaLog.mean(*m));
        let second_summary = PartSummary {
            standard_errors: errors(&second.inverse, dispersion),
            deviance: second.deviance,
            dispersion,
            log_likelihood: problem.gamma_log_likelihood(&means, dispersion),
            n_rows: n_positive,
            iterations: second.iterations,
            converged: true,
            coefficients: second.coefficients.clone(),
        };
        let first_summary = first.as_ref().map(|m| PartSummary {
            standard_errors: errors(&m.inverse, 1.0),
            deviance: m.deviance,
            dispersion: 1.0,
            log_likelihood: -0.5 * m.deviance,
            n_rows: set.n_weighted(),
            iterations: m.iterations,
            converged: true,
            coefficients: m.coefficients.clone(),
        });
        let log_likelihood = second_summary.log_likelihood + first_summary.as_ref().map_or(0.0, |f| f.log_likelihood);
        let k = (rank(&second) + first.as_ref().map_or(0, rank)) as f64;
        Ok(Self {
            marginal_effects: marginal_effects(&set, params, first.as_ref(), &second, dispersion),
            aic: -2.0 * log_likelihood + 2.0 * k,
            bic: -2.0 * log_likelihood + k * (set.n_weighted() as f64).ln(),
            log_likelihood,
            first: first_summary,
            second: second_summary,
        })
    }
}

fn add(coefficients: &[f64], columns: &[&[f64]], out: &mut [f64]) {
    for (column, &b) in columns.iter().zip(&coefficients[1..]) {
        out.iter_mut().zip(*column).for_each(|(o, v)| *o += b * v);
    }
}

fn marginal_effects(
    set: &TrainingSet<'_>,
    params: &TwoPartParams,
    first: Option<&Maximum>,
    second: &Maximum,
    dispersion: f64,
) -> Vec<MarginalEffect> {
    let (n, width) = (set.n_rows(), set.columns.len() + 1);
    let response = params.first.response();
    let eta = |m: &Maximum| {
        let mut eta = vec![m.coefficients[0]; n];
        add(&m.coefficients, &set.columns, &mut eta);
        eta
    };
    let (first_eta, second_eta) = (first.map(eta), eta(second));
    let weight = |i: usize| set.weights.as_ref().map_or(1.0, |w| w[i]);
    let total: f64 = (0..n).map(weight).sum();
    let none = vec![0.0; width];
    let a = first.map_or(&none, |m| &m.coefficients);
    let b = &second.coefficients;
    // Weighted sums over rows of (p' mu, p mu, p'' mu) and of their products with each column.
    let mut sums = DMatrix::<f64>::zeros(3, width);
    for i in 0..n {
        let mu = Response::GammaLog.mean(second_eta[i]);
        let (p, slope, bend) = match &first_eta {
            Some(eta) => {
                let (slope, bend) = response.slopes(eta[i]);
                (response.mean(eta[i]), slope, bend)
            }
            None => (1.0, 0.0, 0.0),
        };
        let share = weight(i) / total;
        for (k, value) in [slope * mu, p * mu, bend * mu].into_iter().enumerate() {
            sums[(k, 0)] += share * value;
            for (j, column) in set.columns.iter().enumerate() {
                sums[(k, j + 1)] += share * value * column[i];
            }
        }
    }
    let effect = |j: usize| {
        let effect = sums[(0, 0)] * a[j] + sums[(1, 0)] * b[j];
        let mut by_a = DVector::from_fn(width, |k, _| sums[(2, k)] * a[j] + sums[(0, k)] * b[j]);
        let mut by_b = DVector::from_fn(width, |k, _| sums[(0, k)] * a[j] + sums[(1, k)] * b[j]);
        by_a[j] += sums[(0, 0)];
        by_b[j] += sums[(1, 0)];
        let first_variance = first.map_or(0.0, |m| (by_a.transpose() * &m.inverse * &by_a)[(0, 0)]);
        let second_variance = dispersion * (by_b.transpose() * &second.inverse * &by_b)[(0, 0)];
        (effect, (first_variance + second_variance).max(0.0).sqrt())
    };
    let named = |(j, name): (usize, &str)| {
        let (effect, standard_error) = effect(j + 1);
        MarginalEffect { feature: name.to_owned(), effect, standard_error }
    };
    set.features.names().enumerate().map(named).collect()
}
