//! Two-part model: the probability of a cost, times its expected size where there is one.
//!
//! `E[y | x] = P(y > 0 | x) E[y | y > 0, x]` (Duan, Manning, Morris and Newhouse 1983; Mullahy 1998; Belotti, Deb, Manning
//! and Norton 2015). With `engine: glm` part one is a logit or probit and part two a gamma model with log link on the rows
//! with a cost; with `engine: gbdt` both are boosted trees. The parts are fitted apart, since the likelihood falls apart.
//!
//! Exposure: what is modelled is the cost of a year, `y / e`, with weight `w e`, in both parts. Part one is then the
//! probability that a year of exposure lies in a row with a cost. A row seen for a month has a cost less often than one
//! seen for a year, and this model does not correct for it: give rows of like exposure, or take a Tweedie model.

use med_schema::{Dataset, FeatureMatrix, FeatureSchema};
use serde::{Deserialize, Serialize};

use super::scoring::{Maximum, Problem, Response};
use crate::counted::of_counted;
use crate::error::BrokenModel;
use crate::input::{Missing, TrainingSet, Weights, annualised, prediction_columns};
use crate::parameters::{Parameters, checked_estimator, require};
use crate::{FitError, Gbdt, GbdtModel, GbdtParams, Model, Objective, ParameterError, PredictError, Regressor};

/// What both parts are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TwoPartEngine {
    /// Logit or probit, and a gamma model with log link.
    #[default]
    Glm,
    /// Boosted trees: a logistic classifier, and a gamma booster on the rows with a cost. Takes categories and missing
    /// values.
    Gbdt,
}

/// How the probability of a cost follows from the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FirstPart {
    /// `p = 1 / (1 + e^-eta)`.
    #[default]
    Logit,
    /// `p = Phi(eta)`.
    Probit,
}

impl FirstPart {
    pub(super) fn response(self) -> Response {
        match self {
            Self::Logit => Response::Logit,
            Self::Probit => Response::Probit,
        }
    }
}

/// Whether predictions are multiplied by one factor so that their sum over the training part is the sum of the costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TwoPartCalibration {
    /// Yes.
    #[default]
    Auto,
    /// No: predictions are those of the likelihood.
    None,
}

/// Parameters of [`TwoPart`].
///
/// | parameter | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `engine` | what the parts are made of: `glm` or `gbdt` | `glm` | |
/// | `first` | the probability of a cost: `logit` or `probit`; not used by `gbdt` | `logit` | |
/// | `calibration` | whether sums on the training part are made equal: `auto` or `none` | `auto` | |
/// | `max_iterations` | iterations of each part at most; a part that needs more is an error | 100 | [1, inf) |
/// | `tolerance` | root mean square of the last change of the linear predictor | 1e-9 | (0, 1) |
/// | `gbdt` | parameters of both boosters with the engine `gbdt`, but for the objective: see [`GbdtParams`] | its defaults | |
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TwoPartParams {
    /// What the parts are made of.
    pub engine: TwoPartEngine,
    /// How the probability of a cost follows from the features.
    pub first: FirstPart,
    /// Whether sums on the training part are made equal.
    pub calibration: TwoPartCalibration,
    /// Iterations of each part at most; a part that needs more is an error. About 30 are made where a column separates
    /// the zeros.
    pub max_iterations: usize,
    /// Root mean square of the last change of the linear predictor.
    pub tolerance: f64,
    /// Parameters of both boosters, but for the objective.
    pub gbdt: GbdtParams,
}

impl Default for TwoPartParams {
    fn default() -> Self {
        Self {
            engine: TwoPartEngine::default(),
            first: FirstPart::default(),
            calibration: TwoPartCalibration::default(),
            max_iterations: 100,
            tolerance: 1e-9,
            gbdt: GbdtParams::default(),
        }
    }
}

impl Parameters for TwoPartParams {
    const MODEL: &'static str = "two_part";

    fn check(&self) -> Result<(), ParameterError> {
        require::<Self>(self.max_iterations >= 1, "max_iterations", "at least 1", self.max_iterations)?;
        let tolerance = self.tolerance > 0.0 && self.tolerance < 1.0;
        require::<Self>(tolerance, "tolerance", "a number strictly between 0 and 1", self.tolerance)?;
        self.gbdt.check()
    }
}

