//! Change of the correlation between two columns.
//!
//! Spearman's rank correlation r of each pair of columns is taken on both sides, over the rows that have both values. Without change
//!
//! z = (atanh r_ref - atanh r_cur) / sqrt(v_ref + v_cur)
//!
//! is standard normal for large samples, where v is the variance of atanh r on a side: the mean of the squared influences of its rows over n (1 - r^2)^2. With F and G
//! the mid-distribution functions of the two columns, u = F(x) - 1/2, w = G(y) - 1/2 and C = mean of u w, the influence of a row (x, y) on C is
//!
//! u w + mean of 1(x <= X) w + mean of 1(y <= Y) u - 3 C,  half where equal,
//!
//! and r = C / sqrt(mean of u^2 mean of w^2) has that of a quotient. So the test holds for any form of dependence, and with ties; formulas in r alone hold for the normal
//! distribution only. Ranks make it blind to shifts and to any monotone change of a column by itself, and heavy tails harmless. The p-values of all pairs are adjusted
//! together by Benjamini and Hochberg. Names are ranked by the share of their level in the reference, which sees a relation with how common a level is.
//!
//! Hampel, F. R. (1974). The influence curve and its role in robust estimation. *JASA* 69, 383-393. Croux, C. and Dehon, C. (2010). Influence functions of the
//! Spearman and Kendall correlation measures. *Statistical Methods and Applications* 19, 497-515. Time O((n + m) (p log n + p^2)) for p columns.

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::statistics::normal_sf;
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
    /// Adjusted for the other measures of [`multivariate`](super::multivariate) besides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// Whether a pair has drifted and, where there is an adjusted p-value, that counts as well.
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

/// Compares the correlations of all pairs of columns. Pairs with fewer than ten rows, or in which a column does not vary, are left out.
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
    let (r, c) = rayon::join(|| ordered(&design, reference, reference), || ordered(&design, reference, current));
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
        adjusted_p_value: None,
        drifted: pairs.iter().any(|p| p.drifted),
        pairs,
    })
}

/// A column with its rows in ascending order; missing values have no place.
struct Ordered {
    values: Vec<f64>,
    order: Vec<u32>,
}

