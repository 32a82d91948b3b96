//! Shares of rows per bin or level: the common ground of all measures that compare two histograms.

use crate::levels::LevelTable;
use crate::statistics::quantile;
use crate::{DriftError, Sample};

use super::{DriftMeasure, categorical, finite};

/// How numbers are put into bins.
///
/// Edges are the distinct linearly interpolated quantiles of the *reference* at 0, 1/k, ..., 1. A bin is `(low, high]`;
/// the outermost two are open, so values outside the reference's range are counted. Heavy ties make fewer bins.
/// Categorical columns need no bins: each level of either side is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "usize", into = "usize")]
pub struct Bins(usize);

impl Bins {
    /// `k` bins of equal share in the reference; at least 2.
    ///
    /// # Errors
    /// When `k` is less than 2.
    pub fn new(k: usize) -> Result<Self, DriftError> {
        if k < 2 {
            return Err(DriftError::Parameter { parameter: "bins", expected: "at least 2", found: k as f64 });
        }
        Ok(Self(k))
    }

    /// How many bins are asked for.
    pub fn get(self) -> usize {
        self.0
    }

    /// The edges between bins.
    fn inner_edges(self, reference: &[f64]) -> Vec<f64> {
        let mut edges: Vec<f64> = (0..=self.0).map(|i| quantile(reference, i as f64 / self.0 as f64)).collect();
        edges.dedup();
        edges.pop();
        edges.drain(..1.min(edges.len()));
        edges
    }
}

/// Ten bins.
impl Default for Bins {
    fn default() -> Self {
        Self(10)
    }
}

impl TryFrom<usize> for Bins {
    type Error = DriftError;

    fn try_from(k: usize) -> Result<Self, Self::Error> {
        Self::new(k)
    }
}

impl From<Bins> for usize {
    fn from(bins: Bins) -> Self {
        bins.0
    }
}

/// Shares of the rows of the reference and of the current sample, bin by bin or level by level.
pub(super) fn shares(
    measure: &impl DriftMeasure,
    bins: Bins,
    reference: Sample<'_>,
    current: Sample<'_>,
) -> Result<Vec<[f64; 2]>, DriftError> {
    if let (Sample::Numeric(_), Sample::Numeric(_)) = (reference, current) {
        let (reference, current) = finite(measure, reference, current, 1)?;
        let edges = bins.inner_edges(reference);
        let (r, c) = (binned(reference, &edges), binned(current, &edges));
        return Ok(r.into_iter().zip(c).map(|(r, c)| [r, c]).collect());
    }
    let (reference, current) = categorical(measure, reference, current)?;
    let table = LevelTable::new(reference, current);
    let [n, m] = table.rows.map(|rows| rows as f64);
    Ok(table.counts.iter().map(|&[r, c]| [r as f64 / n, c as f64 / m]).collect())
}

fn binned(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let ends = edges.iter().map(|&edge| sorted.partition_point(|&v| v <= edge)).chain([sorted.len()]);
    let mut start = 0;
    ends.map(|end| {
        let share = (end - start) as f64 / sorted.len() as f64;
        start = end;
        share
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_make_fewer_bins_and_outer_bins_are_open() {
        let reference = [0.0, 0.0, 0.0, 1.0, 2.0];
        let edges = Bins::new(4).unwrap().inner_edges(&reference);
        assert_eq!(edges, [1.0]);
        assert_eq!(binned(&[-5.0, 1.0, 9.0, 9.0], &edges), [0.5, 0.5]);
        assert!(Bins::default().inner_edges(&[3.0, 3.0]).is_empty());
    }

    #[test]
    fn one_bin_is_no_histogram() {
        assert!(Bins::new(1).is_err());
    }
}