checked_estimator! {
    /// A two-part model of a cost that is 0 for many: see the module for the method and what exposure means in it.
    ///
    /// Costs must be 0 or more, and one of them with a weight above 0 must be above 0. Where no cost is 0, part one is the
    /// constant 1. Where a column separates the zeros from the rest, its coefficient in part one comes to rest at a large
    /// finite value. In part two no prediction exceeds ten times the largest fitted size, so that rows far from all that
    /// were fitted cannot swallow the budget.
    ///
    /// ```
    /// use med_model::{Model, Regressor, TwoPart};
    /// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
    /// let age: Vec<f64> = (0..200).map(|i| f64::from(20 + i % 60)).collect();
    /// let cost: Vec<f64> = age.iter().enumerate().map(|(i, a)| if i % 3 == 0 { 40.0 * a } else { 0.0 }).collect();
    /// let total: f64 = cost.iter().sum();
    /// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", age)])?;
    /// let model = TwoPart::default().fit(&Dataset::new(x.clone(), "cost", cost)?)?;
    /// assert!((model.predict(&x)?.sum() / total - 1.0).abs() < 1e-9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    TwoPart from TwoPartParams
}

/// `intercept + x'b`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Predictor {
    pub(super) intercept: f64,
    pub(super) coefficients: Vec<f64>,
}

impl Predictor {
    pub(super) fn of(maximum: &Maximum) -> Self {
        let (intercept, coefficients) = match maximum.coefficients.split_first() {
            Some((first, rest)) => (*first, rest.iter().map(|b| b + 0.0).collect()),
            None => (0.0, Vec::new()),
        };
        Self { intercept, coefficients }
    }

    pub(super) fn add_to(&self, columns: &[&[f64]], out: &mut [f64]) {
        out.fill(self.intercept);
        for (column, &b) in columns.iter().zip(&self.coefficients).filter(|(_, b)| **b != 0.0) {
            out.iter_mut().zip(*column).for_each(|(o, v)| *o += b * v);
        }
    }

    fn check(&self, part: &'static str, features: usize) -> Result<(), BrokenModel> {
        BrokenModel::same_length(part, features, self.coefficients.len())
    }
}

/// The two parts of a fitted model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "engine", rename_all = "snake_case", deny_unknown_fields)]
enum Parts {
    Glm {
        first: FirstPart,
        /// `None` where no cost was 0.
        occurrence: Option<Predictor>,
        size: Predictor,
        /// Largest linear predictor of part two.
        size_limit: f64,
    },
    Gbdt {
        /// `None` where no cost was 0.
        occurrence: Option<Box<GbdtModel>>,
        size: Box<GbdtModel>,
    },
}

/// A fitted two-part model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "TwoPartParts", into = "TwoPartParts")]
pub struct TwoPartModel {
    features: FeatureSchema,
    parts: Parts,
    calibration: f64,
    exposure: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TwoPartParts {
    features: FeatureSchema,
    parts: Parts,
    calibration: f64,
    exposure: bool,
}

impl From<TwoPartModel> for TwoPartParts {
    fn from(TwoPartModel { features, parts, calibration, exposure }: TwoPartModel) -> Self {
        Self { features, parts, calibration, exposure }
    }
}

impl TryFrom<TwoPartParts> for TwoPartModel {
    type Error = BrokenModel;

    fn try_from(TwoPartParts { features, parts, calibration, exposure }: TwoPartParts) -> Result<Self, BrokenModel> {
        let width = features.features().len();
        match &parts {
            Parts::Glm { occurrence, size, .. } => {
                if let Some(occurrence) = occurrence {
                    occurrence.check("coefficients of part one", width)?;
                }
                size.check("coefficients of part two", width)?;
            }
            Parts::Gbdt { occurrence, size } => {
                let first = occurrence.as_deref().into_iter();
                let same = |m: &GbdtModel, objective| m.features() == &features && m.objective().name() == objective;
                if !first.into_iter().all(|m| same(m, Objective::Binary)) || !same(size, Objective::Gamma) {
                    return Err(BrokenModel::new("boosters", "a binary and a gamma one of the same columns", "others"));
                }
            }
        }
        if !(calibration > 0.0 && calibration.is_finite()) {
            return Err(BrokenModel::new("calibration", "a finite number above 0", calibration));
        }
        Ok(Self { features, parts, calibration, exposure })
    }
}

impl TwoPartModel {
    /// The factor on all predictions; 1 without calibration.
    pub fn calibration(&self) -> f64 {
        self.calibration
    }

    /// Whether it was fitted on rows with an exposure.
    pub fn has_exposure(&self) -> bool {
        self.exposure
    }

