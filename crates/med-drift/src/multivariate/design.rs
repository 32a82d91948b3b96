//! Columns as standardised numbers.

use std::collections::HashMap;

use med_schema::{FeatureColumn, FeatureMatrix, FeatureValues, MISSING};
use rayon::prelude::*;

use crate::detect::{by_name, kind_of};
use crate::statistics::Moments;
use crate::{DriftError, SampleKind, Side};

/// How each column of the reference becomes a number, learnt from the reference alone.
///
/// Levels become their share of the reference's rows (new ones 0), missing numbers the mean, missing levels the most frequent one; then the mean of the reference is taken
/// off and its standard deviation (divisor n) divided by, unless that is 0. Infinities are taken for missing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Design {
    columns: Vec<Encoding>,
}

#[derive(Debug, Clone, PartialEq)]
struct Encoding {
    name: String,
    kind: SampleKind,
    /// Share of the reference's rows by level, missing ones counted to the most frequent.
    shares: HashMap<String, f64>,
    /// What stands for a missing value.
    fill: f64,
    mean: f64,
    scale: f64,
}

impl Design {
    pub(crate) fn fit(reference: &FeatureMatrix) -> Result<Self, DriftError> {
        if reference.n_columns() == 0 {
            return Err(DriftError::NoColumns);
        }
        if reference.n_rows() == 0 {
            return Err(DriftError::TooFewRows { method: "multivariate", side: Side::Reference, found: 0, needed: 1 });
        }
        Ok(Self { columns: reference.columns().par_iter().map(Encoding::fit).collect() })
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|c| c.name.as_str())
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The columns of `table` that the reference has, in its order.
    pub(crate) fn align<'a>(&self, table: &'a FeatureMatrix) -> Result<Vec<&'a FeatureColumn>, DriftError> {
        by_name(&self.columns.iter().map(|c| (c.name.as_str(), c.kind)).collect::<Vec<_>>(), table)
    }

    /// One vector a column, standardised.
    pub(crate) fn encode(&self, table: &FeatureMatrix) -> Result<Vec<Vec<f64>>, DriftError> {
        let columns = self.align(table)?;
        Ok(self.columns.par_iter().zip(columns).map(|(encoding, column)| encoding.encode(column)).collect())
    }
}

impl Encoding {
    fn fit(column: &FeatureColumn) -> Self {
        let mut shares = HashMap::new();
        let mut fill = 0.0;
        match column.values() {
            FeatureValues::Numeric(values) => {
                let finite: Vec<f64> = values.as_slice().iter().copied().filter(|v| v.is_finite()).collect();
                if !finite.is_empty() {
                    fill = Moments::of(&finite).mean;
                }
            }
            FeatureValues::Categorical { codes, levels } => {
                let mut counts = vec![0_u64; levels.len()];
                codes.iter().filter(|&&code| code != MISSING).for_each(|&code| counts[code as usize] += 1);
                // Of equally frequent levels the smaller text fills in.
                let first = (0..levels.len()).min_by_key(|&i| (std::cmp::Reverse(counts[i]), &levels[i]));
                if let Some(most) = first {
                    counts[most] += codes.len() as u64 - counts.iter().sum::<u64>();
                }
                for (level, count) in levels.iter().zip(&counts) {
                    *shares.entry(level.clone()).or_insert(0.0) += *count as f64 / codes.len() as f64;
                }
                fill = first.map_or(0.0, |most| shares[&levels[most]]);
            }
        }
        let encoding =
            Self { name: column.name().to_owned(), kind: kind_of(column), shares, fill, mean: 0.0, scale: 1.0 };
        let moments = Moments::of(&encoding.encode(column));
        let scale = moments.std(0.0);
        Self { mean: moments.mean, scale: if scale > 0.0 && scale.is_finite() { scale } else { 1.0 }, ..encoding }
    }

    fn encode(&self, column: &FeatureColumn) -> Vec<f64> {
        let standard = |v: f64| (v - self.mean) / self.scale;
        match column.values() {
            FeatureValues::Numeric(values) => {
                let number = |v: &f64| standard(if v.is_finite() { *v } else { self.fill });
                values.as_slice().iter().map(number).collect()
            }
            FeatureValues::Categorical { codes, levels } => {
                let of: Vec<f64> =
                    levels.iter().map(|l| standard(self.shares.get(l).copied().unwrap_or(0.0))).collect();
                let fill = standard(self.fill);
                codes.iter().map(|&code| of.get(code as usize).copied().unwrap_or(fill)).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_become_shares_and_holes_are_filled() {
        let table = |x: [f64; 4], plan: [Option<&str>; 4]| {
            FeatureMatrix::new(vec![FeatureColumn::numeric("x", x.to_vec()), FeatureColumn::from_texts("plan", plan)])
                .unwrap()
        };
        let reference = table([1.0, 3.0, f64::NAN, 2.0], [Some("a"), Some("a"), None, Some("b")]);
        let design = Design::fit(&reference).unwrap();
        let encoded = design.encode(&reference).unwrap();
        let spread = 0.5_f64.sqrt();
        assert_eq!(encoded[0], [-1.0 / spread, 1.0 / spread, 0.0, 0.0]);
        // Shares 3/4 and 1/4 with mean 5/8.
        let sd = (3.0 * 0.125_f64.powi(2) + 0.375_f64.powi(2)).sqrt() / 2.0;
        assert!((encoded[1][0] - 0.125 / sd).abs() < 1e-12 && (encoded[1][3] + 0.375 / sd).abs() < 1e-12);
        let other = design.encode(&table([f64::INFINITY; 4], [Some("new"); 4])).unwrap();
        assert!((other[1][0] + 0.625 / sd).abs() < 1e-12 && other[0][0] == 0.0);
    }
}
