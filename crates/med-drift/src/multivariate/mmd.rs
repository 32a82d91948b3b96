//! Maximum mean discrepancy: how far apart two samples are for a kernel.
//!
//! With k(x, y) = exp(-|x - y|^2 / (2 s^2)) over standardised columns, the unbiased estimate is
//!
//! MMD^2 = mean over i != j of k(x_i, x_j) + mean over i != j of k(y_i, y_j) - 2 mean of k(x_i, y_j)
//!
//! and s the median distance between two of 1,000 pooled rows. Up to `full_rows` rows on both sides together, all pairs count, and the p-value comes from shuffling the rows
//! between the sides (s stays, as it does not know the sides): exact in that one plus the shuffles at least as far, over one plus all shuffles, is a p-value. Beyond that the
//! rows are put in a random order and cut into k = max(32, (n + m) / 256) blocks with rows of both sides; the mean of the blocks' estimates is compared with their standard
//! error by Student's t. They are independent and all of mean 0 without drift, so that the mean is about normal; as their distribution leans to the right, blocks of few rows alarm
//! too seldom. Every row takes part, and time is O((n + m) 256 p) rather than O((n + m)^2 p).
//!
//! Gretton, A. and others (2012). A kernel two-sample test. *J. Machine Learning Research* 13, 723-773. Zaremba, W., Gretton, A. and Blaschko, M. (2013). B-tests:
//! low variance kernel two-sample tests. *NIPS* 26.

use med_schema::FeatureMatrix;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::random::{generator, sample, shuffle};
use crate::statistics::{Moments, student_two_sided};
use crate::{DriftError, Side};

use super::design::Design;

/// Parameters of [`maximum_mean_discrepancy`].
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `permutations` | shuffles behind the p-value of small samples | 200 | >= 19 |
/// | `full_rows` | up to so many rows of both sides all pairs count | 2000 | >= 8 |
/// | `alpha` | largest p-value that counts | 0.05 | (0, 1) |
/// | `min_effect` | smallest score that counts | 0.05 | >= 0 |
/// | `seed` | of the shuffles | 0 | |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MmdParams {
    /// Shuffles.
    pub permutations: usize,
    /// Rows with all pairs.
    pub full_rows: usize,
    /// Largest p-value that counts.
    pub alpha: f64,
    /// Smallest score that counts.
    pub min_effect: f64,
    /// Seed.
    pub seed: u64,
}

impl Default for MmdParams {
    fn default() -> Self {
        Self { permutations: 200, full_rows: 2000, alpha: 0.05, min_effect: 0.05, seed: 0 }
    }
}

/// The discrepancy of two tables.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MmdDrift {
    /// Root of the estimate, 0 where that is below 0; in \[0, 1.42\].
    pub score: f64,
    /// The unbiased estimate itself.
    pub squared: f64,
    /// The kernel's width s, in standard deviations of the reference.
    pub bandwidth: f64,
    /// How likely so large an estimate is by chance.
    pub p_value: f64,
    /// Adjusted for the other measures of [`multivariate`](super::multivariate).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// Blocks of rows, 1 when all pairs counted.
    pub blocks: usize,
    /// Whether the p-value (the adjusted one, where there is one) and the score both say so.
    pub drifted: bool,
}

/// Rows of a pool side by side: the reference's first.
struct Pool {
    values: Vec<f64>,
    width: usize,
    reference: usize,
}

impl Pool {
    fn rows(&self) -> usize {
        self.values.len() / self.width
    }

    fn squared_distance(&self, i: usize, j: usize) -> f64 {
        let row = |i: usize| &self.values[i * self.width..(i + 1) * self.width];
        row(i).iter().zip(row(j)).map(|(a, b)| (a - b) * (a - b)).sum()
    }
}

/// Compares two tables; categories by the share of their level in the reference.
///
/// # Errors
/// When the sides have other columns, one has fewer than two rows (64 beyond `full_rows`), or a parameter is outside its range.
pub fn maximum_mean_discrepancy(
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    params: &MmdParams,
) -> Result<MmdDrift, DriftError> {
    params.validate()?;
    let design = Design::fit(reference)?;
    let (n, m) = (reference.n_rows(), current.n_rows());
    let full = n + m <= params.full_rows;
    for (side, found) in [(Side::Reference, n), (Side::Current, m)] {
        let needed = if full { 2 } else { 2 * LEAST_BLOCKS };
        if found < needed {
            return Err(DriftError::TooFewRows { method: "mmd", side, found, needed });
        }
    }
    let pool = pooled(&design, reference, current)?;
    let bandwidth = median_distance(&pool, params.seed);
    let (squared, p_value, blocks) =
        if full { by_permutation(&pool, bandwidth, params) } else { by_blocks(&pool, bandwidth, params.seed) };
    let score = squared.max(0.0).sqrt();
    let drifted = params.counts(score, p_value);
    Ok(MmdDrift { score, squared, bandwidth, p_value, adjusted_p_value: None, blocks, drifted })
}

impl MmdParams {
    /// Whether a score counts, by its size and its p-value.
    pub(super) fn counts(&self, score: f64, p_value: f64) -> bool {
        p_value <= self.alpha && score >= self.min_effect
    }

