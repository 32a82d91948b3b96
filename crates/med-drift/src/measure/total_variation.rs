//! Total variation distance.

use crate::{DriftError, Sample, SampleKind};

use super::shares::{Bins, shares};
use super::{Drift, DriftMeasure};

/// sum abs(p - q) / 2 over shares p of the reference and q of the current sample; in \[0, 1\].
///
/// The share of rows that would have to change their level, or for numbers their bin in [`Bins`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TotalVariation {
    /// Bins of numeric columns.
    pub bins: Bins,
}

impl DriftMeasure for TotalVariation {
    fn name(&self) -> &'static str {
        "tv"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let shares = shares(self, self.bins, reference, current)?;
        let distance = shares.iter().map(|[p, q]| (p - q).abs()).sum::<f64>() / 2.0;
        Ok(Drift::distance(distance))
    }
}
