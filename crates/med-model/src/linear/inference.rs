//! What a least-squares fit says about itself: errors of the coefficients, and how well it fits its own data.

use med_schema::Dataset;
use serde::{Deserialize, Serialize};
use statrs::distribution::{Continuous, ContinuousCDF, Normal, StudentsT};

use super::{LinearParams, moments, problem, solve, training_set};
use crate::counted::of_counted;
use crate::parameters::Parameters;
use crate::{FitError, ParameterError};

const MODEL: &str = LinearParams::MODEL;

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

/// t statistics and their two-sided p-values; 0 and 1 where the standard error is 0.
pub(super) fn t_tests(b: &[f64], standard_errors: &[f64], df: f64) -> Result<(Vec<f64>, Vec<f64>), FitError> {
    let student =
        StudentsT::new(0.0, 1.0, df).map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })?;
    let ratio = |(b, se): (&f64, &f64)| if *se > 0.0 { b / se } else { 0.0 };
    let t: Vec<f64> = b.iter().zip(standard_errors).map(ratio).collect();
    // The lower tail, where small probabilities keep their digits.
    let p_values = t.iter().map(|t| 2.0 * student.cdf(-t.abs())).collect();
    Ok((t, p_values))
}

/// `b -+ t se` for every coefficient, `t` by Student's distribution, or the normal one for infinitely many degrees of freedom.
pub(crate) fn intervals(b: &[f64], se: &[f64], df: f64, level: f64) -> Result<Vec<[f64; 2]>, ParameterError> {
    let range = |name: &'static str, expected: &str, found: f64| {
        let (expected, found) = (expected.to_owned(), found.to_string());
        ParameterError::Range { model: MODEL, name, expected, found }
    };
    // `!(a && b)` also catches NaN.
    if !(level > 0.0 && level < 1.0) {
        return Err(range("level", "a number between 0 and 1", level));
    }
    let tail = 0.5 * (1.0 - level);
    let t = if df == f64::INFINITY {
        -Normal::standard().inverse_cdf(tail)
    } else {
        let student = StudentsT::new(0.0, 1.0, df).map_err(|_| range("df_residual", "a number above 0", df))?;
        -student_quantile(&student, tail)
    };
    Ok(b.iter().zip(se).map(|(b, se)| [b - t * se, b + t * se]).collect())
}

/// The quantile of a share below a half. With many degrees of freedom `statrs` loses digits, which Newton's method finds again.
fn student_quantile(student: &StudentsT, share: f64) -> f64 {
    let mut t = student.inverse_cdf(share);
    for _ in 0..4 {
        let step = (student.cdf(t) - share) / student.pdf(t);
        if !step.is_finite() {
            break;
        }
        t -= step;
        if step.abs() <= 1e-14 * t.abs() {
            break;
        }
    }
    t
}

impl LeastSquaresSummary {
    /// Confidence intervals of intercept and coefficients by Student's t, `level` such as 0.95.
    ///
    /// # Errors
    /// When the level is not between 0 and 1.
    pub fn confidence_intervals(&self, level: f64) -> Result<Vec<[f64; 2]>, ParameterError> {
        intervals(&self.coefficients, &self.standard_errors, self.df_residual, level)
    }

    /// Fits [`Linear`](crate::Linear) with an intercept and sums it up.
    ///
    /// # Errors
    /// As [`Linear`](crate::Linear)'s fit, and when no degree of freedom is left for the errors.
    pub fn fit(train: &Dataset) -> Result<Self, FitError> {
        of_counted(train, MODEL, Self::of_counted_rows)
    }

    fn of_counted_rows(train: &Dataset) -> Result<Self, FitError> {
        let set = training_set(train, MODEL)?;
        let weights = set.weights.as_deref();
        let problem = problem(&set, true);
        let moments = moments(train, MODEL, &problem)?;
        let (b, factor) = solve::least_squares(&problem, &moments);
        let intercept = moments.intercept_of(&b);
        let (n, k) = (set.n_weighted() as f64, (factor.rank() + 1) as f64);
        let df_residual = n - k;
        if df_residual < 1.0 {
            let (expected, found) = (factor.rank() + 2, set.n_weighted());
            return Err(FitError::TooFewRows { model: MODEL, expected, found });
        }
        let rss = problem.residual_sums(&moments, &b).square;
        let total = moments.yty;
        let sigma2 = rss / df_residual;
        let inverse = factor.inverse();
        // The intercept is the value at x = 0: its variance is that of the mean plus that of the way there.
        let means = nalgebra::DVector::from_column_slice(&moments.means);
        let intercept_variance = 1.0 / moments.total_weight + (means.transpose() * &inverse * &means)[(0, 0)];
        let variances = std::iter::once(intercept_variance).chain((0..b.len()).map(|j| inverse[(j, j)]));
        let standard_errors: Vec<f64> = variances.map(|v| (sigma2 * v).sqrt()).collect();
        let coefficients: Vec<f64> = std::iter::once(intercept).chain(b).collect();
        let (t, p_values) = t_tests(&coefficients, &standard_errors, df_residual)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Quantiles by `mpmath` at 40 digits.
    #[test]
    fn quantiles_keep_their_digits() {
        for (df, expected) in [
            (3.0, 3.182_446_305_283_709_6),
            (9.0, 2.262_157_162_798_205_5),
            (1000.0, 1.962_339_080_826_408_5),
            (19990.0, 1.960_082_664_501_646_2),
        ] {
            let found = student_quantile(&StudentsT::new(0.0, 1.0, df).unwrap(), 0.025);
            assert!((-found / expected - 1.0_f64).abs() < 1e-11, "{df}: {found} {expected}");
        }
        assert_eq!(intervals(&[1.0], &[0.0], 5.0, 0.95).unwrap(), [[1.0, 1.0]]);
    }
}
