//! Mann-Whitney U.

use crate::statistics::{mann_whitney_exact, normal_sf};
use crate::{DriftError, Sample, SampleKind};

use super::{Drift, DriftMeasure, finite, walk};

/// abs(2 U / (nm) - 1), the rank-biserial correlation abs(P(X < Y) - P(X > Y)); in \[0, 1\].
///
/// U itself is smallest *and* largest under drift, so it cannot be the distance. p is that of the two-sided test by the normal limit,
/// with the tie correction of the variance and a continuity correction of 1/2. p = 1 when all values are equal.
///
/// Mann, H. B. and Whitney, D. R. (1947). On a test of whether one of two random variables is stochastically larger than
/// the other. *Annals of Mathematical Statistics* 18, 50-60.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MannWhitney {
    /// Which differences count.
    pub against: Alternative,
    /// The exact p-value when a side has at most 8 rows and nothing is tied, as scipy chooses it.
    pub exact: bool,
}

/// What a p-value of [`MannWhitney`] holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Alternative {
    /// Any shift.
    #[default]
    TwoSided,
    /// The current sample is the larger; a fall is never drift. evidently tests this.
    CurrentLarger,
}

/// Smaller side up to which the p-value is exact.
const EXACT_ROWS: usize = 8;

impl DriftMeasure for MannWhitney {
    fn name(&self) -> &'static str {
        "mann_whitney"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = finite(self, reference, current, 1)?;
        let (n, m) = (reference.len() as f64, current.len() as f64);
        // Twice U of the reference: pairs in which it is larger count 2, equal pairs 1. Integers, hence exact.
        let mut twice_u = 0_u128;
        let mut ties = 0.0;
        let (mut i0, mut j0) = (0, 0);
        walk::pooled(reference, current, |_, i, j| {
            let (r, c) = ((i - i0) as u128, (j - j0) as u128);
            twice_u += r * (2 * j0 as u128 + c);
            let t = (r + c) as f64;
            ties += t * t * t - t;
            (i0, j0) = (i, j);
        });
        let u = twice_u as f64 / 2.0;
        let distance = (2.0 * u / (n * m) - 1.0).abs();
        let rows = n + m;
        let (u, mean) = match self.against {
            Alternative::TwoSided => (u.max(n * m - u), n * m / 2.0),
            Alternative::CurrentLarger => (n * m - u, n * m / 2.0),
        };
        let sides = if self.against == Alternative::TwoSided { 2.0 } else { 1.0 };
        let small = ties == 0.0 && reference.len().min(current.len()) <= EXACT_ROWS;
        let exact = (self.exact && small).then(|| mann_whitney_exact(reference.len(), current.len(), u as u64));
        if let Some(tail) = exact.flatten() {
            return Ok(Drift::tested(distance, (sides * tail).min(1.0)));
        }
        let std = (n * m / 12.0 * ((rows + 1.0) - ties / (rows * (rows - 1.0)))).sqrt();
        if std == 0.0 {
            return Ok(Drift::tested(0.0, 1.0));
        }
        let z = (u - mean - 0.5) / std;
        Drift::checked(self.name(), Drift::tested(distance, (sides * normal_sf(z)).min(1.0)), "too few rows")
    }
}
