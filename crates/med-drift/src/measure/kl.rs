//! Kullback-Leibler divergence.

use crate::{DriftError, Sample, SampleKind};

use super::shares::{Bins, Zeros, shares};
use super::{Drift, DriftMeasure};

/// sum p ln(p / q) over shares p of the reference and q of the current sample, in nats.
///
/// p and q are by level, or by [`Bins`] for numbers. Shares below 0.0001 are raised to it and nothing is renormalised, so the divergence
/// is finite; it may be a hair below 0 where a level is raised on one side, and is then given as 0.
/// Not symmetric: it weighs what the reference had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KullbackLeibler {
    /// Bins of numeric columns.
    pub bins: Bins,
    /// What is done about shares of 0. With [`Zeros::Filled`] the shares are then brought to a sum of 1 again.
    pub zeros: Zeros,
}

impl DriftMeasure for KullbackLeibler {
    fn name(&self) -> &'static str {
        "kl"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let shares = self.zeros.replaced(shares(self, self.bins, reference, current)?);
        let total = match self.zeros {
            Zeros::Floored => [1.0, 1.0],
            Zeros::Filled => [0, 1].map(|side| shares.iter().map(|s| s[side]).sum()),
        };
        let term = |&[p, q]: &[f64; 2]| {
            let (p, q) = (p / total[0], q / total[1]);
            p * (p / q).ln()
        };
        let distance = shares.iter().map(term).sum::<f64>().max(0.0);
        Ok(Drift::distance(distance))
    }
}
