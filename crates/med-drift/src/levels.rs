//! Two categorical samples side by side, and the merging of rare levels.

use serde::{Deserialize, Serialize};

use crate::statistics::expected;
use crate::{CategoricalSample, DriftError};

/// Which levels are kept when there are more than [`LevelMerge::max_levels`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LevelRank {
    /// Those with most rows in the reference.
    Reference,
    /// Those with most rows in the current sample.
    Current,
    /// Those whose counts differ most between the two.
    #[default]
    Difference,
}

/// How rare levels are put into one bucket before two samples are compared, as deepchecks does it.
///
/// | field | meaning | default | range |
/// | --- | --- | --- | --- |
/// | `min_share` | a level with a smaller share of the reference goes into the bucket | 0.01 | \[0, 1) |
/// | `max_levels` | levels beyond this many go into the bucket | no limit | >= 1 |
/// | `rank` | which levels are kept under `max_levels` | `difference` | |
/// | `missing_is_level` | count missing values as a level of their own | false | |
/// | `reserved_name` | mistake a level called `Other rare categories` for the bucket | false | |
///
/// The reference alone decides about `min_share`, so every level that is new in the current sample goes into the bucket
/// unless `min_share` is 0. The bucket counts as a level only when it holds more than `min_share` of one of the two
/// samples; else its rows are left out.
///
/// `reserved_name` repeats a mistake of deepchecks, to get its numbers: a level that bears the name it gives to the bucket is
/// put into the bucket (or lost, when `max_levels` has filled the bucket before), and the bucket listed twice.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LevelMerge {
    /// Least share of the reference a level must have to stand alone.
    pub min_share: f64,
    /// At most so many levels stand alone.
    pub max_levels: Option<usize>,
    /// Which of them, when there are more.
    pub rank: LevelRank,
    /// Whether missing values are a level.
    pub missing_is_level: bool,
    /// Whether a level called `Other rare categories` is mistaken for the bucket.
    pub reserved_name: bool,
}

/// What deepchecks calls the bucket.
const BUCKET: &str = "Other rare categories";

impl Default for LevelMerge {
    fn default() -> Self {
        Self {
            min_share: 0.01,
            max_levels: None,
            rank: LevelRank::Difference,
            missing_is_level: false,
            reserved_name: false,
        }
    }
}

impl LevelMerge {
    /// As deepchecks merges, its mistake included.
    pub fn deepchecks() -> Self {
        Self { reserved_name: true, ..Self::default() }
    }

    /// Every level stands alone.
    pub fn none() -> Self {
        Self { min_share: 0.0, ..Self::default() }
    }

    /// Checks the ranges of the table above.
    ///
    /// # Errors
    /// When a value is outside its range.
    pub fn validate(&self) -> Result<(), DriftError> {
        // `contains` is false for NaN.
        if !(0.0..1.0).contains(&self.min_share) {
            return Err(DriftError::Parameter {
                parameter: "min_share",
                expected: "at least 0 and below 1",
                found: self.min_share,
            });
        }
        if self.max_levels == Some(0) {
            return Err(DriftError::Parameter { parameter: "max_levels", expected: "at least 1", found: 0.0 });
        }
        Ok(())
    }
}

/// Counts of two samples by level. Every level has rows on at least one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LevelTable {
    /// Rows of the reference and of the current sample, level by level.
    pub(crate) counts: Vec<[u64; 2]>,
    /// Rows of each side, those that merging left out included.
    pub(crate) rows: [u64; 2],
}

impl LevelTable {
    /// All levels of both samples, missing values left out.
    pub(crate) fn new(reference: &CategoricalSample, current: &CategoricalSample) -> Self {
        let counts = aligned(reference, current).into_iter().map(|(_, counts)| counts).collect();
        Self { counts, rows: [reference.rows() as u64, current.rows() as u64] }
    }

