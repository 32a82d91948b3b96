//! Features brought to mean 0 and standard deviation 1, for the models that measure distances.

use serde::{Deserialize, Serialize};

/// `(x - mean) / sd`, feature by feature; a constant feature becomes 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Scaling {
    pub(crate) means: Vec<f64>,
    /// Population standard deviations, 1 where it is 0.
    pub(crate) deviations: Vec<f64>,
}

impl Scaling {
    pub(crate) fn of(columns: &[&[f64]]) -> Self {
        let (means, deviations) = columns.iter().map(|c| moments(c)).unzip();
        Self { means, deviations }
    }

    /// Leaves values as they are.
    pub(crate) fn none(n_features: usize) -> Self {
        Self { means: vec![0.0; n_features], deviations: vec![1.0; n_features] }
    }

    /// One scaled row into `out`.
    pub(crate) fn row_into(&self, columns: &[&[f64]], row: usize, out: &mut [f64]) {
        for (j, o) in out.iter_mut().enumerate() {
            *o = (columns[j][row] - self.means[j]) / self.deviations[j];
        }
    }

    /// All rows, one vector each.
    pub(crate) fn rows(&self, columns: &[&[f64]], n_rows: usize) -> Vec<Vec<f64>> {
        let row = |i| {
            let mut row = vec![0.0; columns.len()];
            self.row_into(columns, i, &mut row);
            row
        };
        (0..n_rows).map(row).collect()
    }

    pub(crate) fn is_sound(&self, n_features: usize) -> bool {
        self.means.len() == n_features
            && self.deviations.len() == n_features
            && self.means.iter().all(|m| m.is_finite())
            && self.deviations.iter().all(|&d| d > 0.0 && d.is_finite())
    }
}

/// Mean and population standard deviation (1 for a constant).
pub(crate) fn moments(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / n;
    let largest = values.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
    let deviation = variance.sqrt();
    // What is left of a constant is the rounding of its mean.
    (mean, if deviation > 4.0 * f64::EPSILON * largest { deviation } else { 1.0 })
}
