//! The design of a generalised linear model: numeric columns as they stand in memory, categorical ones as codes.
//!
//! Nothing is copied and nothing is expanded. Numeric columns are centred and scaled on the way (weighted mean, population
//! standard deviation), so that the normal equations are as well conditioned as the data allow; the coefficients are brought
//! back afterwards. A categorical column stands for one 0/1 column a level, and one more for missing values where the
//! training rows have some.

use med_schema::{FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;

use super::kernels::Moments;
use super::params::{Reference, Settings};
use crate::kernel;
use crate::{FitError, InputError};

/// Columns of a design, levels counted, beyond which the normal equations would not fit into memory.
const MOST_COLUMNS: usize = 8192;
/// Values whose mean and squares are taken while they are in the first-level cache.
const MOMENT_BLOCK: usize = 1024;
/// Values below which threads are not worth waking.
const PARALLEL_VALUES: usize = 1 << 20;

/// A column of numbers.
#[derive(Debug)]
pub(super) struct NumericColumn<'a> {
    pub(super) values: &'a [f64],
    /// Weighted mean; 0 without an intercept.
    pub(super) centre: f64,
    pub(super) mean: f64,
    /// Population standard deviation, 0 for a constant.
    pub(super) deviation: f64,
    /// One over the deviation; 0 for a constant.
    pub(super) inverse: f64,
}

/// A column of codes.
#[derive(Debug)]
pub(super) struct CategoricalColumn<'a> {
    pub(super) codes: &'a [u32],
    /// Weight of each level; the last one is that of missing values where there are any.
    pub(super) weights: Vec<f64>,
    pub(super) has_missing: bool,
    /// The level that has no column of its own.
    pub(super) reference: Option<usize>,
    /// Place of its first level among all levels of the design.
    pub(super) start: usize,
}

/// Where a feature went.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place {
    Numeric(usize),
    Categorical(usize),
}

/// All columns. Coefficients stand in this order: the intercept, the numeric columns, all levels of the categorical ones.
#[derive(Debug)]
pub(super) struct Design<'a> {
    pub(super) numeric: Vec<NumericColumn<'a>>,
    pub(super) categorical: Vec<CategoricalColumn<'a>>,
    pub(super) places: Vec<Place>,
    pub(super) intercept: bool,
    pub(super) n_rows: usize,
    pub(super) total_weight: f64,
    pub(super) n_levels: usize,
}

impl<'a> Design<'a> {
    pub(super) fn new(settings: &Settings, x: &'a FeatureMatrix, weights: Option<&[f64]>) -> Result<Self, FitError> {
        let model = settings.model;
        if x.columns().is_empty() {
            return Err(InputError::NoFeatures.into());
        }
        let (mut values, mut categorical, mut places, mut n_levels) = (Vec::new(), Vec::new(), Vec::new(), 0);
        for column in x.columns() {
            match column.values() {
                FeatureValues::Numeric(numbers) => {
                    places.push(Place::Numeric(values.len()));
                    values.push((column.name(), numbers.as_slice()));
                }
                FeatureValues::Categorical { codes, levels } => {
                    places.push(Place::Categorical(categorical.len()));
                    let column = CategoricalColumn::new(codes, levels.len(), weights, n_levels, settings.reference);
                    n_levels += column.weights.len();
                    categorical.push(column);
                }
            }
        }
        if values.len() + n_levels > MOST_COLUMNS {
            let found = values.len() + n_levels;
            return Err(FitError::DesignTooWide { model, expected: MOST_COLUMNS, found });
        }
        Self::of(settings, values, categorical, places, x.n_rows(), weights)
    }

