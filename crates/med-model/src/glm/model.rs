//! The fitted model: coefficients by feature and level, predictions, and what each feature adds to the linear predictor.

use std::borrow::Cow;

use med_schema::{FeatureColumn, FeatureKind, FeatureMatrix, FeatureSchema, FeatureSpec, MISSING};
use ndarray::Array1;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::family::{Family, Link, Loss};
use super::params::{Settings, Unseen};
use super::solver::Solution;
use crate::error::BrokenModel;
use crate::kernel::exp::exp;
use crate::kernel::vectorised;
use crate::{InputError, Model, PredictError};

/// Linear predictors of log, logit and probit links are cut to +- this, so that predictions stay finite.
const LARGEST_ETA: f64 = 600.0;
/// Rows predicted at a time.
const BLOCK: usize = 512;
/// Rows below which one thread predicts.
const PARALLEL_ROWS: usize = 1 << 15;
/// How the model calls itself in errors.
const MODEL: &str = "a generalised linear model";

/// What a feature adds to the linear predictor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Term {
    Numeric {
        coefficient: f64,
        /// Weighted mean of the training rows.
        mean: f64,
    },
    Categorical {
        /// One a level; one more for missing values where there were some.
        coefficients: Vec<f64>,
        /// Share of the weight of the training rows, in the same order.
        shares: Vec<f64>,
        missing: bool,
        reference: Option<usize>,
    },
}

impl Term {
    pub(super) fn coefficients(&self) -> &[f64] {
        match self {
            Self::Numeric { coefficient, .. } => std::slice::from_ref(coefficient),
            Self::Categorical { coefficients, .. } => coefficients,
        }
    }

    fn mean(&self) -> f64 {
        match self {
            Self::Numeric { coefficient, mean } => coefficient * mean,
            Self::Categorical { coefficients, shares, .. } => coefficients.iter().zip(shares).map(|(b, s)| b * s).sum(),
        }
    }
}

/// A coefficient of a [`GlmModel`], with the column of the design it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GlmCoefficient {
    /// `(Intercept)`, the name of a numeric feature, or `feature=level`.
    pub name: String,
    /// On the scale of the linear predictor.
    pub value: f64,
}

/// A fitted generalised linear model: `prediction = calibration * g^-1(intercept + sum of the terms)`, per unit of exposure.
///
/// Linear predictors of log, logit and probit links are cut to -600 and 600, results to the range of finite numbers and,
/// but for the gaussian family, to 0 and above: a prediction is always finite.
///
/// A category that the training rows did not have is refused or taken for the reference level, as `unseen` says. The same
/// holds for a missing category, unless the training rows had some: then it is a level of its own, `(missing)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "GlmParts", into = "GlmParts")]
pub struct GlmModel {
    features: FeatureSchema,
    loss: Loss,
    intercept: f64,
    fit_intercept: bool,
    terms: Vec<Term>,
    calibration: f64,
    unseen: Unseen,
    penalised: bool,
    aliased: Vec<String>,
    iterations: usize,
    gradient_norm: f64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GlmParts {
    features: FeatureSchema,
    family: Family,
    link: Link,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    power: Option<f64>,
    intercept: f64,
    fit_intercept: bool,
    terms: Vec<Term>,
    calibration: f64,
    unseen: Unseen,
    penalised: bool,
    aliased: Vec<String>,
    iterations: usize,
    gradient_norm: f64,
}

impl From<GlmModel> for GlmParts {
    fn from(m: GlmModel) -> Self {
        let power = m.power();
        let GlmModel { features, loss, intercept, fit_intercept, terms, calibration, unseen, .. } = m;
        let (family, link) = (loss.family, loss.link);
        let GlmModel { penalised, aliased, iterations, gradient_norm, .. } = m;
        Self {
            features,
            family,
            link,
            power,
            intercept,
            fit_intercept,
            terms,
            calibration,
            unseen,
            penalised,
            aliased,
            iterations,
            gradient_norm,
        }
    }
}

impl TryFrom<GlmParts> for GlmModel {
    type Error = BrokenModel;

