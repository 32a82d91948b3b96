//! Two proportions.

use crate::statistics::normal_sf;
use crate::{DriftError, Sample, SampleKind};

use super::chi_square_one_way::level_counts;
use super::{Drift, DriftMeasure};

/// abs(z) of the difference between two proportions with pooled variance; p from the normal distribution, two-sided.
///
/// The proportion is that of all rows but those of the smallest level (the first text, the smallest number), so the test says all there is to say about
/// two levels and is blind to what happens among the others of more. 0 with p = 1 when both sides have only the same one level.
///
/// z = (a - b) / sqrt(c (1 - c) (1 / n + 1 / m)), with a and b the proportions of the two sides and c that of both together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ZTest;

impl DriftMeasure for ZTest {
    fn name(&self) -> &'static str {
        "z_test"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let counts = level_counts(self, reference, current)?;
        let [n, m] = [0, 1].map(|side| counts.iter().map(|c| c[side]).sum::<f64>());
        if counts.len() < 2 {
            return Ok(Drift::tested(0.0, 1.0));
        }
        let [a, b] = [1.0 - counts[0][0] / n, 1.0 - counts[0][1] / m];
        if a == b {
            return Ok(Drift::tested(0.0, 1.0));
        }
        let pooled = (a * n + b * m) / (n + m);
        let z = ((a - b) / (pooled * (1.0 - pooled) * (1.0 / n + 1.0 / m)).sqrt()).abs();
        Drift::checked(self.name(), Drift::tested(z, (2.0 * normal_sf(z)).min(1.0)), "a side is too small")
    }
}
