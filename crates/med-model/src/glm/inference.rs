//! What a generalised linear model says about itself: errors of the coefficients, deviance, likelihood.

use med_schema::Dataset;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};
use statrs::function::gamma::ln_gamma;

use super::design::{Design, Place};
use super::factor::Factor;
use super::family::{Family, Link, Loss, standard_normal};
use super::model::{GlmModel, Term, level_name};
use super::params::{GlmParams, Settings};
use super::pass::{Pass, Rows, evaluate, linear_predictor};
use super::tweedie::{TweedieDensity, extended_quasi_likelihood};
use crate::counted::Counted;
use crate::input::annualised;
use crate::linear::intervals;
use crate::{FitError, ParameterError};

/// How the summary calls itself in errors.
const MODEL: &str = "the summary of a generalised linear model";

/// What the weights of the rows are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WeightMeaning {
    /// A row of weight `w` is known `w` times as well: its variance is divided by `w` (statsmodels' `var_weights`; exposure).
    #[default]
    Variance,
    /// A row of weight `w` stands for `w` equal rows (`freq_weights`).
    Frequency,
}

/// How a fit is summed up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GlmSummaryOptions {
    /// What the weights are.
    pub weights: WeightMeaning,
    /// Whether the dispersion of Poisson and binomial is estimated instead of being 1 (quasi-Poisson).
    pub quasi: bool,
}

/// The classical summary of an unpenalised generalised linear model, as statsmodels and R give it.
///
/// Vectors have one value a coefficient, in the order of [`GlmModel::coefficients`]; an aliased one has error and
/// statistic 0 and a p-value of 1, and does not count as a parameter. One that has no finite maximum (that of a level whose costs
/// are all 0) counts; its error is huge, or 0 with a p-value of 1 where rounding leaves nothing of it. Calibration is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlmSummary {
    /// Names of the coefficients.
    pub names: Vec<String>,
    /// Coefficients.
    pub coefficients: Vec<f64>,
    /// Standard errors, `sqrt(dispersion (X'WX)^-1_jj)` with the expected information.
    pub standard_errors: Vec<f64>,
    /// Standard errors that hold when the variance function is wrong: `A^-1 B A^-1`, `A` the observed information (the
    /// expected one where that is indefinite), `B` the sum of squared scores (HC0).
    pub robust_standard_errors: Vec<f64>,
    /// Covariance of the coefficients, row by row.
    pub covariance: Vec<f64>,
    /// Coefficient over standard error: Student's t where the dispersion is estimated, else normal.
    pub statistics: Vec<f64>,
    /// Two-sided p-values.
    pub p_values: Vec<f64>,
    /// Rows with weight, or the sum of frequency weights.
    pub n: f64,
    /// `n` less coefficients.
    pub df_residual: f64,
    /// Twice the log-likelihood lost against the saturated model, at dispersion 1.
    pub deviance: f64,
    /// Deviance of the model with an intercept alone.
    pub null_deviance: f64,
    /// `sum w (y - mu)^2 / V(mu)`.
    pub pearson_chi2: f64,
    /// `pearson_chi2 / df_residual`, or 1 for Poisson and binomial unless `quasi`.
    pub dispersion: f64,
    /// Whether it was estimated, so that statistics are Student's t.
    #[serde(default)]
    pub dispersion_is_estimated: bool,
    /// Log-likelihood at that dispersion; for Tweedie by the series of the density. For least squares (gaussian, identity) at its
    /// maximum, `deviance / n`, as statsmodels and [`LeastSquaresSummary`](crate::LeastSquaresSummary) have it.
    pub log_likelihood: f64,
    /// `-1/2 sum (ln(2 pi dispersion V(y) / w) + w d / dispersion)`, for Tweedie costs all above 0.
    pub extended_quasi_likelihood: Option<f64>,
    /// `-2 log_likelihood + 2 k`.
    pub aic: f64,
    /// `-2 log_likelihood + k ln n`.
    pub bic: f64,
    /// `deviance - df_residual ln n`.
    pub bic_deviance: f64,
}

