//! Chi-square against the reference's shares.

use crate::levels::LevelTable;
use crate::statistics::chi_square_sf;
use crate::{DriftError, Sample, SampleKind};

use super::shares::by_value;
use super::{Drift, DriftMeasure, categorical, finite};

/// sum (O - E)^2 / E over the levels, O the current counts and E those of the reference times m / n; p from chi-square with k - 1 degrees of freedom.
///
/// This is evidently's test. It takes the shares of the reference for exact, so at equal sizes it alarms in about a quarter of undrifted columns with five levels
/// and nearly always with fifty: it is here to reproduce evidently's verdicts; use [`ChiSquare`](super::ChiSquare). Every value of a numeric column is a level.
/// Infinite with p = 0 when the reference lacks a level, not defined when there is only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ChiSquareOneWay;

impl DriftMeasure for ChiSquareOneWay {
    fn name(&self) -> &'static str {
        "chi_square"
    }

    fn supports(&self, _: SampleKind) -> bool {
        true
    }

    fn measure(&self, reference: Sample<'_>, current: Sample<'_>) -> Result<Drift, DriftError> {
        let counts = level_counts(self, reference, current)?;
        if counts.len() < 2 {
            return Err(DriftError::NotDefined { method: self.name(), reason: "there is only one level" });
        }
        let [n, m] = [0, 1].map(|side| counts.iter().map(|c| c[side]).sum::<f64>());
        let term = |&[r, c]: &[f64; 2]| {
            let expected = r * (m / n);
            (c - expected) * (c - expected) / expected
        };
        let statistic: f64 = counts.iter().map(term).sum();
        let p_value = if statistic.is_infinite() { 0.0 } else { chi_square_sf(statistic, counts.len() - 1) };
        Ok(Drift::tested(statistic, p_value))
    }
}

/// Counts of both sides by level, or by value for numbers; ascending.
pub(super) fn level_counts(
    measure: &impl DriftMeasure,
    reference: Sample<'_>,
    current: Sample<'_>,
) -> Result<Vec<[f64; 2]>, DriftError> {
    if let (Sample::Numeric(_), Sample::Numeric(_)) = (reference, current) {
        let (reference, current) = finite(measure, reference, current, 1)?;
        return Ok(by_value(reference, current).into_iter().map(|c| c.map(|n| n as f64)).collect());
    }
    let (reference, current) = categorical(measure, reference, current)?;
    Ok(LevelTable::new(reference, current).counts.into_iter().map(|c| c.map(|n| n as f64)).collect())
}
