//! From a dataset to a fitted model: checks, penalties, the solution, and back to the units of the columns.

use std::borrow::Cow;

use med_schema::{Dataset, FeatureMatrix};

use super::design::Design;
use super::family::Family;
use super::model::{GlmModel, Scale, Term};
use super::params::{Calibration, Glm, GlmGamma, GlmPoisson, GlmTweedie, Settings};
use super::pass::{Rows, linear_predictor};
use super::sample::Sample;
use super::solver::{Problem, Solution};
use super::tweedie::{FIRST_POWER, estimate_power};
use crate::counted::Counted;
use crate::input::annualised;
use crate::{FitError, PredictionBound, Regressor};

/// Sums of predictions that differ from those of the costs by more than this are brought together by
/// [`Calibration::Auto`].
const CALIBRATED: f64 = 0.02;

/// Tolerance on a sample: its estimate is further away from that of all rows than this.
const SAMPLE_TOLERANCE: f64 = 1e-2;

macro_rules! regressor {
    ($($estimator:ty),+) => {$(
        impl Regressor for $estimator {
            type Fitted = GlmModel;

            fn fit(&self, train: &Dataset) -> Result<GlmModel, FitError> {
                fit_dataset(&self.params().settings(), train, None)
            }
        }

        impl $estimator {
            /// Fits with an offset: a known part of the linear predictor, one value a row, whose coefficient is 1.
            ///
            /// Predictions leave it out; [`GlmModel::predict_with_offset`] takes it. For a log link and a cost `y` of `e`
            /// years `ln e` as the offset differs from an exposure `e` of the dataset by the weights alone: the rate `y / e`
            /// weighs `e` there and `e^(2 - power)` here, which is the same for Poisson.
            ///
            /// # Errors
            /// As fitting, and when `offset` is of another length or not finite.
            pub fn fit_with_offset(&self, train: &Dataset, offset: &[f64]) -> Result<GlmModel, FitError> {
                fit_dataset(&self.params().settings(), train, Some(offset))
            }
        }
    )+};
}
regressor!(Glm, GlmGamma, GlmPoisson, GlmTweedie);

fn fit_dataset(settings: &Settings, train: &Dataset, offset: Option<&[f64]>) -> Result<GlmModel, FitError> {
    let counted = Counted::with_offset(train, offset, settings.model)?;
    counted.fit(|train| {
        let (y, weights) = annualised(train);
        fit_glm(settings, train.x(), &y, weights.as_deref(), counted.offset.as_deref())
    })
}

/// Fits costs per unit of exposure with these weights.
fn fit_glm(
    settings: &Settings,
    x: &FeatureMatrix,
    y: &[f64],
    weights: Option<&[f64]>,
    offset: Option<&[f64]>,
) -> Result<GlmModel, FitError> {
    let design = Design::new(settings, x, weights)?;
    let rows = Rows { y, weights, offset };
    check_rows(settings, rows)?;
    let power = match (settings.family, settings.power) {
        (Family::Tweedie, Some(power)) => power,
        (Family::Tweedie, None) => estimate_power(settings, &design, rows)?,
        _ => 0.0,
    };
    let solution = solve(settings, &design, rows, power)?;
    let calibration = calibration(settings, &design, rows, power, &solution);
    let largest = PredictionBound::of_targets(y.iter().copied());
    let cap = settings.prediction_cap.and_then(|times| largest.map(|largest| largest.times(times)));
    model(settings, x, &design, power, &solution, Scale { calibration, cap })
}

/// Whether the family can have these targets, where they count.
pub(super) fn check_rows(settings: &Settings, rows: Rows<'_>) -> Result<(), FitError> {
    let (model, loss) = (settings.model, settings.loss(FIRST_POWER));
    if let Some(row) = rows.y.iter().position(|y| !y.is_finite()) {
        return Err(FitError::FamilyTarget { model, row, expected: "a finite cost per unit of exposure" });
    }
    let counts = |row: usize| rows.weights.is_none_or(|w| w[row] > 0.0);
    if let Some(row) = rows.y.iter().enumerate().position(|(row, y)| !loss.takes(*y) && counts(row)) {
        return Err(FitError::FamilyTarget { model, row, expected: loss.target_range() });
    }
    Ok(())
}

/// Fits all rows, from where a sample of them leads to if there are many.
pub(super) fn solve(
    settings: &Settings,
    design: &Design<'_>,
    rows: Rows<'_>,
    power: f64,
) -> Result<Solution, FitError> {
    let of_sample = |sample: Sample| {
        let rough = Settings { tolerance: settings.tolerance.max(SAMPLE_TOLERANCE), max_iterations: 20, ..*settings };
        problem(&rough, &sample.design(design), sample.rows(), power).solve(None).ok()
    };
    let from = Sample::of(design, rows).and_then(of_sample);
    problem(settings, design, rows, power).solve(from.as_ref().map(|s| s.coefficients.as_slice()))
}

