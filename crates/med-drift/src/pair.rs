//! Two sides of a column, with what several measures need of both.

use std::sync::OnceLock;

use crate::Sample;
use crate::measure::walk::{Gaps, gaps};

/// A reference and a current sample, for any number of measures. What measures have in common is found once, when the first of them asks for it.
///
/// ```
/// use med_drift::measure::{KolmogorovSmirnov, Wasserstein};
/// use med_drift::{DriftMeasure, NumericSample, Pair, Sample};
/// let (old, new) = (NumericSample::new(&[1.0, 2.0, 3.0]), NumericSample::new(&[2.0, 3.0, 4.0]));
/// let pair = Pair::new(Sample::Numeric(&old), Sample::Numeric(&new));
/// assert!((KolmogorovSmirnov.measure_pair(&pair)?.distance - 1.0 / 3.0).abs() < 1e-15);
/// assert!((Wasserstein::default().measure_pair(&pair)?.distance - 1.5_f64.sqrt()).abs() < 1e-15);
/// # Ok::<(), med_drift::DriftError>(())
/// ```
#[derive(Debug)]
pub struct Pair<'a> {
    reference: Sample<'a>,
    current: Sample<'a>,
    gaps: OnceLock<Gaps>,
}

impl<'a> Pair<'a> {
    /// Of these samples.
    pub fn new(reference: Sample<'a>, current: Sample<'a>) -> Self {
        Self { reference, current, gaps: OnceLock::new() }
    }

    /// What is known and trusted.
    pub fn reference(&self) -> Sample<'a> {
        self.reference
    }

    /// What is new.
    pub fn current(&self) -> Sample<'a> {
        self.current
    }

    /// Gaps between the step functions of all values, infinite ones too. `None` of names, or where a side is empty.
    pub(crate) fn gaps(&self) -> Option<&Gaps> {
        match (self.reference, self.current) {
            (Sample::Numeric(r), Sample::Numeric(c)) if !r.values().is_empty() && !c.values().is_empty() => {
                Some(self.gaps.get_or_init(|| gaps(r.values(), c.values())))
            }
            _ => None,
        }
    }

    /// The same of the finite values.
    pub(crate) fn finite_gaps(&self) -> Option<Gaps> {
        match (self.reference, self.current) {
            (Sample::Numeric(r), Sample::Numeric(c)) => {
                let finite = [r.finite(), c.finite()];
                if finite[0].len() == r.values().len() && finite[1].len() == c.values().len() {
                    return self.gaps().copied();
                }
                finite.iter().all(|f| !f.is_empty()).then(|| gaps(finite[0], finite[1]))
            }
            _ => None,
        }
    }
}
