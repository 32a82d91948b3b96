//! Two-sample Kuiper.

use crate::statistics::kuiper_limit;
use crate::{DriftError, Sample, SampleKind, Side};

use super::{Drift, DriftMeasure, enough, numeric, walk};

/// V = max(F - G) + max(G - F) over all pooled values; in \[0, 1\].
///
/// As Kolmogorov-Smirnov, but as sensitive in the tails as about the median: a wider distribution with the same middle, where both gaps are half as
/// large, scores as much as a shift. Infinities count as values. The p-value is Kuiper's limit at V (sqrt k + 0.155 + 0.24 / sqrt k), k = nm / (n + m), good
/// from about k = 4 on; with ties it is conservative.
///
/// Kuiper, N. H. (1960). Tests concerning random points on a circle. *Indagationes Mathematicae* 22, 38-47. Stephens, M. A. (1970). Use of the
/// Kolmogorov-Smirnov, Cramer-von Mises and related statistics without extensive tables. *J. R. Statistical Society B* 32, 115-122.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kuiper;

impl DriftMeasure for Kuiper {
    fn name(&self) -> &'static str {
        "kuiper"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = numeric(self, reference, current)?;
        let (reference, current) = (reference.values(), current.values());
        enough(self.name(), Side::Reference, reference.len(), 1)?;
        enough(self.name(), Side::Current, current.len(), 1)?;
        let (n, m) = (reference.len() as f64, current.len() as f64);
        let (mut above, mut below) = (0.0_f64, 0.0_f64);
        walk::pooled(reference, current, |_, i, j| {
            let gap = i as f64 / n - j as f64 / m;
            above = above.max(gap);
            below = below.max(-gap);
        });
        let distance = (above + below).min(1.0);
        Ok(Drift::tested(distance, p_value(n, m, distance)))
    }
}

/// P(V >= distance) without drift, for n and m rows.
pub(crate) fn p_value(n: f64, m: f64, distance: f64) -> f64 {
    let root = (n * m / (n + m)).sqrt();
    kuiper_limit(distance * (root + 0.155 + 0.24 / root))
}
