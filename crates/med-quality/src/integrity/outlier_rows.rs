//! Rows far from all others.

use med_schema::{Check, CheckResult, Role, Severity, Table};
use rayon::prelude::*;

use super::predictive_power::Side;
use super::values::{columns, spread_rows};
use super::{not_a_share, target_correlation, unreadable};
use crate::error::RunError;

/// At most a share of the rows is a local outlier with a probability above `probability`, by LoOP (Kriegel, Kröger, Schubert and
/// Zimek 2009) over Gower's distance (1971), on at most `rows` evenly spaced rows.
///
/// ```text
/// d(a, b)  = mean over features both have: |a - b| / range for numbers, 0 or 1 for categories; 1 if they share none
/// pdist(o) = 3 sqrt(mean of d^2 over the k nearest others), k = max(neighbours n, 5)
/// plof(o)  = pdist(o) / mean pdist of the k nearest - 1
/// loop(o)  = max(0, erf(plof(o) / (3 sqrt(mean of plof^2) sqrt 2)))
/// ```
///
/// Fewer rows than `k + 1` are an error. Time: distances of all pairs of the rows looked at.
///
/// deepchecks: OutlierSampleDetection, on 5,000 drawn rows, given up after 10 s.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct OutlierRows {
    /// Above this a row is an outlier. From 0 to 1; default 0.7.
    pub probability: f64,
    /// The share of the rows looked at. From 0 to 1; default 0.005.
    pub threshold: f64,
    /// Neighbours, as a share of the rows looked at, at least 5 of them. From 0 to 1; default 0.01.
    pub neighbours: f64,
    /// The most rows that are looked at. Default 2,000.
    pub rows: usize,
    /// How much a failure matters. Default warning.
    pub severity: Severity,
}

impl Default for OutlierRows {
    fn default() -> Self {
        Self { probability: 0.7, threshold: 0.005, neighbours: 0.01, rows: 2_000, severity: Severity::Warning }
    }
}

impl OutlierRows {
    fn neighbours(&self, rows: usize) -> usize {
        ((self.neighbours * rows as f64) as usize).max(5)
    }

    /// Whether there are rows enough and a feature to compare.
    pub(super) fn applies(&self, table: &Table) -> bool {
        let rows = table.n_rows().min(self.rows);
        rows > self.neighbours(rows) && table.schema().with_role(Role::Feature).any(|spec| spec.kind.is_measurable())
    }

    fn probabilities(&self, table: &Table) -> Result<Vec<f64>, RunError> {
        let rows = spread_rows(table.n_rows(), self.rows);
        let features = columns(table)
            .filter(|(spec, _)| spec.role == Role::Feature && spec.kind.is_measurable())
            .map(|(spec, column)| Ok(Feature::of(&target_correlation::side(spec, column)?, &rows)))
            .collect::<Result<Vec<_>, RunError>>()?;
        Ok(local_outlier_probabilities(rows.len(), self.neighbours(rows.len()), &features))
    }
}

/// One feature, its numbers divided by their range. Not-a-number is missing.
struct Feature {
    values: Vec<f64>,
    category: bool,
}

impl Feature {
    fn of(side: &Side, rows: &[usize]) -> Self {
        match side {
            Side::Categories(codes) => {
                let code = |row: &usize| if codes.codes[*row] == 0 { f64::NAN } else { f64::from(codes.codes[*row]) };
                Self { values: rows.iter().map(code).collect(), category: true }
            }
            Side::Numbers(numbers) => {
                let finite = |row: &usize| if numbers[*row].is_finite() { numbers[*row] } else { f64::NAN };
                let mut values: Vec<f64> = rows.iter().map(finite).collect();
                let low = values.iter().copied().fold(f64::NAN, f64::min);
                let high = values.iter().copied().fold(f64::NAN, f64::max);
                // Halved, so that the range of the largest floats is one.
                let range = high / 2.0 - low / 2.0;
                let scaled = |v: f64| if v.is_nan() || range > 0.0 { (v / 2.0 - low / 2.0) / range } else { 0.0 };
                values.iter_mut().for_each(|v| *v = scaled(*v));
                Self { values, category: false }
            }
        }
    }

    fn distance(&self, a: usize, b: usize) -> Option<f64> {
        let (a, b) = (self.values[a], self.values[b]);
        if a.is_nan() || b.is_nan() {
            None
        } else if self.category {
            Some(f64::from(u8::from(a != b)))
        } else {
            Some((a - b).abs())
        }
    }
}

