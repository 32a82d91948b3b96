//! Features that say nearly the same.

use med_schema::{Check, CheckResult, Role, Severity, Table};
use rayon::prelude::*;
use serde_json::Value;

use super::predictive_power::Side;
use super::values::{columns, spread_rows};
use super::{not_a_share, target_correlation, unreadable};
use crate::error::RunError;

/// No two features are correlated by more than this, on rows that have both and no infinity, at most `rows` evenly spaced ones.
///
/// | pair | correlation |
/// | --- | --- |
/// | numbers | Spearman: Pearson's of the ranks, ties sharing their mean |
/// | number and category | correlation ratio `sqrt(SS between / SS total)`, 0 of a constant number |
/// | categories | symmetric uncertainty `2 I / (H_a + H_b)`, which is Theil's U of both directions weighted by entropies |
///
/// The absolute value counts; one that is not defined (a constant with its like, no common rows) passes. `observed` holds the pairs that are
/// above, `details` the matrix: names in `features`, rows in `matrix`, null where not defined.
///
/// deepchecks: FeatureFeatureCorrelation, which looks at 10,000 rows and lets -0.95 pass.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FeatureCorrelation {
    /// The correlation. From 0 to 1; default 0.9.
    pub threshold: f64,
    /// The most rows that are looked at. Default 100,000.
    pub rows: usize,
    /// How much a failure matters. Default warning.
    pub severity: Severity,
}

impl Default for FeatureCorrelation {
    fn default() -> Self {
        Self { threshold: 0.9, rows: 100_000, severity: Severity::Warning }
    }
}

/// Of all pairs of features, by place.
struct Correlations {
    names: Vec<String>,
    matrix: Vec<Vec<Option<f64>>>,
}

impl FeatureCorrelation {
    /// Names and matrix of the features that are quantities or categories.
    fn correlations(&self, table: &Table) -> Result<Correlations, RunError> {
        let rows = spread_rows(table.n_rows(), self.rows);
        let measurable = columns(table).filter(|(spec, _)| spec.role == Role::Feature && spec.kind.is_measurable());
        let features = measurable
            .map(|(spec, column)| Ok((spec.name.clone(), thin(target_correlation::side(spec, column)?, &rows))))
            .collect::<Result<Vec<_>, RunError>>()?;
        let pairs: Vec<(usize, usize)> = (0..features.len()).flat_map(|i| (0..i).map(move |j| (i, j))).collect();
        let found: Vec<Option<f64>> =
            pairs.par_iter().map(|(i, j)| correlation(&features[*i].1, &features[*j].1)).collect();
        let mut matrix = vec![vec![None; features.len()]; features.len()];
        for (i, (_, side)) in features.iter().enumerate() {
            matrix[i][i] = itself(side);
        }
        for ((i, j), value) in pairs.into_iter().zip(found) {
            matrix[i][j] = value;
            matrix[j][i] = value;
        }
        Ok(Correlations { names: features.into_iter().map(|f| f.0).collect(), matrix })
    }
}

fn thin(side: Side, rows: &[usize]) -> Side {
    match side {
        Side::Numbers(values) => Side::Numbers(rows.iter().map(|row| values[*row]).collect()),
        Side::Categories(mut codes) => {
            codes.codes = rows.iter().map(|row| codes.codes[*row]).collect();
            Side::Categories(codes)
        }
    }
}

/// Of a feature with itself.
fn itself(side: &Side) -> Option<f64> {
    let varies = match side {
        Side::Numbers(values) => pearson(&ranks(&present(values)), &ranks(&present(values))).is_some(),
        Side::Categories(codes) => codes.codes.iter().any(|code| *code != 0),
    };
    varies.then_some(1.0)
}

fn present(values: &[f64]) -> Vec<f64> {
    values.iter().copied().filter(|v| v.is_finite()).collect()
}

fn correlation(a: &Side, b: &Side) -> Option<f64> {
    match (a, b) {
        (Side::Numbers(a), Side::Numbers(b)) => {
            let both = a.iter().zip(b).filter(|(a, b)| a.is_finite() && b.is_finite());
            let (a, b): (Vec<f64>, Vec<f64>) = both.unzip();
            pearson(&ranks(&a), &ranks(&b))
        }
        (Side::Numbers(x), Side::Categories(c)) | (Side::Categories(c), Side::Numbers(x)) => {
            correlation_ratio(&c.codes, c.levels, x)
        }
        (Side::Categories(a), Side::Categories(b)) => symmetric_uncertainty(&a.codes, &b.codes, a.levels, b.levels),
    }
}

/// From 1; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tied in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let rank = before as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|row| ranks[*row] = rank);
        before += tied.len();
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let n = a.len() as f64;
    let (mean_a, mean_b) = (a.iter().sum::<f64>() / n, b.iter().sum::<f64>() / n);
    let (mut ab, mut aa, mut bb) = (0.0, 0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        let (a, b) = (a - mean_a, b - mean_b);
        ab += a * b;
        aa += a * a;
        bb += b * b;
    }
    let r = ab / (aa * bb).sqrt();
    r.is_finite().then(|| r.clamp(-1.0, 1.0))
}

