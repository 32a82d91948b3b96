//! Energy distance.

use crate::{DriftError, Pair, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite, no_gaps};

/// sqrt(2 * integral of (F - G)^2), which is sqrt(2 E|X - Y| - E|X - X'| - E|Y - Y'|); in \[0, inf).
///
/// In the square root of the column's unit: a threshold holds for one column only.
///
/// Szekely, G. J. and Rizzo, M. L. (2013). Energy statistics. *J. Statistical Planning and Inference* 143, 1249-1272.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Energy;

impl DriftMeasure for Energy {
    fn name(&self) -> &'static str {
        "energy"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        self.measure_pair(&Pair::new(reference, current))
    }

    fn measure_pair(&self, pair: &Pair<'_>) -> Result<Drift, DriftError> {
        finite(self, pair.reference(), pair.current(), 1)?;
        let Some(gaps) = pair.finite_gaps() else { return Err(no_gaps(self.name())) };
        let distance = std::f64::consts::SQRT_2 * gaps.squared.sqrt();
        Drift::checked(self.name(), Drift::distance(distance), "the range overflows")
    }
}
