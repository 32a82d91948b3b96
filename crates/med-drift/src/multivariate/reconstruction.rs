//! Reconstruction by principal components: do rows still lie where the reference's lie?
//!
//! The reference is standardised ([`Design`]) and reduced to the fewest principal components that explain more than a share of its variance. A row's error is the
//! Euclidean distance between it and its projection on them: relations between columns that no longer hold make it grow (or shrink), also where every column by itself
//! looks as before. Chunks of rows are judged by NannyML's rule: the mean error of a chunk must lie strictly between mean - d sd and mean + d sd of those of the reference's
//! chunks. Those errors are in-sample, as NannyML's are: rows that the components were not fitted on lie a little further from them, the more so the less the columns are
//! related, and chunks of undrifted rows may leave the band.
//!
//! The whole current table is therefore judged by errors that are held out on both sides. Both are cut at random into five folds. From the second fold on, standardisation and components
//! are fitted on the reference's folds before it, and the errors of both sides' rows in the fold are compared: given what was fitted, these rows are fresh, and the difference d_k of
//! their mean errors is 0 in expectation without drift. The sum of d_k over the root of the sum of their squared standard errors is compared with Student's t (degrees of freedom by
//! Welch and Satterthwaite), and their mean in standard deviations is the effect. Cross-validation would use all rows, but its errors depend on one another and alarm too often where
//! rows are few. *Dawid, A. P. (1984), J. R. Statistical Society A 147* (prequential).
//!
//! With one or two columns often all variance is kept, and every error is 0. Time O((n + m) p^2) for p columns.

use med_schema::FeatureMatrix;
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::{generator, shuffle};
use crate::statistics::{Moments, pairwise_sum, student_two_sided};
use crate::{Chunking, DriftError, Side};

use super::classifier::take;
use super::design::Design;

/// Parameters of [`Reconstruction`].
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `explained` | components are kept until they explain more than this share of the variance | 0.65 | (0, 1) |
/// | `chunks` | size of a chunk and width of the band in standard deviations | 10 chunks, 3 | [`Chunking`], `deviations` given |
/// | `alpha` | largest p-value of the whole table that counts | 0.05 | (0, 1) |
/// | `min_effect` | smallest difference of the mean errors that counts, in standard deviations | 0.1 | >= 0 |
/// | `seed` | of the folds behind the p-value | 0 | |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReconstructionParams {
    /// Share of the variance that must be explained.
    pub explained: f64,
    /// Chunks, on each side.
    pub chunks: Chunking,
    /// Largest p-value that counts.
    pub alpha: f64,
    /// Smallest difference that counts.
    pub min_effect: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for ReconstructionParams {
    fn default() -> Self {
        Self { explained: 0.65, chunks: Chunking::default(), alpha: 0.05, min_effect: 0.1, seed: 0 }
    }
}

/// The principal components of a reference.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    params: ReconstructionParams,
    whole: Subspace,
    in_sample: Errors,
    /// Empty when the reference has too few rows.
    steps: Vec<Step>,
    reference_chunks: Vec<f64>,
    band: [f64; 2],
}

/// Folds of both sides.
const FOLDS: usize = 5;
/// Mean errors below this are no errors; columns have a standard deviation of 1.
const ROUNDING: f64 = 1e-9;

/// What was fitted on the folds before one, and the errors of the reference's rows in that one.
#[derive(Debug, Clone)]
struct Step {
    subspace: Subspace,
    errors: Errors,
}

/// A standardisation and the components that are kept of it.
#[derive(Debug, Clone)]
struct Subspace {
    design: Design,
    /// Row by row: one component each.
    components: Vec<Vec<f64>>,
}

/// The errors of some rows.
#[derive(Debug, Clone, Default)]
struct Errors {
    rows: Vec<f64>,
    /// Sum of the squared residuals, column by column.
    squares: Vec<f64>,
}