    fn try_from(parts: GlmParts) -> Result<Self, BrokenModel> {
        let GlmParts { features, family, link, power, intercept, fit_intercept, terms, calibration, .. } = parts;
        let GlmParts { unseen, penalised, aliased, iterations, gradient_norm, .. } = parts;
        BrokenModel::same_length("terms", features.features().len(), terms.len())?;
        for (spec, term) in features.features().iter().zip(&terms) {
            match (&spec.kind, term) {
                (FeatureKind::Numeric, Term::Numeric { .. }) => {}
                (FeatureKind::Categorical { levels }, Term::Categorical { coefficients, shares, missing, .. }) => {
                    let expected = levels.len() + usize::from(*missing);
                    BrokenModel::same_length("coefficients of a term", expected, coefficients.len())?;
                    BrokenModel::same_length("shares of a term", expected, shares.len())?;
                }
                _ => return Err(BrokenModel::new("terms", "one of the kind of its feature", "another")),
            }
        }
        if (family == Family::Tweedie) != power.is_some() || power.is_some_and(|p| !(p > 1.0 && p < 2.0)) {
            return Err(BrokenModel::new("power", "a number between 1 and 2 for Tweedie alone", format!("{power:?}")));
        }
        if matches!(link, Link::Power(q) if q == 0.0 || !q.is_finite()) {
            return Err(BrokenModel::new("link", "a power other than 0", "another"));
        }
        if !(calibration > 0.0 && calibration.is_finite()) {
            return Err(BrokenModel::new("calibration", "a finite number above 0", calibration));
        }
        let finite = terms.iter().all(|t| t.coefficients().iter().all(|b| b.is_finite()) && t.mean().is_finite());
        if !(intercept.is_finite() && finite) {
            return Err(BrokenModel::new("coefficients", "finite numbers", "others"));
        }
        let loss = Loss::new(family, link, power.unwrap_or(0.0));
        Ok(Self {
            features,
            loss,
            intercept,
            fit_intercept,
            terms,
            calibration,
            unseen,
            penalised,
            aliased,
            iterations,
            gradient_norm,
        })
    }
}

/// A feature of the rows to predict, checked.
enum Values<'a> {
    Numbers(&'a [f64], f64),
    /// Codes and what they add: the levels, those never seen, the missing.
    Codes(Cow<'a, [u32]>, Vec<f64>),
}

/// `feature=level`.
pub(super) fn level_name(spec: &FeatureSpec, level: usize) -> String {
    let levels = match &spec.kind {
        FeatureKind::Categorical { levels } => levels.get(level).map(String::as_str),
        FeatureKind::Numeric => None,
    };
    format!("{}={}", spec.name, levels.unwrap_or("(missing)"))
}

impl GlmModel {
    #[expect(clippy::too_many_arguments, reason = "the parts of the model, once")]
    pub(super) fn new(
        features: FeatureSchema,
        loss: Loss,
        intercept: f64,
        terms: Vec<Term>,
        calibration: f64,
        settings: &Settings,
        solution: &Solution,
        aliased: &[(usize, Option<usize>)],
    ) -> Self {
        let name = |&(feature, level): &(usize, Option<usize>)| {
            let spec = features.features().get(feature)?;
            Some(level.map_or_else(|| spec.name.clone(), |level| level_name(spec, level)))
        };
        let aliased = aliased.iter().filter_map(name).collect();
        Self {
            features,
            loss,
            intercept,
            fit_intercept: settings.fit_intercept,
            terms,
            calibration,
            unseen: settings.unseen,
            penalised: settings.alpha > 0.0,
            aliased,
            iterations: solution.iterations,
            gradient_norm: solution.gradient_norm,
        }
    }

    pub(super) fn loss(&self) -> &Loss {
        &self.loss
    }

    pub(super) fn terms(&self) -> &[Term] {
        &self.terms
    }

    pub(super) fn is_penalised(&self) -> bool {
        self.penalised
    }

    pub(super) fn has_intercept(&self) -> bool {
        self.fit_intercept
    }

    /// The family.
    pub fn family(&self) -> Family {
        self.loss.family
    }

    /// The link.
    pub fn link(&self) -> Link {
        self.loss.link
    }

    /// Exponent of the variance function of the Tweedie family, given or estimated.
    pub fn power(&self) -> Option<f64> {
        (self.loss.family == Family::Tweedie).then_some(self.loss.power)
    }

    /// The linear predictor where all numbers are 0 and all categories the reference.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    /// The intercept (if there is one) and a coefficient for each column of the design: numeric features, and the levels
    /// of categorical ones but the reference.
    pub fn coefficients(&self) -> Vec<GlmCoefficient> {
        let mut all = Vec::new();
        if self.fit_intercept {
            all.push(GlmCoefficient { name: "(Intercept)".to_owned(), value: self.intercept });
        }
        for (spec, term) in self.features.features().iter().zip(&self.terms) {
            match term {
                Term::Numeric { coefficient, .. } => {
                    all.push(GlmCoefficient { name: spec.name.clone(), value: *coefficient });
                }
                Term::Categorical { coefficients, reference, .. } => {
                    let own = coefficients.iter().enumerate().filter(|(l, _)| Some(*l) != *reference);
                    all.extend(own.map(|(l, &value)| GlmCoefficient { name: level_name(spec, l), value }));
                }
            }
        }
        all
    }

    /// Columns of the design that carry nothing new, with coefficient 0: linear combinations of columns before them,
    /// constants, and levels without a training row.
    pub fn aliased(&self) -> &[String] {
        &self.aliased
    }

    /// What predictions are multiplied by so that they sum to the costs of the training part; 1 without calibration.
    pub fn calibration_factor(&self) -> f64 {
        self.calibration
    }

    /// Steps of the solver.
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// Scaled norm of the gradient before the last step.
    pub fn gradient_norm(&self) -> f64 {
        self.gradient_norm
    }

    /// Weighted mean of what each feature adds to the linear predictor of the training rows, in the order of the features.
    pub fn term_means(&self) -> Vec<f64> {
        self.terms.iter().map(Term::mean).collect()
    }

    /// What each feature adds to the linear predictor: `n_features` values a row, one row after the other. With
    /// [`GlmModel::intercept`] they sum to [`GlmModel::linear_predictor`].
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    pub fn linear_terms(&self, x: &FeatureMatrix) -> Result<Vec<f64>, PredictError> {
        let x = Aligned::new(self, x)?;
        let p = x.values.len();
        let mut out = vec![0.0; x.n_rows * p];
        for (j, values) in x.values.iter().enumerate() {
            let out = out.iter_mut().skip(j).step_by(p.max(1));
            match values {
                Values::Numbers(values, b) => out.zip(*values).for_each(|(o, v)| *o = b * v),
                Values::Codes(codes, table) => {
                    let last = table.len() - 1;
                    out.zip(codes.iter()).for_each(|(o, &c)| *o = table[(c as usize).min(last)]);
                }
            }
        }
        Ok(out)
    }

    /// The linear predictor of each row, without an offset.
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    pub fn linear_predictor(&self, x: &FeatureMatrix) -> Result<Array1<f64>, PredictError> {
        let x = Aligned::new(self, x)?;
        let mut out = vec![0.0; x.n_rows];
        x.fill(self.intercept, None, &mut out, |_| {});
        Ok(out.into())
    }

    /// Predictions with an offset added to the linear predictor, one value a row.
    ///
    /// # Errors
    /// As [`Model::predict_into`], and when `offset` is of another length.
    pub fn predict_with_offset(&self, x: &FeatureMatrix, offset: &[f64]) -> Result<Array1<f64>, PredictError> {
        if offset.len() != x.n_rows() {
            return Err(PredictError::Length { expected: x.n_rows(), found: offset.len() });
        }
        let x = Aligned::new(self, x)?;
        let mut out = vec![0.0; x.n_rows];
        x.fill(self.intercept, Some(offset), &mut out, |out| self.means(out));
        Ok(out.into())
    }

    /// Linear predictors to predictions.
    fn means(&self, values: &mut [f64]) {
        means_in_place(&self.loss, values);
        if self.calibration != 1.0 {
            values.iter_mut().for_each(|v| *v = (*v * self.calibration).min(f64::MAX));
        }
    }
}

/// Linear predictors to means, all of them finite.
pub(super) fn means_in_place(loss: &Loss, values: &mut [f64]) {
    // Comparisons turn what is no number into one.
    let cut = |v: f64| if v > -LARGEST_ETA { if v < LARGEST_ETA { v } else { LARGEST_ETA } } else { -LARGEST_ETA };
    let floor = if loss.family == Family::Gaussian { f64::MIN } else { 0.0 };
    match loss.link {
        Link::Log => vectorised(|| values.iter_mut().for_each(|v| *v = exp(cut(*v)))),
        Link::Identity => values.iter_mut().for_each(|v| *v = v.max(floor).min(f64::MAX)),
        Link::Power(q) => values.iter_mut().for_each(|v| *v = v.max(f64::MIN_POSITIVE).powf(1.0 / q).min(f64::MAX)),
        Link::Logit => vectorised(|| values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + exp(-cut(*v))))),
        Link::Probit => values.iter_mut().for_each(|v| *v = loss.mean(cut(*v)).unwrap_or(0.0)),
    }
}

