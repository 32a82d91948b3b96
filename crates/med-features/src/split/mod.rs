//! Cutting rows into a training and a test part.
//!
//! Every way of cutting is a checked parameter struct with a `split` method; the result is a [`Split`]: row numbers, ready
//! to be stored beside a model. None depends on thread count, hash-map order or platform.
//!
//! | cut | rows that stay together | use |
//! | --- | --- | --- |
//! | [`RandomSplit`] | none | one row a client, no order in time |
//! | [`GroupSplit`] | all of a group | several rows a client, family or hospital |
//! | [`TimeSplit`] | all of a moment | the model will predict later periods than it learnt from |
//! | [`KeyedSplit`] | all of a key, in every later version of the table | tables that grow between runs |
//! | [`StratifiedSplit`] | none; both parts have the same mix of targets | few rows with most of the cost |
//!
//! [`KFold`] and [`TimeFolds`] give several splits, in which every row (in time: every later row) is judged once; a [`NestedSplit`] has
//! further splits of its training part, to choose by.

mod folds;
mod group;
mod keyed;
mod random;
mod stratified;
mod time;

pub use folds::{KFold, NestedSplit, TimeFolds};
pub use group::GroupSplit;
pub use keyed::{KeyedSplit, Side};
pub use random::RandomSplit;
pub use stratified::StratifiedSplit;
pub use time::TimeSplit;

use med_schema::{Dataset, FeatureMatrix};
use rand::Rng;
use serde::{Deserialize, Serialize};

use crate::FeatureError;

/// Row numbers of a training and a test part.
///
/// Invariants: each row from 0 to `n_rows - 1` is in exactly one part, both parts are ascending, neither is empty. Reading
/// one back checks them again.
///
/// ```
/// use med_features::RandomSplit;
/// let split = RandomSplit::new(0.8, 42)?.split(10)?;
/// assert_eq!((split.train().len(), split.test().len()), (8, 2));
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parts", deny_unknown_fields)]
pub struct Split {
    train: Vec<usize>,
    test: Vec<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    left_out: Vec<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    train: Vec<usize>,
    test: Vec<usize>,
    #[serde(default)]
    left_out: Vec<usize>,
}

impl TryFrom<Parts> for Split {
    type Error = FeatureError;

    fn try_from(Parts { train, test, left_out }: Parts) -> Result<Self, FeatureError> {
        Self::with_left_out(train, test, left_out)
    }
}

impl Split {
    /// A split of these rows.
    ///
    /// # Errors
    /// When the parts do not hold each row from 0 on exactly once, in ascending order, or one is empty.
    pub fn new(train: Vec<usize>, test: Vec<usize>) -> Result<Self, FeatureError> {
        Self::with_left_out(train, test, Vec::new())
    }

    /// A split of these rows, of which some are in neither part: a gap in time, what comes after the test part.
    ///
    /// # Errors
    /// When the three do not hold each row from 0 on exactly once, in ascending order, or one of the parts is empty.
    pub fn with_left_out(train: Vec<usize>, test: Vec<usize>, left_out: Vec<usize>) -> Result<Self, FeatureError> {
        let rows = train.len() + test.len() + left_out.len();
        for (part, own) in [("train", &train), ("test", &test), ("left out", &left_out)] {
            if own.is_empty() && part != "left out" {
                return Err(FeatureError::EmptyPart { part, rows, reason: "the part is empty" });
            }
            if let Some(pair) = own.windows(2).find(|w| w[0] >= w[1]) {
                return Err(FeatureError::NotASplit { rows, row: pair[1], reason: "out of order or twice there" });
            }
            if let Some(&row) = own.last().filter(|&&r| r >= rows) {
                return Err(FeatureError::NotASplit { rows, row, reason: "past the end" });
            }
        }
        // Ascending, in range and as many as there are rows: complete unless a row is in two parts.
        let mut seen = vec![false; rows];
        for &row in train.iter().chain(&test).chain(&left_out) {
            if std::mem::replace(&mut seen[row], true) {
                return Err(FeatureError::NotASplit { rows, row, reason: "in two parts" });
            }
        }
        Ok(Self { train, test, left_out })
    }

    /// A split by a verdict on each row; `why_empty` explains a part without rows.
    fn by(rows: usize, why_empty: &'static str, is_train: impl Fn(usize) -> bool) -> Result<Self, FeatureError> {
        let (train, test): (Vec<usize>, Vec<usize>) = (0..rows).partition(|&r| is_train(r));
        for (part, own) in [("train", &train), ("test", &test)] {
            if own.is_empty() {
                return Err(FeatureError::EmptyPart { part, rows, reason: why_empty });
            }
        }
        Ok(Self { train, test, left_out: Vec::new() })
    }

