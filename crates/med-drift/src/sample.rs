//! One side of a column, prepared once and shared by all measures.

use std::fmt;

use med_schema::{FeatureColumn, FeatureValues, MISSING};
use serde::{Deserialize, Serialize};

use crate::DriftError;
use crate::statistics::{Moments, Scratch, sorted_numbers};

/// How the values of a column are compared. It comes from the caller and is never guessed from the values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleKind {
    /// As numbers.
    Numeric,
    /// As names.
    Categorical,
}

impl fmt::Display for SampleKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Numeric => "numeric",
            Self::Categorical => "categorical",
        })
    }
}

/// Numbers in ascending order, missing values counted and set aside.
///
/// Sorting is the one expensive step of most measures, so it is done here, once, and so are mean and variance. Those are
/// summed in the order of the rows, as numpy does, so that another order may change their last digits. Time O(n), of small samples O(n log n);
/// memory 8 bytes a row, 8 more while it sorts.
///
/// ```
/// use med_drift::NumericSample;
/// let sample = NumericSample::new(&[3.0, f64::NAN, 1.0, f64::INFINITY]);
/// assert_eq!(sample.values(), [1.0, 3.0, f64::INFINITY]);
/// assert_eq!(sample.finite(), [1.0, 3.0]);
/// assert_eq!(sample.missing(), 1);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct NumericSample {
    sorted: Vec<f64>,
    finite: std::ops::Range<usize>,
    missing: usize,
    moments: Moments,
}

impl NumericSample {
    /// Prepares these values; NaN is missing, infinities are values.
    pub fn new(values: &[f64]) -> Self {
        Self::within(values, &Scratch::default())
    }

    fn within(values: &[f64], scratch: &Scratch) -> Self {
        let sorted = sorted_numbers(values, scratch);
        let start = sorted.partition_point(|&v| v == f64::NEG_INFINITY);
        let end = sorted.partition_point(|&v| v < f64::INFINITY);
        let missing = values.len() - sorted.len();
        let moments = if end - start == values.len() {
            Moments::of(values)
        } else {
            Moments::of(&values.iter().copied().filter(|v| v.is_finite()).collect::<Vec<_>>())
        };
        Self { sorted, finite: start..end, missing, moments }
    }

    /// Of values that are in order already, and none missing.
    pub(crate) fn from_sorted(sorted: Vec<f64>) -> Self {
        let start = sorted.partition_point(|&v| v == f64::NEG_INFINITY);
        let end = sorted.partition_point(|&v| v < f64::INFINITY);
        let moments = Moments::of(&sorted[start..end]);
        Self { sorted, finite: start..end, missing: 0, moments }
    }

    /// Prepares values that are there, with so many missing besides.
    pub(crate) fn with_missing(values: &[f64], missing: usize) -> Self {
        let sample = Self::new(values);
        Self { missing: sample.missing + missing, ..sample }
    }

    /// The values that are there, ascending, infinities included.
    pub fn values(&self) -> &[f64] {
        &self.sorted
    }

    /// The finite values, ascending.
    pub fn finite(&self) -> &[f64] {
        &self.sorted[self.finite.clone()]
    }

    /// Rows without a value.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// The same with infinities taken for missing; `None` when there are none.
    pub(crate) fn without_infinite(&self) -> Option<Self> {
        let sorted = self.finite().to_vec();
        let infinite = self.sorted.len() - sorted.len();
        let finite = 0..sorted.len();
        (infinite > 0).then_some(Self { sorted, finite, missing: self.missing + infinite, moments: self.moments })
    }

    /// Whether every row holds a whole number.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing == 0 && self.sorted.iter().all(|v| v.is_finite() && v.fract() == 0.0)
    }

    /// Moments of the finite values.
    pub(crate) fn moments(&self) -> Moments {
        self.moments
    }
}

/// Rows by level, ascending by the level's text, missing values counted and set aside.
///
/// Levels are compared as texts, exactly: nothing is trimmed or case-folded. Levels without rows are left out, so the
/// two sides may list levels in another order, or other levels.
///
/// ```
/// use med_drift::CategoricalSample;
/// use med_schema::MISSING;
/// let levels = ["yes".to_owned(), "no".to_owned(), "unused".to_owned()];
/// let sample = CategoricalSample::new(&[0, 0, MISSING, 1], &levels)?;
/// assert_eq!(sample.counts().collect::<Vec<_>>(), [("no", 1), ("yes", 2)]);
/// assert_eq!((sample.rows(), sample.missing()), (3, 1));
/// # Ok::<(), med_drift::DriftError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CategoricalSample {
    counts: Vec<(String, u64)>,
    rows: usize,
    missing: usize,
}