    /// The probability of a cost of each row, and its expected size where there is one (before calibration).
    ///
    /// # Errors
    /// As [`Model::predict_into`].
    pub fn predict_parts(&self, x: &FeatureMatrix) -> Result<(Vec<f64>, Vec<f64>), PredictError> {
        let mut probability = vec![1.0; x.n_rows()];
        let mut size = vec![0.0; x.n_rows()];
        self.parts_into(x, &mut probability, &mut size)?;
        Ok((probability, size))
    }

    fn parts_into(&self, x: &FeatureMatrix, probability: &mut [f64], size: &mut [f64]) -> Result<(), PredictError> {
        match &self.parts {
            Parts::Glm { first, occurrence, size: sizes, size_limit } => {
                let columns = prediction_columns(&self.features, x, size, TwoPartParams::MODEL, Missing::Refused)?;
                match occurrence {
                    Some(occurrence) => {
                        occurrence.add_to(&columns, probability);
                        probability.iter_mut().for_each(|p| *p = first.response().mean(*p));
                    }
                    None => probability.fill(1.0),
                }
                sizes.add_to(&columns, size);
                size.iter_mut().for_each(|s| *s = Response::GammaLog.mean(s.min(*size_limit)));
                Ok(())
            }
            Parts::Gbdt { occurrence, size: sizes } => {
                match occurrence {
                    Some(occurrence) => occurrence.predict_into(x, probability)?,
                    None => probability.fill(1.0),
                }
                sizes.predict_into(x, size)
            }
        }
    }
}

/// Rows with a cost, and what part two is fitted on.
pub(super) struct Positives {
    pub(super) columns: Vec<Vec<f64>>,
    pub(super) y: Vec<f64>,
    pub(super) weights: Option<Vec<f64>>,
}

/// Checked costs, and whether each row that counts has one.
pub(super) struct Occurrence {
    pub(super) positive: Vec<f64>,
    /// Whether any row that counts has a cost of 0.
    pub(super) has_zeros: bool,
}

pub(super) fn occurrence(y: &[f64], weights: Option<&[f64]>) -> Result<Occurrence, FitError> {
    const MODEL: &str = TwoPartParams::MODEL;
    if let Some(row) = y.iter().position(|y| !y.is_finite()) {
        return Err(FitError::Cost { model: MODEL, row, expected: "a finite amount a year" });
    }
    if let Some(row) = y.iter().position(|&y| y < 0.0) {
        return Err(FitError::Cost { model: MODEL, row, expected: "0 or more" });
    }
    let counts = |i: usize| weights.is_none_or(|w| w[i] > 0.0);
    if !(0..y.len()).any(|i| counts(i) && y[i] > 0.0) {
        return Err(FitError::NoCost { model: MODEL });
    }
    let has_zeros = (0..y.len()).any(|i| counts(i) && y[i] == 0.0);
    Ok(Occurrence { positive: y.iter().map(|&y| f64::from(y > 0.0)).collect(), has_zeros })
}

pub(super) fn positives(set: &TrainingSet<'_>) -> Positives {
    let counts = |i: usize| set.weights.as_ref().is_none_or(|w| w[i] > 0.0);
    let rows: Vec<usize> = (0..set.n_rows()).filter(|&i| set.y[i] > 0.0 && counts(i)).collect();
    let take = |values: &[f64]| rows.iter().map(|&i| values[i]).collect::<Vec<f64>>();
    Positives {
        columns: set.columns.iter().map(|c| take(c)).collect(),
        y: take(&set.y),
        weights: set.weights.as_deref().map(take),
    }
}

impl TwoPartParams {
    pub(super) fn fit_occurrence(
        &self,
        set: &TrainingSet<'_>,
        found: &Occurrence,
    ) -> Result<Option<Maximum>, FitError> {
        if !found.has_zeros {
            return Ok(None);
        }
        let problem = Problem {
            model: Self::MODEL,
            response: self.first.response(),
            columns: &set.columns,
            y: &found.positive,
            weights: set.weights.as_deref(),
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
        };
        problem.solve().map(Some)
    }

    pub(super) fn size_problem<'a>(&self, positives: &'a Positives, columns: &'a [&'a [f64]]) -> Problem<'a> {
        Problem {
            model: Self::MODEL,
            response: Response::GammaLog,
            columns,
            y: &positives.y,
            weights: positives.weights.as_deref(),
            max_iterations: self.max_iterations,
            tolerance: self.tolerance,
        }
    }
}

impl Regressor for TwoPart {
    type Fitted = TwoPartModel;

