//! Wasserstein-1 distance in standard deviations of the reference.

use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite, moments, walk};

/// W1 / s, where W1 is the integral of abs(F - G) and s the population standard deviation of the reference (divisor n).
///
/// How far mass must be moved, in standard deviations; in \[0, inf). 0 when W1 is 0, infinite when only s is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wasserstein;

impl DriftMeasure for Wasserstein {
    fn name(&self) -> &'static str {
        "wasserstein"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (spread, _) = moments(self, reference, current, 1)?;
        let (reference, current) = finite(self, reference, current, 1)?;
        let moved = walk::integral(reference, current, |gap| gap);
        let distance = if moved == 0.0 { 0.0 } else { moved / spread.std(0.0) };
        Drift::checked(self.name(), Drift::distance(distance), "the standard deviation overflows")
    }
}
