//! Wasserstein-1 distance in standard deviations of the reference.

use crate::{DriftError, Pair, Sample, SampleKind};

use super::walk::Gaps;
use super::{Drift, DriftMeasure, moments, no_gaps};

/// W1 / s, where W1 is the integral of abs(F - G) and s the population standard deviation of the reference (divisor n).
///
/// How far mass must be moved, in standard deviations; in \[0, inf). 0 when W1 is 0, infinite when only s is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Wasserstein {
    /// What W1 is divided by.
    pub unit: MovedBy,
}

/// The unit of [`Wasserstein`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MovedBy {
    /// The standard deviation of the reference.
    #[default]
    Std,
    /// The same, but at least 0.001, as evidently has it. The score of a column with a small spread depends on its unit.
    StdOfAThousandth,
    /// The unit of the column, as NannyML has it.
    Raw,
}

impl DriftMeasure for Wasserstein {
    fn name(&self) -> &'static str {
        "wasserstein"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        self.measure_pair(&Pair::new(reference, current))
    }

    fn measure_pair(&self, pair: &Pair<'_>) -> Result<Drift, DriftError> {
        let (spread, _) = moments(self, pair.reference(), pair.current(), 1)?;
        let Some(Gaps { moved, .. }) = pair.finite_gaps() else { return Err(no_gaps(self.name())) };
        let unit = match self.unit {
            MovedBy::Std => spread.std(0.0),
            MovedBy::StdOfAThousandth => spread.std(0.0).max(0.001),
            MovedBy::Raw => 1.0,
        };
        let distance = if moved == 0.0 { 0.0 } else { moved / unit };
        Drift::checked(self.name(), Drift::distance(distance), "the standard deviation overflows")
    }
}