/// What came of comparing a table with the components of the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconstructionDrift {
    /// Components kept.
    pub components: usize,
    /// Mean held-out error of the current rows less that of the reference's, in standard deviations of the reference's.
    pub effect_size: f64,
    /// Of the test of the two sides' held-out errors; none when a side has fewer than ten rows, or nothing is left to err in.
    pub p_value: Option<f64>,
    /// Adjusted for the other measures of [`multivariate`](super::multivariate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// Whether the p-value (the adjusted one, where there is one) and the effect say that the table has drifted.
    pub drifted: bool,
    /// Mean errors of the chunks of the reference.
    pub reference_chunks: Vec<f64>,
    /// Mean errors of the chunks of the current table.
    pub chunks: Vec<f64>,
    /// Standard errors of those: the standard deviation of a chunk's errors over the root of its rows; `None` of a single row.
    pub sampling_errors: Vec<Option<f64>>,
    /// A chunk above this has drifted.
    pub upper: f64,
    /// A chunk below this has drifted.
    pub lower: f64,
    /// Which chunks have.
    pub chunks_drifted: Vec<bool>,
    /// Columns with the root mean square of their held-out residuals in the reference and now, those that have grown most first.
    pub columns: Vec<ColumnResidual>,
}

/// How well a column is reconstructed, in its standard deviations in the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnResidual {
    /// The column.
    pub name: String,
    /// In the reference.
    pub reference: f64,
    /// Now.
    pub current: f64,
}

impl Reconstruction {
    /// Learns from the reference.
    ///
    /// # Errors
    /// When it has no columns or rows, or a parameter is outside its range.
    pub fn fit(reference: &FeatureMatrix, params: ReconstructionParams) -> Result<Self, DriftError> {
        params.validate()?;
        let (whole, errors) = Subspace::fit(reference, params.explained)?;
        let reference_chunks = chunk_means(&errors.rows, &params.chunks);
        let moments = Moments::of(&reference_chunks);
        let width = params.chunks.deviations.unwrap_or_default() * moments.std(0.0);
        let band = [(moments.mean - width).max(0.0), moments.mean + width];
        let folds = folds(reference.n_rows(), params.seed, 0);
        let mut steps = Vec::new();
        for (number, fold) in folds.iter().enumerate().skip(1) {
            let (subspace, _) = Subspace::fit(&take(reference, &folds[..number].concat())?, params.explained)?;
            let errors = subspace.errors(&take(reference, fold)?)?;
            steps.push(Step { subspace, errors });
        }
        Ok(Self { params, whole, in_sample: errors, steps, reference_chunks, band })
    }

    /// Compares a table with the reference.
    ///
    /// # Errors
    /// When it has other columns, or no rows.
    pub fn judge(&self, current: &FeatureMatrix) -> Result<ReconstructionDrift, DriftError> {
        if current.n_rows() == 0 {
            return Err(DriftError::TooFewRows { method: "reconstruction", side: Side::Current, found: 0, needed: 1 });
        }
        let errors = self.whole.errors(current)?;
        let chunks = chunk_means(&errors.rows, &self.params.chunks);
        let bounds = self.params.chunks.bounds(errors.rows.len());
        let sampling_error = |(start, end): (usize, usize)| {
            let of = Moments::of(&errors.rows[start..end]);
            (of.rows > 1.0).then(|| of.std(1.0) / of.rows.sqrt())
        };
        let sampling_errors = bounds.into_iter().map(sampling_error).collect();
        let Compared { effect_size, p_value, rms } = self.compare(current, &errors)?;
        let mut columns: Vec<ColumnResidual> = (self.whole.design.names())
            .zip(rms)
            .map(|(name, [reference, current])| ColumnResidual { name: name.to_owned(), reference, current })
            .collect();
        columns.sort_by(|a, b| (b.current - b.reference).total_cmp(&(a.current - a.reference)));
        Ok(ReconstructionDrift {
            components: self.whole.components.len(),
            effect_size,
            p_value,
            adjusted_p_value: None,
            drifted: self.params.counts(effect_size, p_value),
            reference_chunks: self.reference_chunks.clone(),
            sampling_errors,
            chunks_drifted: chunks.iter().map(|&v| !(self.band[0] < v && v < self.band[1])).collect(),
            chunks,
            upper: self.band[1],
            lower: self.band[0],
            columns,
        })
    }

