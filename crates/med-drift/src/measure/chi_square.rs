//! Pearson's chi-square test of homogeneity.

use crate::levels::LevelTable;
use crate::statistics::{chi_square_sf, pearson};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, categorical};

/// sum (O - E)^2 / E over the 2 x k table of counts by level, E from the margins; p from chi-square with k - 1 degrees of freedom.
///
/// No continuity correction unless asked for. This is the two-sample test, which treats both sides as random; testing the current counts
/// against the reference's shares as if they were exact alarms far too often. 0 with p = 1 when there is only one level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChiSquare {
    /// Yates' correction for two levels, as NannyML has it.
    pub yates: bool,
}

impl DriftMeasure for ChiSquare {
    fn name(&self) -> &'static str {
        "chi_square"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Categorical
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = categorical(self, reference, current)?;
        let counts: Vec<[f64; 2]> =
            LevelTable::new(reference, current).counts.iter().map(|c| c.map(|n| n as f64)).collect();
        let statistic = pearson(&counts, self.yates && counts.len() == 2);
        Ok(Drift::tested(statistic, chi_square_sf(statistic, counts.len() - 1)))
    }
}
