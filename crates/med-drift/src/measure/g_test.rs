//! Likelihood-ratio test of homogeneity.

use crate::levels::LevelTable;
use crate::statistics::{chi_square_sf, expected};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, categorical};

/// G = 2 sum O ln(O / E) over the 2 x k table of counts by level, E from the margins; p from chi-square with k - 1 degrees of freedom.
///
/// No continuity correction. 0 with p = 1 when there is only one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GTest;

impl DriftMeasure for GTest {
    fn name(&self) -> &'static str {
        "g_test"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Categorical
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = categorical(self, reference, current)?;
        let counts: Vec<[f64; 2]> =
            LevelTable::new(reference, current).counts.iter().map(|c| c.map(|n| n as f64)).collect();
        let term = |o: f64, e: f64| if o > 0.0 { o * (o / e).ln() } else { 0.0 };
        let sum: f64 = counts.iter().zip(expected(&counts)).map(|(o, e)| term(o[0], e[0]) + term(o[1], e[1])).sum();
        let statistic = (2.0 * sum).max(0.0);
        Ok(Drift::tested(statistic, chi_square_sf(statistic, counts.len() - 1)))
    }
}