/// Rows to predict, brought to the levels of the model.
struct Aligned<'a> {
    values: Vec<Values<'a>>,
    n_rows: usize,
}

impl<'a> Aligned<'a> {
    fn new(model: &GlmModel, x: &'a FeatureMatrix) -> Result<Self, PredictError> {
        let aligned = model.features.align(x)?;
        let columns = x.columns().iter().zip(aligned.columns()).zip(&model.terms);
        let values = columns.map(|((column, aligned), term)| match term {
            Term::Numeric { coefficient, .. } => numbers(column, *coefficient),
            Term::Categorical { coefficients, missing, .. } => {
                codes(model.unseen, column, aligned, coefficients, *missing)
            }
        });
        Ok(Self { values: values.collect::<Result<_, _>>()?, n_rows: x.n_rows() })
    }

    /// Linear predictors block by block, each finished by `finish` while it is in the cache.
    fn fill(&self, intercept: f64, offset: Option<&[f64]>, out: &mut [f64], finish: impl Fn(&mut [f64]) + Sync) {
        let block = |(b, out): (usize, &mut [f64])| {
            let rows = b * BLOCK..b * BLOCK + out.len();
            match offset {
                Some(offset) => out.iter_mut().zip(&offset[rows.clone()]).for_each(|(o, v)| *o = intercept + v),
                None => out.fill(intercept),
            }
            for values in &self.values {
                match values {
                    Values::Numbers(values, b) => vectorised(|| {
                        out.iter_mut().zip(&values[rows.clone()]).for_each(|(o, v)| *o += b * v);
                    }),
                    Values::Codes(codes, table) => {
                        let last = table.len() - 1;
                        for (o, &code) in out.iter_mut().zip(&codes[rows.clone()]) {
                            *o += table[(code as usize).min(last)];
                        }
                    }
                }
            }
            finish(out);
        };
        if out.len() >= PARALLEL_ROWS {
            out.par_chunks_mut(BLOCK).with_min_len(16).enumerate().for_each(block);
        } else {
            out.chunks_mut(BLOCK).enumerate().for_each(block);
        }
    }
}

