//! Welch's t.

use crate::statistics::Moments;
use crate::{DriftError, Sample, SampleKind};

use super::t_test::compared;
use super::{Drift, DriftMeasure, moments};

/// abs(t) of Welch's test, which does not assume equal variances; p two-sided with the Welch-Satterthwaite degrees of freedom.
///
/// It sees the mean alone. Equal means give 0 with p = 1; two different constants infinity with p = 0.
///
/// Welch, B. L. (1947). The generalization of Student's problem when several different population variances are involved.
/// *Biometrika* 34, 28-35.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WelchT;

impl DriftMeasure for WelchT {
    fn name(&self) -> &'static str {
        "welch"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (r, c) = moments(self, reference, current, 2)?;
        self.of_moments(r, c)
    }
}

impl WelchT {
    pub(crate) fn of_moments(self, r: Moments, c: Moments) -> Result<Drift, DriftError> {
        let (of_r, of_c) = (r.variance(1.0) / r.rows, c.variance(1.0) / c.rows);
        let error = of_r + of_c;
        // Two constants: any number will do, as t is 0 or infinite.
        let freedom = if error == 0.0 {
            1.0
        } else {
            error.powi(2) / (of_r.powi(2) / (r.rows - 1.0) + of_c.powi(2) / (c.rows - 1.0))
        };
        Drift::checked(self.name(), compared(r.mean - c.mean, error.sqrt(), freedom), "the variance overflows")
    }
}
