//! Student's t.

use crate::statistics::{Moments, student_two_sided};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, moments};

/// abs(t) of Student's two-sample test with pooled variance; p two-sided with n + m - 2 degrees of freedom.
///
/// It sees the mean alone. Equal means give 0 with p = 1, also for two constants; two different constants infinity with p = 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StudentT;

impl DriftMeasure for StudentT {
    fn name(&self) -> &'static str {
        "t_test"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (r, c) = moments(self, reference, current, 1)?;
        self.of_moments(r, c)
    }
}

impl StudentT {
    pub(crate) fn of_moments(self, r: Moments, c: Moments) -> Result<Drift, DriftError> {
        let freedom = r.rows + c.rows - 2.0;
        if freedom == 0.0 {
            let reason = "one row on each side has no variance";
            return Err(DriftError::NotDefined { method: self.name(), reason });
        }
        let pooled = (r.squares + c.squares) / freedom;
        let drift = compared(r.mean - c.mean, (pooled * (1.0 / r.rows + 1.0 / c.rows)).sqrt(), freedom);
        Drift::checked(self.name(), drift, "the variance overflows")
    }
}

/// The t test of a difference of means with this standard error.
pub(super) fn compared(difference: f64, error: f64, freedom: f64) -> Drift {
    if difference == 0.0 {
        return Drift::tested(0.0, 1.0);
    }
    let t = (difference / error).abs();
    Drift::tested(t, student_two_sided(t, freedom))
}
