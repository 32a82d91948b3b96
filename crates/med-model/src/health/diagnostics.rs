//! Which variance and which link a cost asks for, and whether a model is overfitted.
//!
//! Park's test (Manning and Mullahy 2001, J Health Econ 20:461), Pregibon's link test (1980, Applied Statistics 29:15),
//! Ramsey's RESET (1969), the modified Hosmer-Lemeshow test and Copas' test (1983) as they are used on costs (Jones 2010),
//! and Box and Cox' power (1964). All rows count the same here: none takes weights.

use med_schema::Dataset;
use nalgebra::{DMatrix, DVector};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, FisherSnedecor, StudentsT};

use super::scoring::{Problem, Response};
use crate::input::{Missing, TrainingSet, Weights};
use crate::linalg::dot;
use crate::linalg::qr::PivotedQr;
use crate::{FitError, PredictError};

const MODEL: &str = "a cost diagnostic";

/// How the variance grows with the mean. Slope 0 speaks for a gaussian model, 1 Poisson, 2 gamma, 3 inverse Gaussian;
/// between 1 and 2 it is the power of a Tweedie model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ParkTest {
    /// Slope of `ln (y - p)^2` on `ln p`, by least squares.
    pub slope: f64,
    /// Its standard error.
    pub slope_error: f64,
    /// Intercept of that line.
    pub intercept: f64,
    /// Its standard error.
    pub intercept_error: f64,
    /// Slope of the modified test: `(y - p)^2` on `ln p` by a gamma model with log link.
    pub modified_slope: f64,
    /// Its standard error, robust (HC0).
    pub modified_slope_error: f64,
    /// Intercept of the modified test.
    pub modified_intercept: f64,
    /// Its standard error, robust (HC0).
    pub modified_intercept_error: f64,
}

/// Pregibon's link test: the response on `1, eta, eta^2` by a gamma model with log link. Where the link and the linear
/// predictor are right, the coefficient of the square is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LinkTest {
    /// Coefficients of 1, eta and its square.
    pub coefficients: Vec<f64>,
    /// Their standard errors.
    pub standard_errors: Vec<f64>,
    /// Two-sided p-value of the square, by Student's t.
    pub p_value: f64,
}

/// Ramsey's RESET on the same model: powers 2, 3 and 4 of the linear predictor, tested together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ResetTest {
    /// Wald statistic over the number of powers that could be told apart.
    pub f: f64,
    /// Number of those.
    pub powers: usize,
    /// Its p-value.
    pub p_value: f64,
}

/// Modified Hosmer-Lemeshow test: mean residual by tenths of the prediction, tested for all being 0 with a robust
/// covariance (HC1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HosmerLemeshow {
    /// Mean of `y - p` in each group, lowest predictions first.
    pub mean_residuals: Vec<f64>,
    /// Wald statistic over the number of groups.
    pub f: f64,
    /// Its p-value.
    pub p_value: f64,
}

/// Copas' test: held-back costs on predictions by least squares. A slope below 1 is a sign of overfitting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CopasTest {
    /// Slope.
    pub slope: f64,
    /// Its standard error, robust (HC1).
    pub slope_error: f64,
    /// Two-sided p-value of the slope being 1.
    pub p_value: f64,
}

/// The power that makes a cost most nearly normal: `(y^power - 1) / power`, 0 for the logarithm.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BoxCox {
    /// The power of the largest likelihood, from -2 to 2.
    pub power: f64,
    /// Profile log-likelihood there, `-n/2 ln(rss / n) + (power - 1) sum ln y`.
    pub log_likelihood: f64,
}

fn same_length(y: &[f64], predicted: &[f64]) -> Result<(), FitError> {
    if y.len() == predicted.len() {
        return Ok(());
    }
    let source = Box::new(PredictError::Length { expected: y.len(), found: predicted.len() });
    Err(FitError::Backend { model: MODEL, source })
}

fn enough(rows: usize, expected: usize) -> Result<(), FitError> {
    if rows >= expected { Ok(()) } else { Err(FitError::TooFewRows { model: MODEL, expected, found: rows }) }
}

fn positive(values: &[f64], expected: &'static str) -> Result<(), FitError> {
    match values.iter().position(|v| !(*v > 0.0 && v.is_finite())) {
        Some(row) => Err(FitError::Cost { model: MODEL, row, expected }),
        None => Ok(()),
    }
}

fn gamma<'a>(columns: &'a [&'a [f64]], y: &'a [f64]) -> Problem<'a> {
    let response = Response::GammaLog;
    Problem { model: MODEL, response, columns, y, weights: None, max_iterations: 200, tolerance: 1e-9 }
}