    /// Compares held-out errors; in-sample ones, without a p-value, when rows are too few.
    fn compare(&self, current: &FeatureMatrix, in_sample: &Errors) -> Result<Compared, DriftError> {
        let folds = folds(current.n_rows(), self.params.seed, 1);
        let held_out = !folds.is_empty() && !self.steps.is_empty();
        let [mut r, mut c] = [Errors::default(), Errors::default()];
        let mut sum = WelchSum::default();
        if held_out {
            for (step, fold) in self.steps.iter().zip(&folds[1..]) {
                let errors = step.subspace.errors(&take(current, fold)?)?;
                sum.add(Moments::of(&step.errors.rows), Moments::of(&errors.rows));
                r.extend(&step.errors);
                c.extend(&errors);
            }
        } else {
            sum.add(Moments::of(&self.in_sample.rows), Moments::of(&in_sample.rows));
            r.extend(&self.in_sample);
            c.extend(in_sample);
        }
        let [of_r, of_c] = [&r, &c].map(|e| Moments::of(&e.rows));
        let rms = r.squares.iter().zip(&c.squares).map(|(r, c)| [(r / of_r.rows).sqrt(), (c / of_c.rows).sqrt()]);
        let rms = rms.collect();
        // Where all variance is kept the errors are what rounding leaves.
        if of_r.mean.max(of_c.mean) < ROUNDING {
            return Ok(Compared { effect_size: 0.0, p_value: None, rms });
        }
        let difference = sum.difference / sum.terms;
        let effect_size = if difference == 0.0 { 0.0 } else { difference / of_r.std(0.0) };
        Ok(Compared { effect_size, p_value: if held_out { sum.p_value() } else { None }, rms })
    }
}

struct Compared {
    effect_size: f64,
    p_value: Option<f64>,
    /// Root mean squares of the residuals of each column, of the reference and now.
    rms: Vec<[f64; 2]>,
}

/// Differences of means of independent pairs of samples, current less reference, with the variance of their sum.
#[derive(Default)]
struct WelchSum {
    terms: f64,
    difference: f64,
    variance: f64,
    /// Sum of the squares of the variances over their degrees of freedom.
    over_freedom: f64,
}

impl WelchSum {
    fn add(&mut self, reference: Moments, current: Moments) {
        self.terms += 1.0;
        self.difference += current.mean - reference.mean;
        for side in [reference, current] {
            let variance = side.variance(1.0) / side.rows;
            self.variance += variance;
            self.over_freedom += variance * variance / (side.rows - 1.0);
        }
    }

    fn p_value(&self) -> Option<f64> {
        if self.difference == 0.0 {
            return Some(1.0);
        }
        let t = self.difference.abs() / self.variance.sqrt();
        match self.variance {
            v if v > 0.0 && t.is_finite() => Some(student_two_sided(t, v * v / self.over_freedom)),
            0.0 => Some(0.0),
            _ => None,
        }
    }
}

/// Rows of each fold, ascending; none when there are not two for each.
fn folds(rows: usize, seed: u64, stream: u64) -> Vec<Vec<usize>> {
    if rows < 2 * FOLDS {
        return Vec::new();
    }
    let mut order: Vec<usize> = (0..rows).collect();
    shuffle(&mut order, &mut generator(seed, stream));
    let mut folds: Vec<Vec<usize>> =
        (0..FOLDS).map(|k| order[k * rows / FOLDS..(k + 1) * rows / FOLDS].to_vec()).collect();
    folds.iter_mut().for_each(|fold| fold.sort_unstable());
    folds
}

impl Subspace {
    /// And the errors of the rows that it was fitted on.
    fn fit(table: &FeatureMatrix, explained: f64) -> Result<(Self, Errors), DriftError> {
        let design = Design::fit(table)?;
        let encoded = design.encode(table)?;
        let components = components(&encoded, explained);
        let errors = Errors::of(&encoded, &components);
        Ok((Self { design, components }, errors))
    }

    fn errors(&self, table: &FeatureMatrix) -> Result<Errors, DriftError> {
        Ok(Errors::of(&self.design.encode(table)?, &self.components))
    }
}

impl ReconstructionParams {
    /// Whether a difference counts, by its size and its p-value.
    pub(super) fn counts(&self, effect_size: f64, p_value: Option<f64>) -> bool {
        effect_size.abs() >= self.min_effect && p_value.is_some_and(|p| p <= self.alpha)
    }