impl GlmSummary {
    /// Confidence intervals of the coefficients, `level` such as 0.95: by Student's t where the dispersion is estimated, else
    /// normal.
    ///
    /// # Errors
    /// When the level is not between 0 and 1.
    pub fn confidence_intervals(&self, level: f64) -> Result<Vec<[f64; 2]>, ParameterError> {
        let df = if self.dispersion_is_estimated { self.df_residual } else { f64::INFINITY };
        intervals(&self.coefficients, &self.standard_errors, df, level)
    }

    /// Two-sided p-values by the normal distribution, which statsmodels takes for every family and R where the dispersion is
    /// given; [`GlmSummary::p_values`] are R's.
    pub fn normal_p_values(&self) -> Vec<f64> {
        self.statistics.iter().map(|t| 2.0 * standard_normal().cdf(-t.abs())).collect()
    }

    /// Sums up a model on the rows it was fitted on, with the offset it was fitted with.
    ///
    /// # Errors
    /// When the model is penalised, the dataset has other columns, the target is out of the family's range, or no degree of
    /// freedom is left.
    pub fn of(
        model: &GlmModel,
        train: &Dataset,
        offset: Option<&[f64]>,
        options: &GlmSummaryOptions,
    ) -> Result<Self, FitError> {
        if model.is_penalised() {
            return Err(FitError::Penalised);
        }
        crate::Model::features(model)
            .check(train.x())
            .map_err(|source| FitError::Backend { model: MODEL, source: Box::new(source) })?;
        let counted = Counted::with_offset(train, offset, MODEL)?;
        counted.fit(|train| Self::of_counted_rows(model, train, counted.offset.as_deref(), options))
    }

