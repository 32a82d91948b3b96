//! Population stability index.

use crate::levels::LevelMerge;
use crate::{DriftError, Sample, SampleKind};

use super::shares::{Bins, Zeros, shares};
use super::{Drift, DriftMeasure, merged};

/// Least share in [`LevelPsi`]; with it a single level adds at most about 4.6.
const LEVEL_FLOOR: f64 = 0.01;

/// sum (p - q) ln(p / q) over shares p of the reference and q of the current sample; in \[0, inf).
///
/// p and q are by level, or by [`Bins`] for numbers. Shares below 0.0001 are raised to it, or only those of 0 ([`Zeros`]); nothing is renormalised.
/// By the usual rule of thumb below 0.1 is stable and above 0.25 a large shift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Psi {
    /// Bins of numeric columns.
    pub bins: Bins,
    /// What is done about shares of 0.
    pub zeros: Zeros,
}

impl DriftMeasure for Psi {
    fn name(&self) -> &'static str {
        "psi"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let shares = shares(self, self.bins, reference, current)?;
        let shares = self.zeros.replaced(shares);
        Ok(Drift::distance(shares.iter().map(|&[p, q]| term(p, q, 0.0)).sum()))
    }
}

/// The same sum for categorical columns as deepchecks takes it: rare levels merged first, least share 0.01.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LevelPsi {
    merge: LevelMerge,
}

impl LevelPsi {
    /// With this merging of rare levels.
    ///
    /// # Errors
    /// When a parameter of `merge` is outside its range.
    pub fn new(merge: LevelMerge) -> Result<Self, DriftError> {
        merge.validate()?;
        Ok(Self { merge })
    }

    /// With [`LevelMerge::deepchecks`].
    pub fn deepchecks() -> Self {
        Self { merge: LevelMerge::deepchecks() }
    }
}

impl DriftMeasure for LevelPsi {
    fn name(&self) -> &'static str {
        "psi"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Categorical
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let table = merged(self, self.merge, reference, current)?;
        let [n, m] = table.totals().map(|rows| rows as f64);
        let distance = table.counts.iter().map(|&[r, c]| term(r as f64 / n, c as f64 / m, LEVEL_FLOOR)).sum();
        Ok(Drift::distance(distance))
    }
}

fn term(p: f64, q: f64, floor: f64) -> f64 {
    let (p, q) = (p.max(floor), q.max(floor));
    (p - q) * (p / q).ln()
}