fn student_p(t: f64, df: f64) -> f64 {
    StudentsT::new(0.0, 1.0, df).map_or(f64::NAN, |d| 2.0 * d.cdf(-t.abs()))
}

fn f_p(f: f64, df1: f64, df2: f64) -> f64 {
    FisherSnedecor::new(df1, df2).map_or(f64::NAN, |d| d.sf(f))
}

/// A line through points: intercept, slope, residuals and the inverse of the squared spread.
struct Line {
    intercept: f64,
    slope: f64,
    mean: f64,
    spread: f64,
    residuals: Vec<f64>,
}

fn line(x: &[f64], y: &[f64]) -> Line {
    let n = x.len() as f64;
    let (mean, y_mean) = (x.iter().sum::<f64>() / n, y.iter().sum::<f64>() / n);
    let spread: f64 = x.iter().map(|x| (x - mean) * (x - mean)).sum();
    let product: f64 = x.iter().zip(y).map(|(x, y)| (x - mean) * (y - y_mean)).sum();
    let slope = product / spread;
    let intercept = y_mean - slope * mean;
    let residuals = x.iter().zip(y).map(|(x, y)| y - intercept - slope * x).collect();
    Line { intercept, slope, mean, spread, residuals }
}

/// Park's test and its modified form, on costs and the predictions of a fitted model.
///
/// ```
/// use med_model::park_test;
/// // Errors of a fifth of the prediction, up and down: the variance goes with the square of the mean.
/// let predicted: Vec<f64> = (0..200).map(|i| f64::from(100 + 7 * i)).collect();
/// let cost: Vec<f64> = predicted.iter().zip([0.8, 1.2].iter().cycle()).map(|(p, e)| p * e).collect();
/// let test = park_test(&cost, &predicted)?;
/// assert!((test.slope - 2.0).abs() < 1e-6 && (test.modified_slope - 2.0).abs() < 1e-6);
/// # Ok::<(), med_model::FitError>(())
/// ```
///
/// # Errors
/// When lengths differ, there are fewer than 3 rows, or a prediction is not above 0. Rows predicted exactly are left out
/// of the least-squares form and take a tiny positive value in the modified one.
pub fn park_test(y: &[f64], predicted: &[f64]) -> Result<ParkTest, FitError> {
    same_length(y, predicted)?;
    enough(y.len(), 3)?;
    positive(predicted, "more than 0 as prediction")?;
    let squares: Vec<f64> = y.iter().zip(predicted).map(|(y, p)| (y - p) * (y - p)).collect();
    let logs: Vec<f64> = predicted.iter().map(|p| p.ln()).collect();
    let (x, z): (Vec<f64>, Vec<f64>) =
        logs.iter().zip(&squares).filter(|(_, s)| **s > 0.0).map(|(l, s)| (*l, s.ln())).unzip();
    enough(x.len(), 3)?;
    let plain = line(&x, &z);
    let n = x.len() as f64;
    let sigma2 = dot(&plain.residuals, &plain.residuals) / (n - 2.0);
    let least = 1e-12 * squares.iter().sum::<f64>() / squares.len() as f64;
    let floored: Vec<f64> = squares.iter().map(|s| s.max(least)).collect();
    let columns = [logs.as_slice()];
    let problem = gamma(&columns, &floored);
    let found = problem.solve()?;
    let robust = problem.robust_covariance(&found);
    Ok(ParkTest {
        slope: plain.slope,
        slope_error: (sigma2 / plain.spread).sqrt(),
        intercept: plain.intercept,
        intercept_error: (sigma2 * (1.0 / n + plain.mean * plain.mean / plain.spread)).sqrt(),
        modified_slope: found.coefficients[1],
        modified_slope_error: robust[(1, 1)].sqrt(),
        modified_intercept: found.coefficients[0],
        modified_intercept_error: robust[(0, 0)].sqrt(),
    })
}

/// Pregibon's link test of a model with log link: costs above 0, and its predictions.
///
/// # Errors
/// When lengths differ, there are fewer than 4 rows, or a cost or prediction is not above 0.
pub fn link_test(y: &[f64], predicted: &[f64]) -> Result<LinkTest, FitError> {
    same_length(y, predicted)?;
    enough(y.len(), 4)?;
    positive(y, "more than 0")?;
    positive(predicted, "more than 0 as prediction")?;
    let eta: Vec<f64> = predicted.iter().map(|p| p.ln()).collect();
    let square: Vec<f64> = eta.iter().map(|e| e * e).collect();
    let columns = [eta.as_slice(), &square];
    let found = gamma(&columns, y).solve()?;
    let df = (y.len() - 3) as f64;
    let dispersion = found.pearson / df;
    let standard_errors: Vec<f64> = (0..3).map(|j| (dispersion * found.inverse[(j, j)]).sqrt()).collect();
    let t = if standard_errors[2] > 0.0 { found.coefficients[2] / standard_errors[2] } else { 0.0 };
    Ok(LinkTest { coefficients: found.coefficients, standard_errors, p_value: student_p(t, df) })
}