    fn of_counted_rows(
        model: &GlmModel,
        train: &Dataset,
        offset: Option<&[f64]>,
        options: &GlmSummaryOptions,
    ) -> Result<Self, FitError> {
        let (y, weights) = annualised(train);
        let rows = Rows { y: &y, weights: weights.as_deref(), offset };
        let loss = model.loss();
        let settings = Settings { fit_intercept: model.has_intercept(), ..GlmParams::default().settings() };
        let settings = Settings { model: MODEL, family: loss.family, link: loss.link, ..settings };
        super::fit::check_rows(&settings, rows)?;
        let mut design = Design::new(&settings, train.x(), rows.weights)?;
        let b = solver_coefficients(model, &mut design);
        let overflow = || FitError::Overflow { model: MODEL, what: "a sum of squares" };
        let at = |pass| evaluate(&design, loss, rows, &b, pass).information;
        let information = at(Pass::Expected).ok_or_else(overflow)?;
        let frequency = options.weights == WeightMeaning::Frequency;
        let meat = at(Pass::Squares { frequency }).ok_or_else(overflow)?;
        let known = not_aliased(model, &design);
        let k = known.len();
        let (factor, _) = Factor::new(&information, &known, &vec![0.0; b.len()]);
        let eta = linear_predictor(&design, offset, &b);
        let fit = Fit { loss, rows, eta: &eta, frequency };
        let n = fit.count();
        let df_residual = n - k as f64;
        if df_residual < 1.0 {
            return Err(FitError::TooFewRows { model: MODEL, expected: k + 1, found: n as usize });
        }
        let (deviance, pearson_chi2) = fit.deviance_and_chi2().ok_or_else(overflow)?;
        let fixed = matches!(loss.family, Family::Poisson | Family::Binomial) && !options.quasi;
        let dispersion = if fixed { 1.0 } else { pearson_chi2 / df_residual };
        let inverse = factor.inverse(b.len());
        // The bread is the observed information, where that can be inverted.
        let curvature = at(Pass::Curvature).ok_or_else(overflow)?;
        let (observed, _) = Factor::new(&curvature, factor.free(), &vec![0.0; b.len()]);
        let bread = if observed.free() == factor.free() { observed.inverse(b.len()) } else { inverse.clone() };
        let robust = &bread * meat * &bread;
        let back = |m: DMatrix<f64>| in_units(model, &design, m);
        let (covariance, robust) = (back(inverse * dispersion), back(robust));
        let errors = |m: &DMatrix<f64>| m.diagonal().iter().map(|v| v.max(0.0).sqrt()).collect::<Vec<f64>>();
        let (names, coefficients): (Vec<_>, Vec<_>) =
            model.coefficients().into_iter().map(|c| (c.name, c.value)).unzip();
        let standard_errors = errors(&covariance);
        let ratio = |(b, se): (&f64, &f64)| if *se > 0.0 { b / se } else { 0.0 };
        let statistics: Vec<f64> = coefficients.iter().zip(&standard_errors).map(ratio).collect();
        let p_values = if fixed {
            statistics.iter().map(|t| 2.0 * standard_normal().cdf(-t.abs())).collect()
        } else {
            match StudentsT::new(0.0, 1.0, df_residual) {
                Ok(student) => statistics.iter().map(|t| 2.0 * student.cdf(-t.abs())).collect(),
                Err(source) => return Err(FitError::Backend { model: MODEL, source: Box::new(source) }),
            }
        };
        let log_likelihood = fit.log_likelihood(dispersion);
        let extended = (loss.family == Family::Tweedie && fit.all_positive()).then(|| fit.extended(dispersion));
        Ok(Self {
            names,
            coefficients,
            standard_errors,
            robust_standard_errors: errors(&robust),
            covariance: covariance.as_slice().to_vec(),
            statistics,
            p_values,
            n,
            df_residual,
            deviance,
            null_deviance: fit.null_deviance(),
            pearson_chi2,
            dispersion,
            dispersion_is_estimated: !fixed,
            log_likelihood,
            extended_quasi_likelihood: extended,
            aic: -2.0 * log_likelihood + 2.0 * k as f64,
            bic: -2.0 * log_likelihood + k as f64 * n.ln(),
            bic_deviance: deviance - df_residual * n.ln(),
        })
    }
}

/// Columns of the design, which is that of this model, that its fit did not find to be aliased.
fn not_aliased(model: &GlmModel, design: &Design<'_>) -> Vec<usize> {
    let mut names = vec![String::new(); design.width()];
    for (spec, place) in crate::Model::features(model).features().iter().zip(&design.places) {
        match *place {
            Place::Numeric(j) => names[1 + j].clone_from(&spec.name),
            Place::Categorical(j) => {
                let column = &design.categorical[j];
                let first = design.first_level() + column.start;
                (0..column.weights.len()).for_each(|level| names[first + level] = level_name(spec, level));
            }
        }
    }
    let aliased = |j: &usize| *j > 0 && model.aliased().contains(&names[*j]);
    design.free().into_iter().filter(|j| !aliased(j)).collect()
}

/// The coefficients of the centred and scaled columns; the design gets the references of the model.
fn solver_coefficients(model: &GlmModel, design: &mut Design<'_>) -> Vec<f64> {
    let mut b = vec![0.0; design.width()];
    b[0] = model.intercept();
    let first_level = design.first_level();
    for (place, term) in design.places.iter().zip(model.terms()) {
        match (*place, term) {
            (Place::Numeric(j), Term::Numeric { coefficient, .. }) => {
                let column = &design.numeric[j];
                b[0] += coefficient * column.centre;
                b[1 + j] = if column.inverse > 0.0 { coefficient / column.inverse } else { 0.0 };
            }
            (Place::Categorical(j), Term::Categorical { coefficients, reference, .. }) => {
                let column = &mut design.categorical[j];
                column.reference = *reference;
                let own = &mut b[first_level + column.start..][..column.weights.len()];
                own.iter_mut().zip(coefficients).for_each(|(o, b)| *o = *b);
            }
            _ => {}
        }
    }
    b
}

