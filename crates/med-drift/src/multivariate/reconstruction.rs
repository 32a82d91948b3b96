//! Reconstruction by principal components: do rows still lie where the reference's lie?
//!
//! The reference is standardised ([`Design`]) and reduced to the fewest principal components that explain more than a share of its variance. A row's error is the
//! Euclidean distance between it and its projection on them: relations between columns that no longer hold make it grow (or shrink), also where every column by itself
//! looks as before. Chunks of rows are judged by NannyML's rule: the mean error of a chunk must lie strictly between mean - d sd and mean + d sd of those of the reference's
//! chunks. The whole current table is judged besides by Welch's test of the two sides' errors and by their difference in standard deviations.
//!
//! With one or two columns often all variance is kept, and every error is 0. Time O((n + m) p^2) for p columns.

use med_schema::FeatureMatrix;
use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::measure::WelchT;
use crate::statistics::{Moments, pairwise_sum};
use crate::{Chunking, Drift, DriftError, Side};

use super::design::Design;

/// Parameters of [`Reconstruction`].
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `explained` | components are kept until they explain more than this share of the variance | 0.65 | (0, 1) |
/// | `chunks` | size of a chunk and width of the band in standard deviations | 10 chunks, 3 | [`Chunking`], `deviations` given |
/// | `alpha` | largest p-value of the whole table that counts | 0.05 | (0, 1) |
/// | `min_effect` | smallest difference of the mean errors that counts, in standard deviations | 0.1 | >= 0 |
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
}

impl Default for ReconstructionParams {
    fn default() -> Self {
        Self { explained: 0.65, chunks: Chunking::default(), alpha: 0.05, min_effect: 0.1 }
    }
}

/// The principal components of a reference.
#[derive(Debug, Clone)]
pub struct Reconstruction {
    params: ReconstructionParams,
    design: Design,
    /// Row by row: one component each.
    components: Vec<Vec<f64>>,
    errors: Errors,
    reference_chunks: Vec<f64>,
    band: [f64; 2],
}

/// The errors of one side.
#[derive(Debug, Clone)]
struct Errors {
    rows: Vec<f64>,
    moments: Moments,
    /// Root mean square of the residuals, column by column.
    columns: Vec<f64>,
}

/// What came of comparing a table with the components of the reference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReconstructionDrift {
    /// Components kept.
    pub components: usize,
    /// Mean error of the current rows less that of the reference's, in standard deviations of the reference's.
    pub effect_size: f64,
    /// Of Welch's test of the two sides' errors.
    pub p_value: Option<f64>,
    /// Whether both say that the table has drifted.
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
    /// Columns with the root mean square of their residuals in the reference and now, those that have grown most first.
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
        let design = Design::fit(reference)?;
        let encoded = design.encode(reference)?;
        let components = components(&encoded, params.explained);
        let errors = Errors::of(&encoded, &components);
        let reference_chunks = chunk_means(&errors.rows, &params.chunks);
        let moments = Moments::of(&reference_chunks);
        let width = params.chunks.deviations.unwrap_or_default() * moments.std(0.0);
        let band = [(moments.mean - width).max(0.0), moments.mean + width];
        Ok(Self { params, design, components, errors, reference_chunks, band })
    }

    /// Compares a table with the reference.
    ///
    /// # Errors
    /// When it has other columns, or no rows.
    pub fn judge(&self, current: &FeatureMatrix) -> Result<ReconstructionDrift, DriftError> {
        if current.n_rows() == 0 {
            return Err(DriftError::TooFewRows { method: "reconstruction", side: Side::Current, found: 0, needed: 1 });
        }
        let errors = Errors::of(&self.design.encode(current)?, &self.components);
        let chunks = chunk_means(&errors.rows, &self.params.chunks);
        let bounds = self.params.chunks.bounds(errors.rows.len());
        let sampling_error = |(start, end): (usize, usize)| {
            let of = Moments::of(&errors.rows[start..end]);
            (of.rows > 1.0).then(|| of.std(1.0) / of.rows.sqrt())
        };
        let (reference, now) = (self.errors.moments, errors.moments);
        let effect_size =
            if now.mean == reference.mean { 0.0 } else { (now.mean - reference.mean) / reference.std(0.0) };
        let p_value = WelchT.of_moments(reference, now).ok().and_then(|d: Drift| d.p_value);
        let mut columns: Vec<ColumnResidual> = self
            .design
            .names()
            .zip(self.errors.columns.iter().zip(&errors.columns))
            .map(|(name, (&reference, &current))| ColumnResidual { name: name.to_owned(), reference, current })
            .collect();
        columns.sort_by(|a, b| (b.current - b.reference).total_cmp(&(a.current - a.reference)));
        Ok(ReconstructionDrift {
            components: self.components.len(),
            effect_size,
            p_value,
            drifted: effect_size.abs() >= self.params.min_effect && p_value.is_some_and(|p| p <= self.params.alpha),
            reference_chunks: self.reference_chunks.clone(),
            sampling_errors: bounds.into_iter().map(sampling_error).collect(),
            chunks_drifted: chunks.iter().map(|&v| !(self.band[0] < v && v < self.band[1])).collect(),
            chunks,
            upper: self.band[1],
            lower: self.band[0],
            columns,
        })
    }
}

impl ReconstructionParams {
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
        let columns = squares.into_iter().map(|s| (s / rows as f64).sqrt()).collect();
        Self { moments: Moments::of(&errors), rows: errors, columns }
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