    /// Tests on the moments from `start` to before `end`, learns from those before `start - gap`, and leaves the rest out.
    fn by_time(times: &[i64], start: i64, end: Option<i64>, gap: i64) -> Result<Self, FeatureError> {
        let (mut train, mut test, mut left_out) = (Vec::new(), Vec::new(), Vec::new());
        for (row, &time) in times.iter().enumerate() {
            let part = if time < start.saturating_sub(gap) {
                &mut train
            } else if time >= start && end.is_none_or(|end| time < end) {
                &mut test
            } else {
                &mut left_out
            };
            part.push(row);
        }
        let rows = times.len();
        for (part, own) in [("train", &train), ("test", &test)] {
            if own.is_empty() {
                let reason = "all rows are on the other side of the cut-off, or in the gap";
                return Err(FeatureError::EmptyPart { part, rows, reason });
            }
        }
        Ok(Self { train, test, left_out })
    }

    /// Rows of the training part, ascending.
    pub fn train(&self) -> &[usize] {
        &self.train
    }

    /// Rows of the test part, ascending.
    pub fn test(&self) -> &[usize] {
        &self.test
    }

    /// Rows in neither part, ascending; most splits have none.
    pub fn left_out(&self) -> &[usize] {
        &self.left_out
    }

    /// Rows that were split, those left out included.
    pub fn n_rows(&self) -> usize {
        self.train.len() + self.test.len() + self.left_out.len()
    }

    /// The two parts of a matrix.
    ///
    /// # Errors
    /// When it has another number of rows than were split.
    pub fn of_matrix(&self, x: &FeatureMatrix) -> Result<(FeatureMatrix, FeatureMatrix), FeatureError> {
        self.same_rows(x.n_rows())?;
        Ok((x.take(&self.train)?, x.take(&self.test)?))
    }

    /// The two parts of a dataset, with their weights and exposure.
    ///
    /// # Errors
    /// When it has another number of rows than were split.
    pub fn of_dataset(&self, dataset: &Dataset) -> Result<(Dataset, Dataset), FeatureError> {
        self.same_rows(dataset.n_rows())?;
        Ok((dataset.take(&self.train)?, dataset.take(&self.test)?))
    }

    fn same_rows(&self, found: usize) -> Result<(), FeatureError> {
        let expected = self.n_rows();
        if found == expected { Ok(()) } else { Err(FeatureError::SplitRows { expected, found }) }
    }
}

/// A share strictly between 0 and 1; NaN is none.
fn checked_fraction(fraction: f64) -> Result<f64, FeatureError> {
    if fraction > 0.0 && fraction < 1.0 {
        Ok(fraction)
    } else {
        Err(FeatureError::Parameter {
            parameter: "train_fraction",
            expected: "a number strictly between 0 and 1",
            found: fraction.to_string(),
        })
    }
}

/// Shuffles in place by Fisher and Yates' method, with whole-number draws written out so that no release of a random-number
/// crate can change which rows are drawn.
pub(crate) fn shuffle<T>(items: &mut [T], generator: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last as u64 + 1, generator) as usize);
    }
}

/// A number drawn evenly from `0..bound` by Lemire's multiplication with rejection; `bound` is positive.
fn below(bound: u64, generator: &mut impl Rng) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

/// The prefix of runs of rows whose total is nearest to `wanted`, as a number of runs; at a tie the shorter one. At least
/// one run, and not all of them. `None` when there are fewer than two runs.
fn nearest_prefix(runs: &[usize], wanted: f64) -> Option<usize> {
    let mut total = 0_usize;
    let mut best: Option<(f64, usize)> = None;
    for (i, rows) in runs.iter().enumerate().take(runs.len().saturating_sub(1)) {
        total += rows;
        let distance = (total as f64 - wanted).abs();
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, i + 1));
        }
    }
    best.map(|(_, count)| count)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    use super::*;

    #[test]
    fn only_partitions_are_splits() {
        assert!(Split::new(vec![0, 2], vec![1]).is_ok());
        for (train, test) in [(vec![0, 1], vec![1]), (vec![2, 0], vec![1]), (vec![0, 3], vec![1]), (vec![0], vec![])] {
            assert!(Split::new(train.clone(), test.clone()).is_err(), "{train:?} {test:?}");
        }
        assert!(serde_json::from_str::<Split>(r#"{"train":[0,1],"test":[1]}"#).is_err());
    }

    #[test]
    fn draws_are_even() {
        let mut generator = Pcg64::seed_from_u64(7);
        let mut counts = [0_u32; 6];
        (0..60_000).for_each(|_| counts[below(6, &mut generator) as usize] += 1);
        assert!(counts.iter().all(|c| c.abs_diff(10_000) < 400), "{counts:?}");
    }

    #[test]
    fn the_nearest_prefix_leaves_something_on_both_sides() {
        assert_eq!(nearest_prefix(&[3, 3, 3], 5.0), Some(2));
        assert_eq!(nearest_prefix(&[1, 9], 9.0), Some(1));
        assert_eq!(nearest_prefix(&[10], 8.0), None);
        assert_eq!(nearest_prefix(&[], 8.0), None);
    }
}