/// Ramsey's RESET of a model with log link: costs above 0, and its predictions.
///
/// # Errors
/// When lengths differ, there are fewer than 6 rows, or a cost or prediction is not above 0.
pub fn reset_test(y: &[f64], predicted: &[f64]) -> Result<ResetTest, FitError> {
    same_length(y, predicted)?;
    enough(y.len(), 6)?;
    positive(y, "more than 0")?;
    positive(predicted, "more than 0 as prediction")?;
    let eta: Vec<f64> = predicted.iter().map(|p| p.ln()).collect();
    // Powers of the centred predictor span the same space and are less alike.
    let mean = eta.iter().sum::<f64>() / eta.len() as f64;
    let power = |k: i32| eta.iter().map(|e| (e - mean).powi(k)).collect::<Vec<f64>>();
    let powers = [power(1), power(2), power(3), power(4)];
    let columns: Vec<&[f64]> = powers.iter().map(Vec::as_slice).collect();
    let found = gamma(&columns, y).solve()?;
    let kept: Vec<usize> = (1..4).filter(|j| !found.aliased.contains(j)).map(|j| j + 1).collect();
    let df = (y.len() - 2 - kept.len()) as f64;
    let dispersion = found.pearson / df;
    let b = DVector::from_fn(kept.len(), |i, _| found.coefficients[kept[i]]);
    let covariance = DMatrix::from_fn(kept.len(), kept.len(), |i, k| dispersion * found.inverse[(kept[i], kept[k])]);
    let f = covariance.cholesky().map_or(0.0, |c| b.dot(&c.solve(&b)) / kept.len().max(1) as f64);
    Ok(ResetTest { f, powers: kept.len(), p_value: f_p(f, kept.len().max(1) as f64, df) })
}

/// The modified Hosmer-Lemeshow test over `groups` groups that end at the quantiles of the prediction; 10 are usual.
///
/// # Errors
/// When lengths differ, or there are fewer than two rows a group or no group.
pub fn hosmer_lemeshow(y: &[f64], predicted: &[f64], groups: usize) -> Result<HosmerLemeshow, FitError> {
    same_length(y, predicted)?;
    enough(groups, 1)?;
    enough(y.len(), 2 * groups)?;
    let mut order: Vec<usize> = (0..y.len()).collect();
    order.sort_by(|&a, &b| predicted[a].total_cmp(&predicted[b]));
    let n = y.len();
    // Groups end at the quantiles of the ranks; equal predictions keep the order of the rows, as pandas' `qcut` of
    // `rank(method="first")`, which the golden has.
    let ends = (1..=groups).map(|k| k * (n - 1) / groups + 1);
    let factor = n as f64 / (n - groups) as f64;
    let (mut means, mut wald) = (Vec::with_capacity(groups), 0.0);
    let mut first = 0;
    for end in ends {
        let rows = &order[first..end];
        let size = (end - first) as f64;
        first = end;
        let mean = rows.iter().map(|&i| y[i] - predicted[i]).sum::<f64>() / size;
        let squares: f64 = rows.iter().map(|&i| (y[i] - predicted[i] - mean).powi(2)).sum();
        let variance = factor * squares / (size * size);
        wald += if mean == 0.0 { 0.0 } else { mean * mean / variance };
        means.push(mean);
    }
    let f = wald / groups as f64;
    Ok(HosmerLemeshow { mean_residuals: means, f, p_value: f_p(f, groups as f64, (n - groups) as f64) })
}

/// Copas' test on rows that the model has not seen.
///
/// # Errors
/// When lengths differ or there are fewer than 3 rows.
pub fn copas_test(y: &[f64], predicted: &[f64]) -> Result<CopasTest, FitError> {
    same_length(y, predicted)?;
    enough(y.len(), 3)?;
    let found = line(predicted, y);
    let n = y.len() as f64;
    let meat: f64 = predicted.iter().zip(&found.residuals).map(|(p, e)| (p - found.mean).powi(2) * e * e).sum();
    let slope_error = (n / (n - 2.0) * meat).sqrt() / found.spread;
    let t = (found.slope - 1.0) / slope_error;
    if !t.is_finite() {
        return Err(FitError::Overflow { model: MODEL, what: "the slope" });
    }
    Ok(CopasTest { slope: found.slope, slope_error, p_value: student_p(t, n - 2.0) })
}

/// The Box-Cox power of costs by themselves.
///
/// # Errors
/// When there are fewer than 3 rows or a cost is not above 0.
pub fn box_cox(y: &[f64]) -> Result<BoxCox, FitError> {
    box_cox_on(&[], y)
}