    fn fit(&self, train: &Dataset) -> Result<TwoPartModel, FitError> {
        of_counted(train, TwoPartParams::MODEL, |train| self.fit_counted(train))
    }
}

impl TwoPart {
    fn fit_counted(&self, train: &Dataset) -> Result<TwoPartModel, FitError> {
        const MODEL: &str = TwoPartParams::MODEL;
        let (y, weights) = annualised(train);
        let weights = weights.as_deref();
        let parts = match self.params.engine {
            TwoPartEngine::Glm => self.params.fit_glm(train)?,
            TwoPartEngine::Gbdt => self.params.fit_gbdt(train, &y, weights)?,
        };
        let (features, exposure) = (train.x().schema(), train.exposure().is_some());
        let mut model = TwoPartModel { features, parts, calibration: 1.0, exposure };
        let (probability, size) = model.predict_parts(train.x()).map_err(backend)?;
        let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
        let cost: f64 = (0..y.len()).map(|i| weight(i) * y[i]).sum();
        let predicted: f64 = (0..y.len()).map(|i| weight(i) * probability[i] * size[i]).sum();
        let factor = cost / predicted;
        if !(factor > 0.0 && factor.is_finite()) {
            return Err(FitError::Overflow { model: MODEL, what: "the sum of the predictions" });
        }
        if self.params.calibration == TwoPartCalibration::Auto {
            model.calibration = factor;
        }
        Ok(model)
    }
}

fn backend(source: impl std::error::Error + Send + Sync + 'static) -> FitError {
    FitError::Backend { model: TwoPartParams::MODEL, source: Box::new(source) }
}

impl TwoPartParams {
    fn fit_glm(&self, train: &Dataset) -> Result<Parts, FitError> {
        let set = TrainingSet::new(train, Self::MODEL, Missing::Refused, Weights::Honoured)?;
        let found = occurrence(&set.y, set.weights.as_deref())?;
        let first = self.fit_occurrence(&set, &found)?;
        let positives = positives(&set);
        let columns: Vec<&[f64]> = positives.columns.iter().map(Vec::as_slice).collect();
        let size = self.size_problem(&positives, &columns).solve()?;
        Ok(Parts::Glm {
            first: self.first,
            occurrence: first.as_ref().map(Predictor::of),
            size: Predictor::of(&size),
            size_limit: size.largest_predictor + std::f64::consts::LN_10,
        })
    }

    fn fit_gbdt(&self, train: &Dataset, y: &[f64], weights: Option<&[f64]>) -> Result<Parts, FitError> {
        let found = occurrence(y, weights)?;
        let booster = |objective| Gbdt::new(GbdtParams { objective, ..self.gbdt.clone() }).map_err(backend);
        // Target and weights are those of a year already.
        let on = |x: FeatureMatrix, y: Vec<f64>, weights: Option<Vec<f64>>| -> Result<Dataset, FitError> {
            let data = Dataset::new(x, train.target(), y).map_err(backend)?;
            weights.map_or(Ok(data.clone()), |w| data.with_weights(w)).map_err(backend)
        };
        let first = if found.has_zeros {
            let all = on(train.x().clone(), found.positive, weights.map(<[f64]>::to_vec))?;
            Some(Box::new(booster(Objective::Binary)?.fit(&all)?))
        } else {
            None
        };
        let rows: Vec<usize> = (0..y.len()).filter(|&i| y[i] > 0.0 && weights.is_none_or(|w| w[i] > 0.0)).collect();
        let take = |values: &[f64]| rows.iter().map(|&i| values[i]).collect::<Vec<f64>>();
        let costly = on(train.x().take(&rows).map_err(backend)?, take(y), weights.map(take))?;
        Ok(Parts::Gbdt { occurrence: first, size: Box::new(booster(Objective::Gamma)?.fit(&costly)?) })
    }
}

impl TwoPart {
    /// Every seed is in range, so this needs no check.
    pub(crate) fn reseed(&mut self, seed: u64) {
        self.params.gbdt.seed = seed;
    }
}

impl Model for TwoPartModel {
    fn features(&self) -> &FeatureSchema {
        &self.features
    }

    fn predict_into(&self, x: &FeatureMatrix, out: &mut [f64]) -> Result<(), PredictError> {
        let mut probability = vec![1.0; out.len()];
        self.parts_into(x, &mut probability, out)?;
        out.iter_mut().zip(&probability).for_each(|(o, p)| *o *= p * self.calibration);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
