//! Stability of the standard deviation.

use crate::statistics::Moments;
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite, moments};

/// abs(s_ref - s_cur) / (s_ref + s_cur), where s is the sample standard deviation (divisor n - 1); in \[0, 1\].
///
/// 0 when both are 0: two constants spread alike. It sees the spread alone: a shift of the mean scores 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StdStability;

impl DriftMeasure for StdStability {
    fn name(&self) -> &'static str {
        "std_stability"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (r, c) = moments(self, reference, current, 2)?;
        let (finite_r, finite_c) = finite(self, reference, current, 2)?;
        let varies = |sorted: &[f64]| sorted.first() != sorted.last();
        if r.std(1.0) + c.std(1.0) == 0.0 && (varies(finite_r) || varies(finite_c)) {
            let reason = "the squares of the differences underflow";
            return Err(DriftError::NotDefined { method: self.name(), reason });
        }
        self.of_moments(r, c)
    }
}

impl StdStability {
    pub(crate) fn of_moments(self, r: Moments, c: Moments) -> Result<Drift, DriftError> {
        let (s_ref, s_cur) = (r.std(1.0), c.std(1.0));
        let total = s_ref + s_cur;
        let distance = if total == 0.0 { 0.0 } else { (s_ref - s_cur).abs() / total };
        Drift::checked(self.name(), Drift::distance(distance), "the standard deviations overflow")
    }
}
