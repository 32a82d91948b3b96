//! Two-sample Cramer-von Mises.

use crate::statistics::{cramer_von_mises_exact, cramer_von_mises_limit_sf};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite, walk};

/// T = U / (nm(n + m)) - (4nm - 1) / (6(n + m)), where U = n sum (r_i - i)^2 + m sum (s_j - j)^2 over the midranks r, s
/// of the two sorted samples in the pooled one.
///
/// The p-value is that of the limit distribution at T brought to its mean and variance, or on request exact for up to 20 rows a side (without ties; the
/// exact law of tied samples is another, and the p-value then an approximation).
///
/// Anderson, T. W. (1962). On the distribution of the two-sample Cramer-von Mises criterion. *Annals of Mathematical Statistics* 33, 1148-1159.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CramerVonMises {
    /// Exact p-values when neither side has more than 20 rows, as scipy and evidently have them.
    pub exact: bool,
}

/// Largest side with an exact p-value.
const EXACT_ROWS: usize = 20;

impl DriftMeasure for CramerVonMises {
    fn name(&self) -> &'static str {
        "cramer_von_mises"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = finite(self, reference, current, 2)?;
        let (n, m) = (reference.len() as f64, current.len() as f64);
        let (mut of_r, mut of_c) = (0.0, 0.0);
        let (mut i0, mut j0) = (0, 0);
        walk::pooled(reference, current, |_, i, j| {
            let rank = ((i0 + j0) as f64 + 1.0 + (i + j) as f64) / 2.0;
            let squares = |from: usize, to: usize| ((from + 1)..=to).map(|k| (rank - k as f64).powi(2)).sum::<f64>();
            of_r += squares(i0, i);
            of_c += squares(j0, j);
            (i0, j0) = (i, j);
        });
        let (pairs, rows) = (n * m, n + m);
        let small = reference.len().max(current.len()) <= EXACT_ROWS;
        let t = (n * of_r + m * of_c) / (pairs * rows) - (4.0 * pairs - 1.0) / (6.0 * rows);
        if self.exact && small {
            let p_value = cramer_von_mises_exact(reference.len(), current.len(), n * of_r + m * of_c);
            return Ok(Drift::tested(t, p_value));
        }
        let mean = (1.0 + 1.0 / rows) / 6.0;
        let variance = (rows + 1.0) * (4.0 * pairs * rows - 3.0 * (n * n + m * m) - 2.0 * pairs)
            / (45.0 * rows * rows * 4.0 * pairs);
        let limit = 1.0 / 6.0 + (t - mean) / (45.0 * variance).sqrt();
        Drift::checked(self.name(), Drift::tested(t, cramer_von_mises_limit_sf(limit)), "too few rows")
    }
}