/// A covariance of the solver's coefficients as that of the model's, in the model's order.
fn in_units(model: &GlmModel, design: &Design<'_>, covariance: DMatrix<f64>) -> DMatrix<f64> {
    let mut rows: Vec<Vec<(usize, f64)>> = Vec::new();
    if design.intercept {
        let mut row = vec![(0, 1.0)];
        row.extend(design.numeric.iter().enumerate().map(|(j, c)| (1 + j, -c.centre * c.inverse)));
        rows.push(row);
    }
    for (place, term) in design.places.iter().zip(model.terms()) {
        match (*place, term) {
            (Place::Numeric(j), _) => rows.push(vec![(1 + j, design.numeric[j].inverse)]),
            (Place::Categorical(j), _) => {
                let column = &design.categorical[j];
                let first = design.first_level() + column.start;
                let own = (0..column.weights.len()).filter(|l| Some(*l) != column.reference);
                rows.extend(own.map(|l| vec![(first + l, 1.0)]));
            }
        }
    }
    let k = rows.len();
    DMatrix::from_fn(k, k, |a, b| {
        rows[a].iter().map(|(i, x)| rows[b].iter().map(|(j, y)| x * y * covariance[(*i, *j)]).sum::<f64>()).sum()
    })
}

/// Rows with their linear predictors.
struct Fit<'a> {
    loss: &'a Loss,
    rows: Rows<'a>,
    eta: &'a [f64],
    frequency: bool,
}