/// The Box-Cox power of costs given the features of a linear model.
///
/// # Errors
/// When there are fewer than 3 rows, a cost is not above 0, or a feature is categorical or has missing values.
pub fn box_cox_regression(train: &Dataset) -> Result<BoxCox, FitError> {
    let set = TrainingSet::new(train, MODEL, Missing::Refused, Weights::Refused)?;
    box_cox_on(&set.columns, &set.y)
}

fn box_cox_on(columns: &[&[f64]], y: &[f64]) -> Result<BoxCox, FitError> {
    enough(y.len(), 3)?;
    positive(y, "more than 0")?;
    let n = y.len() as f64;
    let mean_log = y.iter().map(|y| y.ln()).sum::<f64>() / n;
    // In units of the geometric mean, powers neither overflow nor lose digits, and the sum of logarithms is 0.
    let logs: Vec<f64> = y.iter().map(|y| y.ln() - mean_log).collect();
    let centred = |values: &[f64]| {
        let mean = values.iter().sum::<f64>() / n;
        let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        // A constant: what is left of it is the rounding of its mean.
        let rest = |v: &f64| if (v - mean).abs() <= 1e-12 * largest { 0.0 } else { v - mean };
        values.iter().map(rest).collect::<Vec<f64>>()
    };
    let own: Vec<Vec<f64>> = columns.iter().map(|c| centred(c)).collect();
    let profile = |power: f64| {
        let z: Vec<f64> =
            logs.iter().map(|l| if power.abs() < 1e-9 { *l } else { (power * l).exp_m1() / power }).collect();
        let z = centred(&z);
        let b = PivotedQr::new(own.clone(), z.clone()).solve();
        let mut residual = z;
        for (column, b) in own.iter().zip(b) {
            residual.iter_mut().zip(column).for_each(|(r, x)| *r -= b * x);
        }
        -0.5 * n * (dot(&residual, &residual) / n).ln()
    };
    // Golden section: the profile has one maximum.
    let share = 0.5 * (5.0_f64.sqrt() - 1.0);
    let (mut low, mut high) = (-2.0, 2.0);
    let (mut a, mut b) = (high - share * (high - low), low + share * (high - low));
    let (mut at_a, mut at_b) = (profile(a), profile(b));
    while high - low > 1e-9 {
        if at_a >= at_b {
            (high, b, at_b) = (b, a, at_a);
            a = high - share * (high - low);
            at_a = profile(a);
        } else {
            (low, a, at_a) = (a, b, at_b);
            b = low + share * (high - low);
            at_b = profile(b);
        }
    }
    let power = 0.5 * (low + high);
    let log_likelihood = profile(power) - n * mean_log;
    if !log_likelihood.is_finite() {
        return Err(FitError::Overflow { model: MODEL, what: "the likelihood" });
    }
    Ok(BoxCox { power, log_likelihood })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overfitted_predictions_have_a_slope_below_one() {
        let y: Vec<f64> = (0..60).map(|i| 100.0 + f64::from(i) + f64::from(i * 7 % 11)).collect();
        let stretched: Vec<f64> = (0..60).map(|i| 100.0 + 2.0 * f64::from(i)).collect();
        let test = copas_test(&y, &stretched).unwrap();
        assert!((test.slope - 0.5).abs() < 0.05 && test.p_value < 1e-6, "{test:?}");
    }

    #[test]
    fn what_cannot_be_tested_is_an_error() {
        assert!(park_test(&[1.0, 2.0, 3.0], &[1.0, 2.0]).is_err());
        assert!(park_test(&[1.0, 2.0, 3.0], &[1.0, 0.0, 2.0]).is_err());
        assert!(link_test(&[1.0, 0.0, 3.0, 4.0], &[1.0; 4]).is_err());
        assert!(box_cox(&[2.0, 2.0, 2.0]).is_err());
        assert!(hosmer_lemeshow(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], 10).is_err());
    }

    #[test]
    fn a_curve_that_was_left_out_shows_in_reset() {
        let eta: Vec<f64> = (0..200).map(|i| f64::from(i) / 100.0).collect();
        let right: Vec<f64> = eta.iter().enumerate().map(|(i, e)| (e + 0.1 * (i as f64).sin()).exp()).collect();
        let bent: Vec<f64> = eta.iter().zip(&right).map(|(e, y)| y * (e * e).exp()).collect();
        let predicted: Vec<f64> = eta.iter().map(|e| e.exp()).collect();
        assert!(reset_test(&right, &predicted).unwrap().p_value > 0.05);
        assert!(reset_test(&bent, &predicted).unwrap().p_value < 1e-6);
    }
}