    fn validate(&self) -> Result<(), DriftError> {
        let wrong = |parameter, expected, found| Err(DriftError::Parameter { parameter, expected, found });
        match self {
            Self { permutations, .. } if *permutations < 19 => {
                wrong("permutations", "at least 19", *permutations as f64)
            }
            Self { full_rows, .. } if *full_rows < 8 => wrong("full_rows", "at least 8", *full_rows as f64),
            Self { alpha, .. } if !(0.0 < *alpha && *alpha < 1.0) => wrong("alpha", "between 0 and 1", *alpha),
            Self { min_effect, .. } if min_effect.is_nan() || *min_effect < 0.0 => {
                wrong("min_effect", "a number >= 0", *min_effect)
            }
            _ => Ok(()),
        }
    }
}

/// Fewer blocks have no normal mean.
const LEAST_BLOCKS: usize = 32;
/// Rows of a block, of both sides.
const BLOCK: usize = 256;

fn pooled(design: &Design, reference: &FeatureMatrix, current: &FeatureMatrix) -> Result<Pool, DriftError> {
    let (width, n) = (design.width(), reference.n_rows());
    let mut values = vec![0.0; width * (n + current.n_rows())];
    for (table, from) in [(reference, 0), (current, n)] {
        for (column, encoded) in design.encode(table)?.iter().enumerate() {
            encoded.iter().enumerate().for_each(|(row, &v)| values[(from + row) * width + column] = v);
        }
    }
    Ok(Pool { values, width, reference: n })
}

fn median_distance(pool: &Pool, seed: u64) -> f64 {
    let rows = sample(pool.rows(), 1000, &mut generator(seed, 1));
    let mut distances: Vec<f64> = (0..rows.len())
        .into_par_iter()
        .flat_map_iter(|i| (0..i).map(|j| pool.squared_distance(rows[i], rows[j])).collect::<Vec<_>>())
        .filter(|&d| d > 0.0)
        .collect();
    if distances.is_empty() {
        return 1.0;
    }
    let middle = distances.len() / 2;
    distances.select_nth_unstable_by(middle, f64::total_cmp).1.sqrt()
}

/// The estimate from sums over unordered pairs within the reference, within the current side, and between them.
fn estimate(within: [f64; 2], between: f64, n: usize, m: usize) -> f64 {
    let (n, m) = (n as f64, m as f64);
    2.0 * within[0] / (n * (n - 1.0)) + 2.0 * within[1] / (m * (m - 1.0)) - 2.0 * between / (n * m)
}

fn by_permutation(pool: &Pool, bandwidth: f64, params: &MmdParams) -> (f64, f64, usize) {
    let (rows, n) = (pool.rows(), pool.reference);
    let scale = -0.5 / (bandwidth * bandwidth);
    let kernel: Vec<Vec<f64>> = (0..rows)
        .into_par_iter()
        .map(|i| (0..i).map(|j| (scale * pool.squared_distance(i, j)).exp()).collect())
        .collect();
    // A side is a row's place in the order: the first n are the reference's.
    let of = |current: &[bool]| {
        let (mut within, mut between) = ([0.0, 0.0], 0.0);
        for (i, row) in kernel.iter().enumerate() {
            let mut sums = [0.0, 0.0];
            for (k, &c) in row.iter().zip(current) {
                sums[usize::from(c)] += k;
            }
            let own = usize::from(current[i]);
            within[own] += sums[own];
            between += sums[1 - own];
        }
        estimate(within, between, n, rows - n)
    };
    let sides: Vec<bool> = (0..rows).map(|i| i >= n).collect();
    let squared = of(&sides);
    let as_far = (0..params.permutations)
        .into_par_iter()
        .filter(|&i| {
            let mut shuffled = sides.clone();
            shuffle(&mut shuffled, &mut generator(params.seed, 2 + i as u64));
            // Sums in another order may differ in the last digits.
            of(&shuffled) >= squared - 1e-12
        })
        .count();
    (squared, (as_far + 1) as f64 / (params.permutations + 1) as f64, 1)
}

fn by_blocks(pool: &Pool, bandwidth: f64, seed: u64) -> (f64, f64, usize) {
    let (n, m) = (pool.reference, pool.rows() - pool.reference);
    // Two rows of each side at least in a block.
    let blocks = (n + m).div_ceil(BLOCK).max(LEAST_BLOCKS).min(n / 2).min(m / 2);
    let scale = -0.5 / (bandwidth * bandwidth);
    let mut order = [(0..n).collect::<Vec<usize>>(), (n..n + m).collect()];
    for (side, order) in order.iter_mut().enumerate() {
        shuffle(order, &mut generator(seed, 2 + side as u64));
    }
    let part = |side: usize, block: usize| {
        let of = &order[side];
        &of[block * of.len() / blocks..(block + 1) * of.len() / blocks]
    };
    let estimates: Vec<f64> = (0..blocks)
        .into_par_iter()
        .map(|block| {
            let (x, y) = (part(0, block), part(1, block));
            let kernel = |i: usize, j: usize| (scale * pool.squared_distance(i, j)).exp();
            let within =
                |rows: &[usize]| (0..rows.len()).map(|i| (0..i).map(|j| kernel(rows[i], rows[j])).sum::<f64>()).sum();
            let between = x.iter().map(|&i| y.iter().map(|&j| kernel(i, j)).sum::<f64>()).sum();
            estimate([within(x), within(y)], between, x.len(), y.len())
        })
        .collect();
    let moments = Moments::of(&estimates);
    let error = moments.std(1.0) / (blocks as f64).sqrt();
    // One-sided: only a larger discrepancy is drift.
    let t = moments.mean / error;
    let half = student_two_sided(t.abs(), blocks as f64 - 1.0) / 2.0;
    let p_value = if moments.mean <= 0.0 || t.is_nan() { 1.0 - half.min(0.5) } else { half };
    (moments.mean, p_value, blocks)
}
