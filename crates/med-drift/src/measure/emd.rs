//! Earth mover's distance on trimmed and scaled samples.

use crate::statistics::quantile;
use crate::{DriftError, Sample, SampleKind, Side};

use super::{Drift, DriftMeasure, enough, numeric, walk};

/// W1 after trimming and scaling to \[0, 1\], as deepchecks defines it.
///
/// 1. Each side keeps the values within its own linearly interpolated quantiles `margin` and 1 - `margin` (0: all);
/// 2. both are scaled by the smallest and largest value that is left on either side;
/// 3. the distance is the integral of abs(F - G); 0 when only one value is left.
///
/// Infinities count as values; when one survives the trimming, the distance is not defined.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrimmedEarthMover {
    margin: f64,
}

impl TrimmedEarthMover {
    /// With this share trimmed at each end.
    ///
    /// # Errors
    /// When `margin` is not in \[0, 0.5).
    pub fn new(margin: f64) -> Result<Self, DriftError> {
        if !(0.0..0.5).contains(&margin) {
            return Err(DriftError::Parameter {
                parameter: "margin",
                expected: "at least 0 and below 0.5",
                found: margin,
            });
        }
        Ok(Self { margin })
    }

    fn trimmed<'a>(&self, sorted: &'a [f64]) -> &'a [f64] {
        if self.margin == 0.0 {
            return sorted;
        }
        let (low, high) = (quantile(sorted, self.margin), quantile(sorted, 1.0 - self.margin));
        let start = sorted.partition_point(|&v| v < low);
        let end = sorted.partition_point(|&v| v <= high);
        sorted.get(start..end).unwrap_or(&[])
    }
}

/// Trims 2.5 % at each end.
impl Default for TrimmedEarthMover {
    fn default() -> Self {
        Self { margin: 0.025 }
    }
}

impl DriftMeasure for TrimmedEarthMover {
    fn name(&self) -> &'static str {
        "emd"
    }

    fn supports(&self, kind: SampleKind) -> bool {
        kind == SampleKind::Numeric
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let (reference, current) = numeric(self, reference, current)?;
        let (reference, current) = (self.trimmed(reference.values()), self.trimmed(current.values()));
        enough(self.name(), Side::Reference, reference.len(), 1)?;
        enough(self.name(), Side::Current, current.len(), 1)?;
        let low = reference[0].min(current[0]);
        let high = reference[reference.len() - 1].max(current[current.len() - 1]);
        if low == high {
            return Ok(Drift::distance(0.0));
        }
        if !(low.is_finite() && high.is_finite()) {
            let reason = "a value that is not finite is left after trimming";
            return Err(DriftError::NotDefined { method: self.name(), reason });
        }
        if (1e-200..1e200).contains(&(high - low)) {
            return Ok(Drift::distance(walk::gaps(reference, current).moved / (high - low)));
        }
        // Scaled first where the unit is next to the end of what floats hold, and halves first: the range of two huge values of different sign would overflow.
        let range = high / 2.0 - low / 2.0;
        let scaled = |values: &[f64]| -> Vec<f64> { values.iter().map(|v| (v / 2.0 - low / 2.0) / range).collect() };
        Ok(Drift::distance(walk::gaps(&scaled(reference), &scaled(current)).moved))
    }
}
