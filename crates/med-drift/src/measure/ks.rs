//! Two-sample Kolmogorov-Smirnov.

use crate::statistics::{kolmogorov_exact, kolmogorov_limit};
use crate::{DriftError, Sample, SampleKind, Side};

use super::{Drift, DriftMeasure, enough, numeric, walk};

/// Two samples up to this size get the exact p-value, as in scipy.
const EXACT_ROWS: usize = 10_000;

/// D = max over all pooled values v of abs(F(v) - G(v)), the largest gap between the two step functions; in \[0, 1\].
///
/// The distance is computed in doubles as `abs(count_x / n - count_y / m)`. Infinities count as values.
/// The p-value is that of the two-sided test: exact up to 10,000 rows on the larger side (by counting lattice paths), beyond that Kolmogorov's
/// limit of D sqrt(nm / (n + m)). With ties it is conservative.
///
/// Hodges, J. L. (1958). The significance probability of the Smirnov two-sample test. *Arkiv foer Matematik* 3, 469-486.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KolmogorovSmirnov;

impl DriftMeasure for KolmogorovSmirnov {
    fn name(&self) -> &'static str {
        "ks"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = numeric(self, reference, current)?;
        let (reference, current) = (reference.values(), current.values());
        let (n, m) = (reference.len(), current.len());
        enough(self.name(), Side::Reference, n, 1)?;
        enough(self.name(), Side::Current, m, 1)?;
        let mut distance = 0.0_f64;
        // The same gap times n m, in integers: the test needs to know exactly which gaps are as large.
        let mut gap = 0_u128;
        walk::pooled(reference, current, |_, i, j| {
            distance = distance.max((i as f64 / n as f64 - j as f64 / m as f64).abs());
            gap = gap.max((i as u128 * m as u128).abs_diff(j as u128 * n as u128));
        });
        Ok(Drift::tested(distance, p_value(n, m, distance, gap)))
    }
}

/// P(D >= distance) without drift; `gap` is the distance times n m.
pub(crate) fn p_value(n: usize, m: usize, distance: f64, gap: u128) -> f64 {
    if n.max(m) <= EXACT_ROWS {
        kolmogorov_exact(n, m, gap as u64)
    } else {
        let (n, m) = (n as f64, m as f64);
        kolmogorov_limit(distance * (n * m / (n + m)).sqrt())
    }
}