fn gower(features: &[Feature], a: usize, b: usize) -> f64 {
    let (mut sum, mut shared) = (0.0, 0.0);
    for distance in features.iter().filter_map(|f| f.distance(a, b)) {
        sum += distance;
        shared += 1.0;
    }
    if shared == 0.0 { 1.0 } else { sum / shared }
}

fn local_outlier_probabilities(rows: usize, k: usize, features: &[Feature]) -> Vec<f64> {
    const EXTENT: f64 = 3.0;
    let nearest = |row: usize| {
        let mut others: Vec<(f64, usize)> =
            (0..rows).filter(|other| *other != row).map(|other| (gower(features, row, other), other)).collect();
        let by_distance = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if others.len() > k {
            others.select_nth_unstable_by(k - 1, by_distance);
            others.truncate(k);
        }
        // In one order, so that sums do not depend on how they were selected.
        others.sort_unstable_by(by_distance);
        others
    };
    let neighbours: Vec<Vec<(f64, usize)>> = (0..rows).into_par_iter().map(nearest).collect();
    let mean = |values: &mut dyn Iterator<Item = f64>, n: usize| values.sum::<f64>() / n.max(1) as f64;
    let reach: Vec<f64> =
        neighbours.iter().map(|near| EXTENT * mean(&mut near.iter().map(|(d, _)| d * d), near.len()).sqrt()).collect();
    let factor = |(row, near): (usize, &Vec<(f64, usize)>)| {
        let others = mean(&mut near.iter().map(|(_, other)| reach[*other]), near.len());
        // Neighbours all on one spot: as near as can be, or infinitely far.
        if others > 0.0 { reach[row] / others - 1.0 } else { 0.0 }
    };
    let factors: Vec<f64> = neighbours.iter().enumerate().map(factor).collect();
    let spread = EXTENT * mean(&mut factors.iter().map(|f| f * f), rows).sqrt();
    let probability = |f: &f64| if spread > 0.0 { erf(f / (spread * std::f64::consts::SQRT_2)).max(0.0) } else { 0.0 };
    factors.iter().map(probability).collect()
}

/// The error function to 1.5e-7: Abramowitz and Stegun 7.1.26.
fn erf(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.327_591_1 * x.abs());
    let series = [1.061_405_429, -1.453_152_027, 1.421_413_741, -0.284_496_736, 0.254_829_592];
    let poly = series.iter().fold(0.0, |sum, c| sum * t + c) * t;
    (1.0 - poly * (-x * x).exp()).copysign(x)
}

impl Check<Table> for OutlierRows {
    fn name(&self) -> &str {
        "outlier_rows"
    }

    fn check(&self, table: &Table) -> CheckResult {
        for value in [self.probability, self.threshold, self.neighbours] {
            if let Some(error) = not_a_share(self.name(), self.severity, value) {
                return error;
            }
        }
        let expected = format!(
            "a share of rows with an outlier probability above {} of at most {}",
            self.probability, self.threshold
        );
        if !self.applies(table) {
            let why = "there are too few rows to compare, or no feature that can be measured";
            return CheckResult::error(self.name(), why).severity(self.severity).expected(expected);
        }
        let probabilities = match self.probabilities(table) {
            Ok(probabilities) => probabilities,
            Err(error) => return unreadable(self.name(), self.severity, &error),
        };
        let far = probabilities.iter().filter(|p| **p > self.probability).count();
        let found = far as f64 / probabilities.len() as f64;
        CheckResult::judged(self.name(), found <= self.threshold)
            .severity(self.severity)
            .expected(expected)
            .observed(found)
            .detail("rows", probabilities.len())
            .detail("outliers", far)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_far_row_is_the_outlier() {
        let mut values: Vec<f64> = (0..100).map(|i| f64::from(i) / 1000.0).collect();
        values.push(1.0);
        let features = [Feature { values, category: false }];
        let probabilities = local_outlier_probabilities(101, 5, &features);
        assert!(probabilities[100] > 0.99, "{}", probabilities[100]);
        assert!(probabilities[..100].iter().all(|p| *p < 0.1));
        let alike = [Feature { values: vec![1.0; 20], category: true }];
        assert!(local_outlier_probabilities(20, 5, &alike).iter().all(|p| *p == 0.0));
    }

    #[test]
    fn erf_is_close_enough() {
        assert!((erf(0.5) - 0.520_499_877_8).abs() < 2e-7 && (erf(-2.0) + 0.995_322_265_0).abs() < 2e-7);
        assert!(erf(0.0).abs() < 2e-7);
    }
}
