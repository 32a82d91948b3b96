//! Which predictions lie beyond all that a model has been fitted on.

use std::fmt;

use med_schema::Dataset;
use serde::{Deserialize, Serialize};

use crate::input::annualised;

/// The largest target that a model was fitted on, and by it the predictions that nothing in the training part speaks for.
///
/// A model on a log link goes on by a constant factor a unit outside its training part: a year of birth in a column of ages is predicted at
/// `exp(b * 1980)`. A prediction beyond ten times the largest target (per unit of exposure, of rows with a weight above 0) is no
/// extrapolation that one would want, but it may be what was asked for: it is counted, and not changed. The parameter `prediction_cap` of
/// [`Glm`](crate::Glm) and its presets does change it.
///
/// ```
/// use med_model::PredictionBound;
/// use med_schema::{Dataset, FeatureColumn, FeatureMatrix};
/// let x = FeatureMatrix::new(vec![FeatureColumn::numeric("age", vec![30.0, 40.0])])?;
/// let bound = PredictionBound::of(&Dataset::new(x, "cost", vec![700.0, 950.0])?).ok_or("no cost above 0")?;
/// assert_eq!(bound.bound(), 9500.0);
/// assert_eq!(bound.beyond(&[800.0, 9500.0, 1e36]).map(|b| (b.rows, b.first_row)), Some((1, 2)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct PredictionBound(f64);

impl PredictionBound {
    /// A prediction is beyond when it is more than this many times the largest target.
    pub const FACTOR: f64 = 10.0;

    /// By the training part. `None` where no target of a row that counts is above 0, since there is no scale then.
    pub fn of(train: &Dataset) -> Option<Self> {
        let (y, weights) = annualised(train);
        let counts = |row: usize| weights.as_ref().is_none_or(|w| w[row] > 0.0);
        Self::of_targets(y.iter().enumerate().filter(|&(row, _)| counts(row)).map(|(_, &y)| y))
    }

    /// By the targets of rows that count.
    pub(crate) fn of_targets(targets: impl Iterator<Item = f64>) -> Option<Self> {
        Self::try_from(targets.fold(0.0, f64::max)).ok()
    }

    /// The largest target per unit of exposure.
    pub fn largest_target(self) -> f64 {
        self.0
    }

    /// The largest prediction that is not beyond.
    pub fn bound(self) -> f64 {
        self.times(Self::FACTOR)
    }

    /// A multiple of the largest target, or the largest number.
    pub(crate) fn times(self, factor: f64) -> f64 {
        (factor * self.0).min(f64::MAX)
    }

    /// How many of these predictions per unit of exposure are beyond; `None` when none is.
    pub fn beyond(self, predicted: &[f64]) -> Option<Beyond> {
        let bound = self.bound();
        let is_beyond = |p: f64| p > bound || p.is_nan();
        let mut rows = predicted.iter().enumerate().filter(|&(_, &p)| is_beyond(p)).map(|(row, _)| row);
        let first_row = rows.next()?;
        Some(Beyond { rows: 1 + rows.count(), of: predicted.len(), first_row })
    }
}

/// The bound that is no positive number.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the largest target: expected a finite number above 0, found {0}")]
pub struct NoBound(f64);

impl TryFrom<f64> for PredictionBound {
    type Error = NoBound;

    fn try_from(largest: f64) -> Result<Self, NoBound> {
        if largest > 0.0 && largest.is_finite() { Ok(Self(largest)) } else { Err(NoBound(largest)) }
    }
}

impl From<PredictionBound> for f64 {
    fn from(bound: PredictionBound) -> Self {
        bound.0
    }
}

/// Predictions beyond a [`PredictionBound`]. Displayed as a sentence, without a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Beyond {
    /// How many.
    pub rows: usize,
    /// Of how many.
    pub of: usize,
    /// The first, from 0.
    pub first_row: usize,
}

impl fmt::Display for Beyond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, of, first_row } = self;
        write!(
            f,
            "{rows} of {of} predictions (the first in row {first_row}, from 0) are more than {} times the largest target of the training \
             part: look for features of these rows that are far outside of it",
            PredictionBound::FACTOR
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use med_schema::{FeatureColumn, FeatureMatrix};

    fn data(y: &[f64]) -> Dataset {
        let x = FeatureColumn::numeric("x", vec![0.0; y.len()]);
        Dataset::new(FeatureMatrix::new(vec![x]).unwrap(), "y", y.to_vec()).unwrap()
    }

    #[test]
    fn the_largest_rate_of_rows_that_count_decides() {
        assert_eq!(PredictionBound::of(&data(&[1.0, 4.0])).unwrap().largest_target(), 4.0);
        let weighted = data(&[1.0, 4.0]).with_weights(vec![1.0, 0.0]).unwrap();
        assert_eq!(PredictionBound::of(&weighted).unwrap().largest_target(), 1.0);
        let half_a_year = data(&[1.0, 4.0]).with_exposure(vec![1.0, 0.5]).unwrap();
        assert_eq!(PredictionBound::of(&half_a_year).unwrap().bound(), 80.0);
        assert_eq!(PredictionBound::of(&data(&[0.0, -3.0])), None);
    }

    #[test]
    fn what_is_beyond_is_counted_and_not_told() {
        let bound = PredictionBound::of(&data(&[2.0])).unwrap();
        assert_eq!(bound.beyond(&[20.0, -1.0]), None);
        let beyond = bound.beyond(&[1.0, 20.5, 8.9e36]).unwrap();
        assert_eq!((beyond.rows, beyond.of, beyond.first_row), (2, 3, 1));
        let text = beyond.to_string();
        assert!(text.starts_with("2 of 3 predictions (the first in row 1") && !text.contains("20.5"), "{text}");
    }

    #[test]
    fn it_is_a_number_in_files_and_no_other_comes_in() {
        let bound = PredictionBound::of(&data(&[2.5])).unwrap();
        assert_eq!(serde_json::to_string(&bound).unwrap(), "2.5");
        assert_eq!(serde_json::from_str::<PredictionBound>("2.5").unwrap(), bound);
        assert!(serde_json::from_str::<PredictionBound>("0.0").is_err());
        assert!(serde_json::from_str::<PredictionBound>("-1").is_err());
    }
}
