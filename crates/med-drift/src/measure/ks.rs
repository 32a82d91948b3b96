//! Two-sample Kolmogorov-Smirnov.

use crate::statistics::{kolmogorov_exact, kolmogorov_limit};
use crate::{DriftError, Pair, Sample, SampleKind, Side};

use super::{Drift, DriftMeasure, enough, no_gaps, numeric};

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
        self.measure_pair(&Pair::new(reference, current))
    }

    fn measure_pair(&self, pair: &Pair<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = numeric(self, pair.reference(), pair.current())?;
        let (n, m) = (reference.values().len(), current.values().len());
        enough(self.name(), Side::Reference, n, 1)?;
        enough(self.name(), Side::Current, m, 1)?;
        let Some(gaps) = pair.gaps() else { return Err(no_gaps(self.name())) };
        Ok(Drift::tested(gaps.distance, p_value(n, m, gaps.distance, gaps.gap)))
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