    fn validate(&self) -> Result<(), DriftError> {
        self.chunks.validate()?;
        let wrong = |parameter, expected, found| Err(DriftError::Parameter { parameter, expected, found });
        match self {
            Self { explained, .. } if !(0.0 < *explained && *explained < 1.0) => {
                wrong("explained", "between 0 and 1", *explained)
            }
            Self { alpha, .. } if !(0.0 < *alpha && *alpha < 1.0) => wrong("alpha", "between 0 and 1", *alpha),
            Self { min_effect, .. } if min_effect.is_nan() || *min_effect < 0.0 => {
                wrong("min_effect", "a number >= 0", *min_effect)
            }
            Self { chunks: Chunking { deviations: None, .. }, .. } => wrong("deviations", "a number above 0", f64::NAN),
            _ => Ok(()),
        }
    }
}

impl Errors {
    fn of(encoded: &[Vec<f64>], components: &[Vec<f64>]) -> Self {
        let (rows, width) = (encoded.first().map_or(0, Vec::len), encoded.len());
        const BLOCK: usize = 4096;
        let blocks: Vec<(Vec<f64>, Vec<f64>)> = (0..rows.div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let range = block * BLOCK..((block + 1) * BLOCK).min(rows);
                let mut squares = vec![0.0; width];
                let errors = range
                    .map(|row| {
                        let z = |column: usize| encoded[column][row];
                        let scores: Vec<f64> =
                            components.iter().map(|c| c.iter().enumerate().map(|(j, w)| w * z(j)).sum()).collect();
                        let mut total = 0.0;
                        for (column, sum) in squares.iter_mut().enumerate() {
                            let back: f64 = components.iter().zip(&scores).map(|(c, s)| c[column] * s).sum();
                            let residual = z(column) - back;
                            *sum += residual * residual;
                            total += residual * residual;
                        }
                        total.sqrt()
                    })
                    .collect();
                (errors, squares)
            })
            .collect();
        let mut squares = vec![0.0; width];
        let mut errors = Vec::with_capacity(rows);
        for (block, of_block) in blocks {
            errors.extend(block);
            squares.iter_mut().zip(of_block).for_each(|(sum, s)| *sum += s);
        }
        Self { rows: errors, squares }
    }

    fn extend(&mut self, other: &Self) {
        self.rows.extend_from_slice(&other.rows);
        self.squares.resize(other.squares.len(), 0.0);
        self.squares.iter_mut().zip(&other.squares).for_each(|(sum, s)| *sum += s);
    }
}

fn chunk_means(errors: &[f64], chunks: &Chunking) -> Vec<f64> {
    let mean = |(start, end): (usize, usize)| pairwise_sum(&errors[start..end], |v| v) / (end - start) as f64;
    chunks.bounds(errors.len()).into_iter().map(mean).collect()
}

/// The first principal components of standardised columns, until they explain more than this share.
fn components(encoded: &[Vec<f64>], explained: f64) -> Vec<Vec<f64>> {
    let width = encoded.len();
    let products: Vec<f64> = (0..width * width)
        .into_par_iter()
        .map(|place| {
            let (i, j) = (place / width, place % width);
            if j < i { 0.0 } else { dot(&encoded[i], &encoded[j]) }
        })
        .collect();
    let matrix = DMatrix::from_fn(width, width, |i, j| products[i.min(j) * width + i.max(j)]);
    let eigen = SymmetricEigen::new(matrix);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
    let total: f64 = eigen.eigenvalues.iter().map(|v| v.max(0.0)).sum();
    let mut kept = Vec::new();
    let mut sum = 0.0;
    for place in order {
        // Constant columns all: nothing to explain.
        if total <= 0.0 || sum / total > explained {
            break;
        }
        sum += eigen.eigenvalues[place].max(0.0);
        kept.push(eigen.eigenvectors.column(place).iter().copied().collect());
    }
    kept
}

/// Summed in blocks, so that the error does not grow with the number of rows.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.chunks(1024).zip(b.chunks(1024)).map(|(a, b)| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>()).sum()
}
