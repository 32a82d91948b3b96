//! A small part of the rows, on which fitting starts.
//!
//! The estimate of a sixteenth of the rows is about as far from that of all as four standard errors of the latter. From there Newton's
//! method needs one information matrix of all rows, where it would need three or four from nothing. The rows are runs at
//! equal distances, so the start, and with it every bit of the solution, depends on the data alone.

use super::design::{CategoricalColumn, Design, NumericColumn};
use super::pass::Rows;

/// One of so many rows is taken.
const SHARE: usize = 16;
/// Rows that are taken together.
const RUN: usize = 32;
/// Rows for every coefficient, without which the estimate is worth too little.
const ROWS_PER_COEFFICIENT: usize = 100;

/// The rows of the sample, copied.
#[derive(Debug)]
pub(super) struct Sample {
    numeric: Vec<Vec<f64>>,
    codes: Vec<Vec<u32>>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    offset: Option<Vec<f64>>,
    total_weight: f64,
}

fn take<T: Copy>(values: &[T]) -> Vec<T> {
    values.chunks(RUN * SHARE).flat_map(|c| &c[..RUN.min(c.len())]).copied().collect()
}

impl Sample {
    /// `None` where there are too few rows for a sample to pay.
    pub(super) fn of(design: &Design<'_>, rows: Rows<'_>) -> Option<Self> {
        if design.n_rows / SHARE < ROWS_PER_COEFFICIENT * design.width() {
            return None;
        }
        let (y, weights) = (take(rows.y), rows.weights.map(take));
        let total_weight = weights.as_ref().map_or(y.len() as f64, |w| w.iter().sum());
        (total_weight > 0.0).then(|| Self {
            numeric: design.numeric.iter().map(|c| take(c.values)).collect(),
            codes: design.categorical.iter().map(|c| take(c.codes)).collect(),
            y,
            weights,
            offset: rows.offset.map(take),
            total_weight,
        })
    }

    /// The design of the sample: columns centred and scaled as those of the whole, so that coefficients mean the same.
    pub(super) fn design(&self, whole: &Design<'_>) -> Design<'_> {
        let share = self.total_weight / whole.total_weight;
        let numeric = whole.numeric.iter().zip(&self.numeric).map(|(c, values)| NumericColumn { values, ..*c });
        let categorical = whole.categorical.iter().zip(&self.codes).map(|(c, codes)| CategoricalColumn {
            codes,
            weights: c.weights.iter().map(|w| w * share).collect(),
            ..*c
        });
        Design {
            numeric: numeric.collect(),
            categorical: categorical.collect(),
            places: whole.places.clone(),
            intercept: whole.intercept,
            n_rows: self.y.len(),
            total_weight: self.total_weight,
            n_levels: whole.n_levels,
        }
    }

    pub(super) fn rows(&self) -> Rows<'_> {
        Rows { y: &self.y, weights: self.weights.as_deref(), offset: self.offset.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::super::family::{Family, Link};
    use super::super::params::{GlmParams, Settings};
    use super::*;
    use med_schema::{FeatureColumn, FeatureMatrix};

    #[test]
    fn the_start_does_not_move_the_solution() {
        let n = 20_000;
        let age: Vec<f64> = (0..n).map(|i| 20.0 + ((i * 37) % 61) as f64).collect();
        let codes: Vec<u32> = (0..n).map(|i| (i as u32 * 7) % 3).collect();
        let weights: Vec<f64> = (0..n).map(|i| (i % 5) as f64).collect();
        let offset: Vec<f64> = (0..n).map(|i| (i % 4) as f64 * 0.1).collect();
        let y = |i: usize| age[i] * f64::from(1 + codes[i]) * (0.1 + ((i * 53) % 101) as f64 * 0.02);
        let y: Vec<f64> = (0..n).map(|i| if i % 11 < 4 { 0.0 } else { y(i) }).collect();
        let levels: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let x = FeatureMatrix::new(vec![
            FeatureColumn::numeric("age", age.clone()),
            FeatureColumn::categorical("plan", codes, levels).unwrap(),
        ]);
        let x = x.unwrap();
        for alpha in [0.0, 0.01] {
            let params = GlmParams { family: Family::Tweedie, link: Link::Log, alpha, ..Default::default() };
            let settings = Settings { tolerance: 1e-11, ..params.settings() };
            let design = Design::new(&settings, &x, Some(&weights)).unwrap();
            let rows = Rows { y: &y, weights: Some(&weights), offset: Some(&offset) };
            assert!(Sample::of(&design, rows).is_some_and(|s| s.rows().y.len() == 1280));
            let warm = super::super::fit::solve(&settings, &design, rows, 1.5).unwrap();
            let cold = super::super::fit::problem(&settings, &design, rows, 1.5).solve(None).unwrap();
            assert!(warm.iterations <= cold.iterations, "{} {}", warm.iterations, cold.iterations);
            for (a, b) in warm.coefficients.iter().zip(&cold.coefficients) {
                assert!((a - b).abs() < 1e-9, "{alpha}: {a} {b}");
            }
        }
    }
}
