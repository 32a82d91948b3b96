//! Hellinger distance.

use crate::{DriftError, Sample, SampleKind};

use super::shares::{Bins, shares};
use super::{Drift, DriftMeasure};

/// sqrt(sum (sqrt p - sqrt q)^2 / 2) over shares p of the reference and q of the current sample; in \[0, 1\].
///
/// Numbers are put into [`Bins`] first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hellinger {
    /// Bins of numeric columns.
    pub bins: Bins,
}

impl DriftMeasure for Hellinger {
    fn name(&self) -> &'static str {
        "hellinger"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let shares = shares(self, self.bins, reference, current)?;
        let sum: f64 = shares.iter().map(|[p, q]| (p.sqrt() - q.sqrt()).powi(2)).sum();
        let distance = (sum / 2.0).sqrt().min(1.0);
        Ok(Drift::distance(distance))
    }
}
