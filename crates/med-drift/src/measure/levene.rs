//! Levene's test of equal spread.

use crate::statistics::{Moments, f_sf, pairwise_sum};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite};

/// Levene's W with the median as the centre (Brown and Forsythe); p from F with 1 and n + m - 2 degrees of freedom.
///
/// It sees the spread alone: W is the analysis of variance of the distances abs(v - median). 0 with p = 1 when the mean distances are
/// equal, also for two constants.
///
/// Brown, M. B. and Forsythe, A. B. (1974). Robust tests for the equality of variances. *JASA* 69, 364-367.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Levene;

impl DriftMeasure for Levene {
    fn name(&self) -> &'static str {
        "levene"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = finite(self, reference, current, 1)?;
        let freedom = (reference.len() + current.len()) as f64 - 2.0;
        if freedom == 0.0 {
            let reason = "one row on each side has no spread";
            return Err(DriftError::NotDefined { method: self.name(), reason });
        }
        let (zr, zc) = (distances(reference), distances(current));
        let (r, c) = (Moments::of(&zr), Moments::of(&zc));
        if r.mean == c.mean {
            return Ok(Drift::tested(0.0, 1.0));
        }
        let mean = (pairwise_sum(&zr, |z| z) + pairwise_sum(&zc, |z| z)) / (r.rows + c.rows);
        let between = r.rows * (r.mean - mean).powi(2) + c.rows * (c.mean - mean).powi(2);
        let w = freedom * between / (r.squares + c.squares);
        Drift::checked(self.name(), Drift::tested(w, f_sf(w, 1.0, freedom)), "the spread overflows")
    }
}

/// Distances of sorted values from their median.
fn distances(sorted: &[f64]) -> Vec<f64> {
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { f64::midpoint(sorted[middle - 1], sorted[middle]) };
    sorted.iter().map(|v| (v - median).abs()).collect()
}
