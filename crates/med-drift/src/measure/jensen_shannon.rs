//! Jensen-Shannon distance.

use crate::{DriftError, Sample, SampleKind};

use super::shares::{Bins, shares};
use super::{Drift, DriftMeasure};

/// sqrt(JSD) in base 2, where JSD = (KL(p, a) + KL(q, a)) / 2 and a = (p + q) / 2; in \[0, 1\].
///
/// p and q are shares of the reference and of the current sample by level, or by [`Bins`] for numbers. No smoothing is
/// needed: a is 0 only where both are.
///
/// Endres, D. M. and Schindelin, J. E. (2003). A new metric for probability distributions. *IEEE Trans. Information
/// Theory* 49, 1858-1860.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JensenShannon {
    /// Bins of numeric columns.
    pub bins: Bins,
    /// The natural logarithm in place of base 2: the same times sqrt(ln 2), at most 0.8326.
    pub natural: bool,
}

impl DriftMeasure for JensenShannon {
    fn name(&self) -> &'static str {
        "jensen_shannon"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let shares = shares(self, self.bins, reference, current)?;
        let part = |share: f64, mean: f64| if share > 0.0 { share * (share / mean).log2() } else { 0.0 };
        let sum: f64 = shares.iter().map(|&[p, q]| part(p, (p + q) / 2.0) + part(q, (p + q) / 2.0)).sum();
        // Rounding may leave a sum of two equal histograms a hair below 0, or of two disjoint ones above 2.
        let unit = if self.natural { std::f64::consts::LN_2 } else { 1.0 };
        let distance = ((sum / 2.0).clamp(0.0, 1.0) * unit).sqrt();
        Ok(Drift::distance(distance))
    }
}