fn correlation_ratio(codes: &[u32], levels: usize, x: &[f64]) -> Option<f64> {
    let mut groups = vec![(0.0, 0.0); levels + 1];
    let both = || codes.iter().zip(x).filter(|(code, x)| **code != 0 && x.is_finite());
    let (mut n, mut sum) = (0.0, 0.0);
    for (code, x) in both() {
        groups[*code as usize].0 += 1.0;
        groups[*code as usize].1 += x;
        n += 1.0;
        sum += x;
    }
    let mean = sum / n;
    let total: f64 = both().map(|(_, x)| (x - mean) * (x - mean)).sum();
    let between: f64 = groups.iter().filter(|g| g.0 > 0.0).map(|(n, s)| n * (s / n - mean) * (s / n - mean)).sum();
    if n > 0.0 && total == 0.0 {
        return Some(0.0);
    }
    let ratio = (between / total).sqrt();
    ratio.is_finite().then(|| ratio.min(1.0))
}

fn symmetric_uncertainty(a: &[u32], b: &[u32], levels_a: usize, levels_b: usize) -> Option<f64> {
    let mut pairs: Vec<(u32, u32)> =
        a.iter().zip(b).map(|(a, b)| (*a, *b)).filter(|(a, b)| *a != 0 && *b != 0).collect();
    if pairs.is_empty() {
        return None;
    }
    let n = pairs.len() as f64;
    let (mut count_a, mut count_b) = (vec![0_usize; levels_a + 1], vec![0_usize; levels_b + 1]);
    for (a, b) in &pairs {
        count_a[*a as usize] += 1;
        count_b[*b as usize] += 1;
    }
    pairs.sort_unstable();
    let term = |count: usize| {
        let p = count as f64 / n;
        if count == 0 { 0.0 } else { -p * p.ln() }
    };
    let entropy = |counts: &[usize]| counts.iter().map(|c| term(*c)).sum::<f64>();
    let (a, b) = (entropy(&count_a), entropy(&count_b));
    let joint: f64 = pairs.chunk_by(|x, y| x == y).map(|run| term(run.len())).sum();
    (a + b > 0.0).then(|| (2.0 * (a + b - joint) / (a + b)).clamp(0.0, 1.0))
}

impl Check<Table> for FeatureCorrelation {
    fn name(&self) -> &str {
        "feature_correlation"
    }

    fn check(&self, table: &Table) -> CheckResult {
        if let Some(error) = not_a_share(self.name(), self.severity, self.threshold) {
            return error;
        }
        let Correlations { names, matrix } = match self.correlations(table) {
            Ok(found) => found,
            Err(error) => return unreadable(self.name(), self.severity, &error),
        };
        let above = |i: usize, j: usize| matrix[i][j].filter(|r| r.abs() > self.threshold);
        let pairs = (0..names.len()).flat_map(|i| (0..i).map(move |j| (j, i)));
        let close: Vec<Value> =
            pairs.filter_map(|(j, i)| above(i, j).map(|r| serde_json::json!([names[j], names[i], r]))).collect();
        let result = CheckResult::judged(self.name(), close.is_empty());
        let result = match close.len() {
            0 => result,
            n => result.message(format!("{n} pairs of features are more closely correlated")),
        };
        result
            .severity(self.severity)
            .expected(format!("correlations between features of at most {}", self.threshold))
            .observed(close)
            .detail("features", names)
            .detail("matrix", serde_json::to_value(&matrix).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_correlations() {
        assert_eq!(ranks(&[3.0, 1.0, 3.0, 2.0]), [3.5, 1.0, 3.5, 2.0]);
        assert_eq!(pearson(&[1.0, 2.0], &[5.0, 5.0]), None);
        // Group means 1 and 3, each half of the rows, within-variance nothing: everything is between.
        assert_eq!(correlation_ratio(&[1, 1, 2, 2], 2, &[1.0, 1.0, 3.0, 3.0]), Some(1.0));
        assert_eq!(correlation_ratio(&[1, 1], 1, &[1.0, 1.0]), Some(0.0));
        assert_eq!(correlation_ratio(&[0, 1], 1, &[1.0, f64::NAN]), None);
        assert_eq!(symmetric_uncertainty(&[1, 2, 1, 2], &[1, 2, 1, 2], 2, 2), Some(1.0));
        assert!(symmetric_uncertainty(&[1, 2, 1, 2], &[1, 1, 2, 2], 2, 2).unwrap() < 1e-12);
        assert_eq!(symmetric_uncertainty(&[1, 1], &[1, 1], 1, 1), None);
    }
}