impl CategoricalSample {
    /// Counts these codes into `levels`; [`MISSING`] is missing.
    ///
    /// # Errors
    /// When a code that is not [`MISSING`] has no level.
    pub fn new(codes: &[u32], levels: &[String]) -> Result<Self, DriftError> {
        let mut by_code = vec![0_u64; levels.len()];
        let mut missing = 0;
        for (row, &code) in codes.iter().enumerate() {
            match by_code.get_mut(code as usize) {
                Some(count) => *count += 1,
                None if code == MISSING => missing += 1,
                None => return Err(DriftError::Code { row, code, levels: levels.len() }),
            }
        }
        let counts = levels.iter().zip(by_code).filter(|&(_, n)| n > 0).map(|(l, n)| (l.clone(), n)).collect();
        Ok(Self::from_counts(counts, missing))
    }

    /// Of levels that are counted already, each at least once.
    pub(crate) fn from_counts(mut counts: Vec<(String, u64)>, missing: usize) -> Self {
        counts.sort_unstable();
        // A list of levels may hold one text twice; its rows belong together.
        counts.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 += later.1;
            }
            same
        });
        let rows = counts.iter().map(|(_, count)| *count as usize).sum();
        Self { counts, rows, missing }
    }

    /// Level and number of rows, ascending by level, each at least 1.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.counts.iter().map(|(level, count)| (level.as_str(), *count))
    }

    /// Rows with a value.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows without a value.
    pub fn missing(&self) -> usize {
        self.missing
    }
}

/// A prepared side, borrowed: what a measure takes.
#[derive(Debug, Clone, Copy)]
pub enum Sample<'a> {
    /// Sorted numbers.
    Numeric(&'a NumericSample),
    /// Counted levels.
    Categorical(&'a CategoricalSample),
}

impl Sample<'_> {
    /// Numeric or categorical.
    pub fn kind(self) -> SampleKind {
        match self {
            Self::Numeric(_) => SampleKind::Numeric,
            Self::Categorical(_) => SampleKind::Categorical,
        }
    }

    /// Rows with a value.
    pub fn rows(self) -> usize {
        match self {
            Self::Numeric(sample) => sample.values().len(),
            Self::Categorical(sample) => sample.rows(),
        }
    }

    /// Rows without a value.
    pub fn missing(self) -> usize {
        match self {
            Self::Numeric(sample) => sample.missing(),
            Self::Categorical(sample) => sample.missing(),
        }
    }
}

/// A prepared side, owned.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnSample {
    /// Sorted numbers.
    Numeric(NumericSample),
    /// Counted levels.
    Categorical(CategoricalSample),
}

impl ColumnSample {
    /// Prepares a feature.
    ///
    /// # Errors
    /// When a code has no level.
    pub fn new(column: &FeatureColumn) -> Result<Self, DriftError> {
        Self::within(column, &Scratch::default())
    }

    /// The same in memory that was used before.
    pub(crate) fn within(column: &FeatureColumn, scratch: &Scratch) -> Result<Self, DriftError> {
        Ok(match column.values() {
            FeatureValues::Numeric(values) => Self::Numeric(NumericSample::within(values.as_slice(), scratch)),
            FeatureValues::Categorical { codes, levels } => Self::Categorical(CategoricalSample::new(codes, levels)?),
        })
    }

    /// Both sides of a column, one beside the other.
    pub(crate) fn both([reference, current]: [&FeatureColumn; 2], scratch: &Scratch) -> Result<[Self; 2], DriftError> {
        let (r, c) = rayon::join(|| Self::within(reference, scratch), || Self::within(current, scratch));
        Ok([r?, c?])
    }

    /// Leaves its memory to the next one.
    pub(crate) fn recycle(sides: [Self; 2], scratch: &Scratch) {
        for side in sides {
            if let Self::Numeric(sample) = side {
                scratch.give(sample.sorted);
            }
        }
    }

    /// As a measure takes it.
    pub fn as_sample(&self) -> Sample<'_> {
        match self {
            Self::Numeric(sample) => Sample::Numeric(sample),
            Self::Categorical(sample) => Sample::Categorical(sample),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn infinities_are_values_but_not_finite() {
        let sample = NumericSample::new(&[f64::INFINITY, 0.0, f64::NEG_INFINITY, -0.0, f64::NAN]);
        assert_eq!((sample.values().len(), sample.finite().len(), sample.missing()), (4, 2, 1));
        assert!(NumericSample::new(&[f64::NEG_INFINITY]).finite().is_empty());
    }

    #[test]
    fn a_level_that_is_listed_twice_is_one_level() {
        let levels = ["a".to_owned(), "b".to_owned(), "a".to_owned()];
        let sample = CategoricalSample::new(&[0, 1, 2], &levels).unwrap();
        assert_eq!(sample.counts().collect::<Vec<_>>(), [("a", 2), ("b", 1)]);
    }

    #[test]
    fn a_code_without_a_level_is_named() {
        let error = CategoricalSample::new(&[0, 7], &["a".to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), "row 1: code 7 has no level, there are 1");
    }
}