    /// The design of these columns, the numeric ones with their names.
    pub(super) fn of(
        settings: &Settings,
        values: Vec<(&str, &'a [f64])>,
        categorical: Vec<CategoricalColumn<'a>>,
        places: Vec<Place>,
        n_rows: usize,
        weights: Option<&[f64]>,
    ) -> Result<Self, FitError> {
        let (model, intercept) = (settings.model, settings.fit_intercept);
        let total_weight = weights.map_or(n_rows as f64, |w| w.iter().sum());
        let n_levels = categorical.iter().map(|c| c.weights.len()).sum();
        let numeric = |&(name, values): &(&str, &'a [f64])| numeric_column(model, name, values, weights, intercept);
        let numeric: Result<Vec<_>, FitError> = if n_rows * values.len() >= PARALLEL_VALUES {
            let all: Vec<_> = values.par_iter().map(numeric).collect();
            all.into_iter().collect()
        } else {
            values.iter().map(numeric).collect()
        };
        Ok(Self { numeric: numeric?, categorical, places, intercept, n_rows, total_weight, n_levels })
    }

    /// Number of coefficients, those of references and constants counted.
    pub(super) fn width(&self) -> usize {
        1 + self.numeric.len() + self.n_levels
    }

    /// Place of the first level of the design among the coefficients.
    pub(super) fn first_level(&self) -> usize {
        1 + self.numeric.len()
    }

    /// The coefficients that are to be found: not those of references, of constants and of levels without weight.
    pub(super) fn free(&self) -> Vec<usize> {
        let mut free = Vec::with_capacity(self.width());
        if self.intercept {
            free.push(0);
        }
        free.extend(self.numeric.iter().enumerate().filter(|(_, c)| c.inverse > 0.0).map(|(j, _)| 1 + j));
        for column in &self.categorical {
            let levels = column.weights.iter().enumerate();
            let own = levels.filter(|&(l, &w)| w > 0.0 && column.reference != Some(l));
            free.extend(own.map(|(l, _)| self.first_level() + column.start + l));
        }
        free
    }

    /// Standard deviation of each column of the design; 1 for the intercept, since it has none.
    pub(super) fn deviations(&self) -> Vec<f64> {
        let mut deviations = vec![1.0];
        deviations.extend(self.numeric.iter().map(|c| c.deviation));
        for column in &self.categorical {
            deviations.extend(column.weights.iter().map(|w| {
                let share = w / self.total_weight;
                (share * (1.0 - share)).max(0.0).sqrt()
            }));
        }
        deviations
    }
}

impl<'a> CategoricalColumn<'a> {
    fn new(codes: &'a [u32], levels: usize, weights: Option<&[f64]>, start: usize, reference: Reference) -> Self {
        // One place more, for the missing.
        let mut sums = vec![0.0; levels + 1];
        match weights {
            Some(weights) => codes.iter().zip(weights).for_each(|(&c, w)| sums[(c as usize).min(levels)] += w),
            None => codes.iter().for_each(|&c| sums[(c as usize).min(levels)] += 1.0),
        }
        let has_missing = codes.contains(&MISSING);
        if !has_missing {
            sums.truncate(levels);
        }
        let present = sums.iter().enumerate().filter(|(_, w)| **w > 0.0);
        let reference = match reference {
            Reference::First => present.map(|(l, _)| l).next(),
            Reference::MostFrequent => {
                let larger = |a: Option<(usize, f64)>, (l, &w): (usize, &f64)| match a {
                    Some((_, most)) if most >= w => a,
                    _ => Some((l, w)),
                };
                present.fold(None, larger).map(|(l, _)| l)
            }
            Reference::None => None,
        };
        Self { codes, weights: sums, has_missing, reference, start }
    }
}

fn numeric_column<'a>(
    model: &'static str,
    name: &str,
    values: &'a [f64],
    weights: Option<&[f64]>,
    intercept: bool,
) -> Result<NumericColumn<'a>, FitError> {
    let (mean, variance) = moments(values, weights);
    if !(mean.is_finite() && variance.is_finite()) {
        let column = || name.to_owned();
        if let Some(row) = values.iter().position(|v| v.is_nan()) {
            return Err(InputError::Missing { column: column(), row, model }.into());
        }
        if let Some(row) = values.iter().position(|v| v.is_infinite()) {
            return Err(InputError::Infinite { column: column(), row, model }.into());
        }
        return Err(FitError::Overflow { model, what: "a sum of squares" });
    }
    let centre = if intercept { mean } else { 0.0 };
    // Without an intercept a constant is a column like any other.
    let length = (variance + (mean - centre) * (mean - centre)).sqrt();
    // What is left of a constant is the rounding of its mean.
    let constant = length <= 8.0 * f64::EPSILON * mean.abs();
    let (deviation, inverse) = if constant { (0.0, 0.0) } else { (variance.sqrt(), 1.0 / length) };
    Ok(NumericColumn { values, centre, mean, deviation, inverse })
}

/// Weighted mean and population variance, block by block (Chan, Golub and LeVeque 1983), so that an offset costs no digits.
/// Values that are no numbers make both no numbers, whatever their weight.
fn moments(values: &[f64], weights: Option<&[f64]>) -> (f64, f64) {
    let (mut total, mut mean, mut squares) = (0.0, 0.0, 0.0);
    let ones = [1.0; MOMENT_BLOCK];
    for (b, block) in values.chunks(MOMENT_BLOCK).enumerate() {
        let w = weights.map_or(&ones[..block.len()], |w| &w[b * MOMENT_BLOCK..b * MOMENT_BLOCK + block.len()]);
        let (weight, block_mean, block_squares) = kernel::run(Moments { values: block, weights: w });
        if weight <= 0.0 {
            if !block.iter().all(|v| v.is_finite()) {
                return (f64::NAN, f64::NAN);
            }
            continue;
        }
        let step = block_mean - mean;
        total += weight;
        mean += step * weight / total;
        squares += block_squares + step * step * weight * (total - weight) / total;
    }
    (mean, squares / total)
}