impl Fit<'_> {
    /// Target, mean and weight of the rows that count; the mean is no number where it is out of range.
    fn counted(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        let of = |i: usize| {
            let w = self.rows.weights.map_or(1.0, |w| w[i]);
            (w > 0.0).then(|| (self.rows.y[i], self.loss.mean(self.eta[i]).unwrap_or(f64::NAN), w))
        };
        (0..self.eta.len()).filter_map(of)
    }

    fn count(&self) -> f64 {
        self.counted().map(|(_, _, w)| if self.frequency { w } else { 1.0 }).sum()
    }

    fn all_positive(&self) -> bool {
        self.counted().all(|(y, _, _)| y > 0.0)
    }

    fn deviance_and_chi2(&self) -> Option<(f64, f64)> {
        let (mut deviance, mut chi2) = (0.0, 0.0);
        for (y, mu, w) in self.counted() {
            deviance += w * self.loss.unit_deviance(y, mu);
            chi2 += w * (y - mu) * (y - mu) / self.loss.variance(mu);
        }
        (f64::is_finite(deviance) && f64::is_finite(chi2)).then_some((deviance, chi2))
    }

    fn extended(&self, dispersion: f64) -> f64 {
        self.sum(dispersion, |y, mu, phi| extended_quasi_likelihood(self.loss, y, mu, phi))
    }

    /// Sum of what a row of its own dispersion contributes.
    fn sum(&self, dispersion: f64, mut f: impl FnMut(f64, f64, f64) -> f64) -> f64 {
        let of = |(y, mu, w): (f64, f64, f64)| {
            if self.frequency { w * f(y, mu, dispersion) } else { f(y, mu, dispersion / w) }
        };
        self.counted().map(of).sum()
    }

    fn log_likelihood(&self, dispersion: f64) -> f64 {
        let tau = std::f64::consts::TAU;
        let least_squares = self.loss.family == Family::Gaussian && self.loss.link.is_identity();
        let dispersion = if least_squares {
            self.counted().map(|(y, mu, w)| w * (y - mu) * (y - mu)).sum::<f64>() / self.count()
        } else {
            dispersion
        };
        let mut density = TweedieDensity::new(self.loss.power);
        self.sum(dispersion, |y, mu, phi| match self.loss.family {
            Family::Gaussian => -0.5 * ((y - mu) * (y - mu) / phi + (tau * phi).ln()),
            Family::Poisson => (y * mu.ln() - mu - ln_gamma(y + 1.0)) / phi,
            Family::Gamma => {
                let (shape, ratio) = (1.0 / phi, y / mu);
                shape * (shape * ratio).ln() - shape * ratio - ln_gamma(shape) - y.ln()
            }
            Family::InverseGaussian => {
                -0.5 * ((y - mu) * (y - mu) / (phi * y * mu * mu) + (tau * phi * y * y * y).ln())
            }
            Family::Tweedie => density.ln(y, mu, phi),
            Family::Binomial => {
                let of = |y: f64, mu: f64| if y > 0.0 { y * mu.ln() } else { 0.0 };
                (of(y, mu) + of(1.0 - y, 1.0 - mu)) / phi
            }
        })
    }

    /// Deviance of a constant, found by Fisher scoring where an offset leaves no closed form.
    fn null_deviance(&self) -> f64 {
        let (mut sum, mut total) = (0.0, 0.0);
        for (y, _, w) in self.counted() {
            sum += w * y;
            total += w;
        }
        let mean = sum / total;
        let Some(offset) = self.rows.offset else {
            return self.counted().map(|(y, _, w)| w * self.loss.unit_deviance(y, mean)).sum();
        };
        let constant = self.constant_beside(offset, mean);
        let mean_of = |i: usize| self.loss.mean(constant + offset[i]).unwrap_or(mean);
        let of = |i: usize| self.weight(i) * self.loss.unit_deviance(self.rows.y[i], mean_of(i));
        (0..offset.len()).filter(|&i| self.weight(i) > 0.0).map(of).sum()
    }

    fn weight(&self, i: usize) -> f64 {
        self.rows.weights.map_or(1.0, |w| w[i])
    }

    /// The constant that costs least beside this offset.
    fn constant_beside(&self, offset: &[f64], mean: f64) -> f64 {
        let counted = || (0..offset.len()).filter(|&i| self.weight(i) > 0.0);
        // Objective, score and information.
        let at = |constant: f64| {
            counted().fold((0.0, 0.0, 0.0), |(o, s, h), i| {
                let (w, terms) = (self.weight(i), self.loss.terms(self.rows.y[i], constant + offset[i]));
                (o + w * terms.objective, s + w * terms.score, h + w * terms.information)
            })
        };
        let total: f64 = counted().map(|i| self.weight(i)).sum();
        let middle = counted().map(|i| self.weight(i) * offset[i]).sum::<f64>() / total;
        let spread = counted().map(|i| self.weight(i) * (offset[i] - middle).powi(2)).sum::<f64>() / total;
        let (least, most) =
            counted().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), i| (a.min(offset[i]), b.max(offset[i])));
        let level = self.loss.eta(mean);
        let mut constant = if self.loss.link == Link::Log {
            let exposure: f64 = counted().map(|i| self.weight(i) * (offset[i] - most).exp()).sum();
            (mean * total / exposure).ln() - most
        } else {
            // The first of these at which every mean is in range.
            let starts = [level - middle, level - least, level - most];
            starts.into_iter().find(|&c| at(c).0.is_finite()).unwrap_or(level - middle)
        };
        let mut now = at(constant);
        for _ in 0..100 {
            let mut step = now.1 / now.2;
            let scale = constant.abs().max(level.abs()).max(spread.sqrt());
            // Where all rows are saturated there is no information.
            if !step.is_finite() || step.abs() <= 1e-13 * scale {
                break;
            }
            let next = loop {
                let next = at(constant + step);
                // What is beyond the range costs infinitely much.
                if next.0 <= now.0 || step.abs() <= 1e-13 * scale {
                    break next;
                }
                step *= 0.5;
            };
            if next.0 > now.0 || next.0.is_nan() {
                break;
            }
            constant += step;
            now = next;
        }
        constant
    }
}