fn ordered(design: &Design, reference: &FeatureMatrix, table: &FeatureMatrix) -> Result<Vec<Ordered>, DriftError> {
    let of = |(column, reference): (&FeatureColumn, &FeatureColumn)| {
        let values = scores(column, reference);
        let mut order: Vec<u32> = values.iter().zip(0_u32..).filter(|(v, _)| !v.is_nan()).map(|(_, row)| row).collect();
        let value = |row: &u32| values[*row as usize] + 0.0;
        order.sort_unstable_by(|a, b| value(a).total_cmp(&value(b)).then(a.cmp(b)));
        Ordered { values, order }
    };
    Ok(design.align(table)?.into_par_iter().zip(reference.columns()).map(of).collect())
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

fn pair(names: [&str; 2], reference: [&Ordered; 2], current: [&Ordered; 2]) -> Option<PairChange> {
    let (r, c) = (Spearman::of(reference)?, Spearman::of(current)?);
    let z = (r.r.atanh() - c.r.atanh()).abs() / (r.variance + c.variance).sqrt();
    // Two correlations of one are equal, and one of them differs from any other.
    let p_value = match r.r == c.r {
        true => 1.0,
        false if z.is_nan() => 0.0,
        false => (2.0 * normal_sf(z)).min(1.0),
    };
    let [first, second] = names.map(str::to_owned);
    Some(PairChange { first, second, reference: r.r, current: c.r, p_value, adjusted_p_value: 1.0, drifted: false })
}

/// Spearman's correlation and the variance of its inverse hyperbolic tangent.
struct Spearman {
    r: f64,
    variance: f64,
}

/// Fewer rows have no normal distribution.
const LEAST_ROWS: usize = 10;

impl Spearman {
    /// `None` when too few rows have both values, or one side does not vary.
    fn of([x, y]: [&Ordered; 2]) -> Option<Self> {
        let both = |row: u32| !x.values[row as usize].is_nan() && !y.values[row as usize].is_nan();
        let of = |column: &Ordered| -> Vec<u32> { column.order.iter().copied().filter(|&row| both(row)).collect() };
        let (x_order, y_order) = (of(x), of(y));
        let rows = x_order.len();
        if rows < LEAST_ROWS {
            return None;
        }
        let (u, w) = (centred(x, &x_order), centred(y, &y_order));
        let n = rows as f64;
        let mean = |a: &[f64], b: &[f64]| x_order.iter().map(|&i| a[i as usize] * b[i as usize]).sum::<f64>() / n;
        let (xx, yy, xy) = (mean(&u, &u), mean(&w, &w), mean(&u, &w));
        if xx <= 0.0 || yy <= 0.0 {
            return None;
        }
        let r = (xy / (xx * yy).sqrt()).clamp(-1.0, 1.0);
        let (x_w, x_u) = (above(x, &x_order, &w), above(x, &x_order, &u));
        let (y_u, y_w) = (above(y, &y_order, &u), above(y, &y_order, &w));
        let influence = |i: usize| {
            let of_xy = u[i] * w[i] + x_w[i] + y_u[i] - 3.0 * xy;
            let (of_xx, of_yy) = (u[i] * u[i] + 2.0 * x_u[i] - 3.0 * xx, w[i] * w[i] + 2.0 * y_w[i] - 3.0 * yy);
            of_xy / (xx * yy).sqrt() - r / 2.0 * (of_xx / xx + of_yy / yy)
        };
        let squares: f64 = x_order.iter().map(|&i| influence(i as usize).powi(2)).sum();
        let slope = 1.0 - r * r;
        Some(Self { r, variance: squares / (n * (n - 1.0)) / (slope * slope) })
    }
}

/// Calls `group` with each run of rows of equal value, ascending.
fn ties(column: &Ordered, order: &[u32], mut group: impl FnMut(&[u32])) {
    let value = |place: usize| column.values[order[place] as usize];
    let mut first = 0;
    while first < order.len() {
        let mut end = first + 1;
        while end < order.len() && value(end) == value(first) {
            end += 1;
        }
        group(&order[first..end]);
        first = end;
    }
}

/// F(x) - 1/2 of each row; 0 for rows without a place.
fn centred(column: &Ordered, order: &[u32]) -> Vec<f64> {
    let mut centred = vec![0.0; column.values.len()];
    let (n, mut before) = (order.len() as f64, 0.0);
    ties(column, order, |rows| {
        let middle = (before + rows.len() as f64 / 2.0) / n - 0.5;
        rows.iter().for_each(|&row| centred[row as usize] = middle);
        before += rows.len() as f64;
    });
    centred
}

/// The mean over all rows of `of` where the row's value is above this one's, half where equal.
fn above(column: &Ordered, order: &[u32], of: &[f64]) -> Vec<f64> {
    let n = order.len() as f64;
    let mut rest: f64 = order.iter().map(|&row| of[row as usize]).sum();
    let mut above = vec![0.0; column.values.len()];
    ties(column, order, |rows| {
        let own: f64 = rows.iter().map(|&row| of[row as usize]).sum();
        let mean = (rest - own / 2.0) / n;
        rows.iter().for_each(|&row| above[row as usize] = mean);
        rest -= own;
    });
    above
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(values: &[f64]) -> Ordered {
        let mut order: Vec<u32> = (0..values.len() as u32).filter(|&i| !values[i as usize].is_nan()).collect();
        order.sort_by(|&a, &b| values[a as usize].total_cmp(&values[b as usize]));
        Ordered { values: values.to_vec(), order }
    }

    #[test]
    fn the_correlation_of_ranks_with_ties_and_holes() {
        let x = [1.0, 2.0, 2.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, f64::NAN, 3.0];
        let y = [2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 8.0, 7.0, 10.0, 9.0, 1.0, f64::NAN];
        let found = Spearman::of([&column(&x), &column(&y)]).unwrap();
        // Midranks 1, 2.5, 2.5, 4, ... against 2, 1, 3, 4, 6, 5, 8, 7, 10, 9.
        let (rx, ry) = ([1.0, 2.5, 2.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0], &y[..10]);
        let sum = |f: &dyn Fn(f64, f64) -> f64| rx.iter().zip(ry).map(|(a, b)| f(a - 5.5, b - 5.5)).sum::<f64>();
        let expected = sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt();
        assert!((found.r - expected).abs() < 1e-14, "{} {expected}", found.r);
        assert!(Spearman::of([&column(&x[..9]), &column(&y[..9])]).is_none());
        assert!(Spearman::of([&column(&[1.0; 12]), &column(&y)]).is_none());
    }

    /// Of independent columns n times the variance tends to 1, that of ranks.
    #[test]
    fn the_variance_of_no_correlation_is_one_over_n() {
        let n = 4001_u64;
        let x: Vec<f64> = (0..n).map(|i| (i * 1237 % n) as f64).collect();
        let y: Vec<f64> = (0..n).map(|i| (i * i * 17 % n) as f64).collect();
        let found = Spearman::of([&column(&x), &column(&y)]).unwrap();
        assert!(found.r.abs() < 0.05 && (found.variance * n as f64 - 1.0).abs() < 0.1, "{}", found.variance * n as f64);
    }
}
