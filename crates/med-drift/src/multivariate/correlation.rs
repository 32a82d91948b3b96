//! Change of the correlation between two columns.
//!
//! Spearman's rank correlation r of each pair of columns is taken on both sides, over the rows that have both values. Without change
//!
//! z = (atanh r_ref - atanh r_cur) / sqrt(v_ref + v_cur),  v = (1 + r^2 / 2) / (n - 3)
//!
//! is standard normal for large samples (Bonett and Wright 2000). Ranks make it blind to shifts and to any monotone change of a column by itself, and heavy
//! tails harmless. The p-values of all pairs are adjusted together by Benjamini and Hochberg. Names are ranked by the share of their level in the reference, which
//! sees a relation with how common a level is.
//!
//! Bonett, D. G. and Wright, T. A. (2000). Sample size requirements for estimating Pearson, Kendall and Spearman correlations. *Psychometrika* 65, 23-28.
//! Time O((n + m) (p log n + p^2)) for p columns.

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::statistics::{midranks, normal_sf};
use crate::{DriftError, benjamini_hochberg};

use super::design::Design;

/// Parameters of [`correlation_change`].
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `alpha` | largest adjusted p-value that counts | 0.05 | (0, 1) |
/// | `min_effect` | smallest change of r that counts | 0.1 | \[0, 2\] |
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorrelationParams {
    /// Largest adjusted p-value that counts.
    pub alpha: f64,
    /// Smallest change that counts.
    pub min_effect: f64,
}

impl Default for CorrelationParams {
    fn default() -> Self {
        Self { alpha: 0.05, min_effect: 0.1 }
    }
}

/// How the correlations between columns have changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CorrelationChange {
    /// The largest change of r of any pair; in \[0, 2\].
    pub score: f64,
    /// The smallest adjusted p-value: that no pair has changed.
    pub p_value: Option<f64>,
    /// Whether a pair has drifted.
    pub drifted: bool,
    /// All pairs that have a correlation on both sides, those with the smallest p-value first.
    pub pairs: Vec<PairChange>,
}

/// Two columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairChange {
    /// The one.
    pub first: String,
    /// The other.
    pub second: String,
    /// Their correlation in the reference.
    pub reference: f64,
    /// Their correlation now.
    pub current: f64,
    /// How likely such a change is by chance.
    pub p_value: f64,
    /// Adjusted for the number of pairs.
    pub adjusted_p_value: f64,
    /// Whether the change counts.
    pub drifted: bool,
}

/// Compares the correlations of all pairs of columns. Pairs with fewer than four rows, or in which a column does not vary, are left out.
///
/// # Errors
/// When the sides have other columns, or a parameter is outside its range.
pub fn correlation_change(
    reference: &FeatureMatrix,
    current: &FeatureMatrix,
    params: &CorrelationParams,
) -> Result<CorrelationChange, DriftError> {
    if !(0.0 < params.alpha && params.alpha < 1.0) {
        return Err(DriftError::Parameter { parameter: "alpha", expected: "between 0 and 1", found: params.alpha });
    }
    if !(0.0..=2.0).contains(&params.min_effect) {
        let expected = "between 0 and 2";
        return Err(DriftError::Parameter { parameter: "min_effect", expected, found: params.min_effect });
    }
    let design = Design::fit(reference)?;
    let (r, c) = rayon::join(|| ranks(&design, reference, reference), || ranks(&design, reference, current));
    let (r, c) = (r?, c?);
    let names: Vec<&str> = design.names().collect();
    let places: Vec<(usize, usize)> =
        (0..names.len()).flat_map(|i| (i + 1..names.len()).map(move |j| (i, j))).collect();
    let mut pairs: Vec<PairChange> = places
        .into_par_iter()
        .filter_map(|(i, j)| pair([names[i], names[j]], [&r[i], &r[j]], [&c[i], &c[j]]))
        .collect();
    let adjusted = benjamini_hochberg(&pairs.iter().map(|p| p.p_value).collect::<Vec<_>>());
    for (pair, p) in pairs.iter_mut().zip(adjusted) {
        pair.adjusted_p_value = p;
        pair.drifted = p <= params.alpha && (pair.reference - pair.current).abs() >= params.min_effect;
    }
    pairs.sort_by(|a, b| a.p_value.total_cmp(&b.p_value));
    Ok(CorrelationChange {
        score: pairs.iter().map(|p| (p.reference - p.current).abs()).fold(0.0, f64::max),
        p_value: pairs.first().map(|p| p.adjusted_p_value),
        drifted: pairs.iter().any(|p| p.drifted),
        pairs,
    })
}

/// Ranks of each column, missing values NaN.
fn ranks(design: &Design, reference: &FeatureMatrix, table: &FeatureMatrix) -> Result<Vec<Vec<f64>>, DriftError> {
    let columns = design.align(table)?;
    let of = reference.columns();
    Ok(columns.into_par_iter().zip(of).map(|(column, reference)| midranks(&scores(column, reference))).collect())
}

fn scores(column: &FeatureColumn, reference: &FeatureColumn) -> Vec<f64> {
    let (codes, levels) = match column.values() {
        FeatureValues::Numeric(values) => return values.as_slice().to_vec(),
        FeatureValues::Categorical { codes, levels } => (codes, levels),
    };
    let mut counts = std::collections::HashMap::new();
    if let Some((codes, levels)) = reference.as_categorical() {
        for level in codes.iter().filter_map(|&code| levels.get(code as usize)) {
            *counts.entry(level.as_str()).or_insert(0.0) += 1.0;
        }
    }
    let of: Vec<f64> = levels.iter().map(|l| counts.get(l.as_str()).copied().unwrap_or(0.0)).collect();
    codes.iter().map(|&code| if code == MISSING { f64::NAN } else { of[code as usize] }).collect()
}

fn pair(names: [&str; 2], reference: [&[f64]; 2], current: [&[f64]; 2]) -> Option<PairChange> {
    let ((r, n), (c, m)) = (pearson(reference[0], reference[1])?, pearson(current[0], current[1])?);
    let variance = |r: f64, n: f64| (1.0 + r * r / 2.0) / (n - 3.0);
    // Correlations of one have no finite transform.
    let transformed = |r: f64| r.clamp(-1.0 + 1e-12, 1.0 - 1e-12).atanh();
    let z = (transformed(r) - transformed(c)) / (variance(r, n) + variance(c, m)).sqrt();
    let p_value = (2.0 * normal_sf(z.abs())).min(1.0);
    let [first, second] = names.map(str::to_owned);
    Some(PairChange { first, second, reference: r, current: c, p_value, adjusted_p_value: 1.0, drifted: false })
}

/// Correlation over the rows where both are there, and their number; `None` when there are fewer than four or a side does not vary.
fn pearson(x: &[f64], y: &[f64]) -> Option<(f64, f64)> {
    let both = || x.iter().zip(y).filter(|(x, y)| !x.is_nan() && !y.is_nan());
    let (n, sums) = both().fold((0.0, [0.0, 0.0]), |(n, s), (x, y)| (n + 1.0, [s[0] + x, s[1] + y]));
    if n < 4.0 {
        return None;
    }
    // Ranks are whole or half, so that sums of them are exact far beyond any table.
    let (mean_x, mean_y) = (sums[0] / n, sums[1] / n);
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in both() {
        let (x, y) = (x - mean_x, y - mean_y);
        (xx, yy, xy) = (xx + x * x, yy + y * y, xy + x * y);
    }
    (xx > 0.0 && yy > 0.0).then(|| ((xy / (xx * yy).sqrt()).clamp(-1.0, 1.0), n))
}