    /// Levels of both samples after merging.
    pub(crate) fn merged(merge: LevelMerge, reference: &CategoricalSample, current: &CategoricalSample) -> Self {
        let mut levels: Vec<(Option<&str>, [u64; 2])> =
            aligned(reference, current).into_iter().map(|(level, counts)| (Some(level), counts)).collect();
        let mut rows = [reference.rows() as u64, current.rows() as u64];
        let missing = [reference.missing() as u64, current.missing() as u64];
        if merge.missing_is_level && missing != [0, 0] {
            levels.push((None, missing));
            rows = [rows[0] + missing[0], rows[1] + missing[1]];
        }
        let mut kept = levels;
        let mut bucket = [0_u64; 2];
        let mut put_away = |counts: [u64; 2]| {
            bucket[0] += counts[0];
            bucket[1] += counts[1];
        };
        let limit = merge.max_levels.filter(|&limit| kept.len() > limit);
        let cut = limit.is_some();
        if let Some(limit) = limit {
            // The levels are in ascending order and the sort is stable, so of two equal ones the smaller text is kept.
            let score = |c: &[u64; 2]| match merge.rank {
                LevelRank::Reference => c[0],
                LevelRank::Current => c[1],
                LevelRank::Difference => c[0].abs_diff(c[1]),
            };
            kept.sort_by_key(|(_, counts)| std::cmp::Reverse(score(counts)));
            let by_size = merge.rank != LevelRank::Difference;
            let stays = |position: usize, counts: &[u64; 2]| position < limit && !(by_size && score(counts) == 0);
            let split = kept.iter().enumerate().take_while(|(i, (_, c))| stays(*i, c)).count();
            kept.split_off(split).into_iter().for_each(|(_, counts)| put_away(counts));
        }
        let least = merge.min_share * rows[0] as f64;
        kept.retain(|&(_, counts)| {
            let stays = counts[0] as f64 >= least;
            if !stays {
                put_away(counts);
            }
            stays
        });
        let mut listed = 1;
        if merge.reserved_name {
            kept.retain(|&(level, counts)| {
                let mistaken = level == Some(BUCKET);
                if mistaken {
                    if !cut {
                        put_away(counts);
                    }
                    listed = 2;
                }
                !mistaken
            });
        }
        let mut counts: Vec<[u64; 2]> = kept.into_iter().map(|(_, counts)| counts).collect();
        if (0..2).any(|side| bucket[side] as f64 > merge.min_share * rows[side] as f64) {
            counts.extend(std::iter::repeat_n(bucket, listed));
        }
        Self { counts, rows }
    }

    /// Whether fewer than 5 rows are to be expected somewhere: then the limits that tests of counts go by are far.
    pub(crate) fn is_sparse(&self) -> bool {
        let counts: Vec<[f64; 2]> = self.counts.iter().map(|c| c.map(|n| n as f64)).collect();
        expected(&counts).iter().flatten().any(|&e| e < 5.0)
    }

    /// Rows in the table, by side; less than [`LevelTable::rows`] when merging left some out.
    pub(crate) fn totals(&self) -> [u64; 2] {
        self.counts.iter().fold([0, 0], |sum, c| [sum[0] + c[0], sum[1] + c[1]])
    }
}

/// Merge join of the levels by text.
fn aligned<'a>(reference: &'a CategoricalSample, current: &'a CategoricalSample) -> Vec<(&'a str, [u64; 2])> {
    let mut left = reference.counts().peekable();
    let mut right = current.counts().peekable();
    let mut joined = Vec::new();
    loop {
        let entry = match (left.peek().copied(), right.peek().copied()) {
            (Some((l, n)), Some((r, m))) if l == r => (l, [n, m]),
            (Some((l, n)), Some((r, _))) if l < r => (l, [n, 0]),
            (Some((l, n)), None) => (l, [n, 0]),
            (_, Some((r, m))) => (r, [0, m]),
            (None, None) => return joined,
        };
        left.next_if(|(level, _)| *level == entry.0);
        right.next_if(|(level, _)| *level == entry.0);
        joined.push(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(counts: &[(&str, u32)]) -> CategoricalSample {
        let levels: Vec<String> = counts.iter().map(|(l, _)| (*l).to_owned()).collect();
        let codes: Vec<u32> =
            counts.iter().enumerate().flat_map(|(code, (_, n))| (0..*n).map(move |_| code as u32)).collect();
        CategoricalSample::new(&codes, &levels).unwrap()
    }

    #[test]
    fn levels_are_aligned_by_text_not_by_code() {
        let table = LevelTable::new(&sample(&[("b", 2), ("a", 1)]), &sample(&[("c", 4), ("b", 3)]));
        assert_eq!(table.counts, [[1, 0], [2, 3], [0, 4]]);
        assert_eq!(table.totals(), [3, 7]);
    }

    #[test]
    fn the_reference_alone_decides_what_is_rare() {
        let (reference, current) = (sample(&[("a", 99), ("b", 1)]), sample(&[("a", 60), ("new", 40)]));
        let merge = LevelMerge { min_share: 0.02, ..LevelMerge::default() };
        assert_eq!(LevelTable::merged(merge, &reference, &current).counts, [[99, 60], [1, 40]]);
    }

    #[test]
    fn a_small_bucket_is_left_out() {
        let (reference, current) = (sample(&[("a", 199), ("b", 1)]), sample(&[("a", 100)]));
        let table = LevelTable::merged(LevelMerge::default(), &reference, &current);
        assert_eq!((table.counts.as_slice(), table.rows), ([[199, 100]].as_slice(), [200, 100]));
    }

    #[test]
    fn ranges_are_checked() {
        for bad in [-0.1, 1.0, f64::NAN] {
            assert!(LevelMerge { min_share: bad, ..LevelMerge::default() }.validate().is_err());
        }
        assert!(LevelMerge { max_levels: Some(0), ..LevelMerge::default() }.validate().is_err());
    }
}