pub(super) fn problem<'a>(settings: &Settings, design: &'a Design<'a>, rows: Rows<'a>, power: f64) -> Problem<'a> {
    let factors = penalty_factors(settings, design);
    let weight = settings.alpha * design.total_weight;
    Problem {
        model: settings.model,
        design,
        loss: settings.loss(power),
        rows,
        l1: factors.iter().map(|f| weight * settings.l1_ratio * f).collect(),
        l2: factors.iter().map(|f| weight * (1.0 - settings.l1_ratio) * f * f).collect(),
        max_iterations: settings.max_iterations,
        tolerance: settings.tolerance,
    }
}

/// What a coefficient of the solver is multiplied by to get what the penalty is on; 0 for the intercept.
fn penalty_factors(settings: &Settings, design: &Design<'_>) -> Vec<f64> {
    let mut factors = vec![0.0];
    let deviations = design.deviations();
    factors
        .extend(design.numeric.iter().map(|c| if settings.standardise { c.deviation * c.inverse } else { c.inverse }));
    let levels = &deviations[design.first_level()..];
    factors.extend(levels.iter().map(|d| if settings.standardise { *d } else { 1.0 }));
    factors
}

/// What predictions are to be multiplied by.
fn calibration(settings: &Settings, design: &Design<'_>, rows: Rows<'_>, power: f64, solution: &Solution) -> f64 {
    if settings.calibration == Calibration::None {
        return 1.0;
    }
    let loss = settings.loss(power);
    let mut means = linear_predictor(design, rows.offset, &solution.coefficients);
    super::model::means_in_place(&loss, &mut means);
    let weights: Cow<'_, [f64]> = rows.weights.map_or_else(|| vec![1.0; means.len()].into(), Cow::Borrowed);
    let (costs, fitted) = (crate::linalg::dot(rows.y, &weights), crate::linalg::dot(&means, &weights));
    let ratio = costs / fitted;
    let within = settings.calibration == Calibration::Auto && (fitted - costs).abs() <= CALIBRATED * costs.abs();
    if within || !(ratio > 0.0 && ratio.is_finite()) { 1.0 } else { ratio }
}

/// The solution in the units of the columns.
fn model(
    settings: &Settings,
    x: &FeatureMatrix,
    design: &Design<'_>,
    power: f64,
    solution: &Solution,
    scale: Scale,
) -> Result<GlmModel, FitError> {
    // Minus zero is zero: one number, one text in the file.
    let b: Vec<f64> = solution.coefficients.iter().map(|b| b + 0.0).collect();
    let mut intercept = b[0];
    let mut terms = Vec::with_capacity(design.places.len());
    for place in &design.places {
        terms.push(match *place {
            super::design::Place::Numeric(j) => {
                let column = &design.numeric[j];
                let coefficient = b[1 + j] * column.inverse;
                intercept -= coefficient * column.centre;
                Term::Numeric { coefficient, mean: column.mean }
            }
            super::design::Place::Categorical(j) => {
                let column = &design.categorical[j];
                let first = design.first_level() + column.start;
                Term::Categorical {
                    coefficients: b[first..first + column.weights.len()].to_vec(),
                    shares: column.weights.iter().map(|w| w / design.total_weight).collect(),
                    missing: column.has_missing,
                    reference: column.reference,
                }
            }
        });
    }
    let finite = |t: &Term| t.coefficients().iter().all(|b| b.is_finite());
    if !intercept.is_finite() || !terms.iter().all(finite) {
        return Err(FitError::Overflow { model: settings.model, what: "a coefficient" });
    }
    let free = design.free();
    let references = design.categorical.iter().filter_map(|c| c.reference.map(|r| design.first_level() + c.start + r));
    let references: Vec<usize> = references.collect();
    let mut aliased: Vec<usize> =
        (1..design.width()).filter(|j| !free.contains(j) && !references.contains(j)).collect();
    aliased.extend(&solution.aliased);
    let loss = settings.loss(power);
    Ok(GlmModel::new(x.schema(), loss, intercept, terms, scale, settings, solution, &places(design, aliased)))
}

/// Columns of the design by feature and level: `None` for a number.
fn places(design: &Design<'_>, columns: Vec<usize>) -> Vec<(usize, Option<usize>)> {
    let of = |column: usize| {
        design.places.iter().enumerate().find_map(|(feature, place)| match *place {
            super::design::Place::Numeric(j) => (1 + j == column).then_some((feature, None)),
            super::design::Place::Categorical(j) => {
                let c = &design.categorical[j];
                let level = column.checked_sub(design.first_level() + c.start)?;
                (level < c.weights.len()).then_some((feature, Some(level)))
            }
        })
    };
    let mut places: Vec<_> = columns.into_iter().filter_map(of).collect();
    places.sort_unstable();
    places
}