fn numbers(column: &FeatureColumn, coefficient: f64) -> Result<Values<'_>, PredictError> {
    let values = column.as_numeric().unwrap_or_default();
    let name = || column.name().to_owned();
    if let Some(row) = values.iter().position(|v| !v.is_finite()) {
        let error = if values[row].is_nan() {
            InputError::Missing { column: name(), row, model: MODEL }
        } else {
            InputError::Infinite { column: name(), row, model: MODEL }
        };
        return Err(error.into());
    }
    Ok(Values::Numbers(values, coefficient))
}

/// `column` as it came, `aligned` with the levels of the model.
fn codes<'a>(
    unseen: Unseen,
    column: &'a FeatureColumn,
    aligned: &FeatureColumn,
    coefficients: &[f64],
    missing: bool,
) -> Result<Values<'a>, PredictError> {
    let ((raw, found), (codes, levels)) =
        (column.as_categorical().unwrap_or_default(), aligned.as_categorical().unwrap_or_default());
    // Behind the levels: what was never seen, then what is missing. The reference adds nothing.
    let never = levels.len() as u32;
    let mut table = coefficients[..levels.len()].to_vec();
    table.push(0.0);
    table.push(if missing { coefficients.last().copied().unwrap_or_default() } else { 0.0 });
    if unseen == Unseen::Error {
        let refused = |(raw, code): (&u32, &u32)| *code == MISSING && (*raw != MISSING || !missing);
        if let Some(row) = raw.iter().zip(codes).position(refused) {
            let (column, model) = (column.name().to_owned(), MODEL);
            let error = if raw[row] == MISSING {
                InputError::Missing { column, row, model }
            } else {
                InputError::UnseenLevel { column, row, model }
            };
            return Err(error.into());
        }
    }
    if found == levels {
        return Ok(Values::Codes(Cow::Borrowed(raw), table));
    }
    let code = |(raw, code): (&u32, &u32)| if *code == MISSING && *raw != MISSING { never } else { *code };
    Ok(Values::Codes(raw.iter().zip(codes).map(code).collect(), table))
}

impl Model for GlmModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let aligned = Aligned::new(self, x)?;
        if out.len() != x.n_rows() {
            return Err(PredictError::Length { expected: x.n_rows(), found: out.len() });
        }
        aligned.fill(self.intercept, None, out, |out| self.means(out));
        Ok(())
    }
}
