//! Largest difference of shares.

use crate::{DriftError, Sample, SampleKind};

use super::shares::{Bins, shares};
use super::{Drift, DriftMeasure};

/// max abs(p - q) over shares p of the reference and q of the current sample; in \[0, 1\].
///
/// The level, or for numbers the bin of [`Bins`], that gained or lost most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LInfinity {
    /// Bins of numeric columns.
    pub bins: Bins,
}

impl DriftMeasure for LInfinity {
    fn name(&self) -> &'static str {
        "l_infinity"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let shares = shares(self, self.bins, reference, current)?;
        let distance = shares.iter().map(|[p, q]| (p - q).abs()).fold(0.0, f64::max);
        Ok(Drift::distance(distance))
    }
}
