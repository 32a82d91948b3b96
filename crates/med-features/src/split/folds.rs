//! Every row judged once: splits in folds.

use rand::SeedableRng;
use rand_pcg::Pcg64;
use serde::{Deserialize, Serialize};

use super::stratified::{by_stratum, checked_strata};
use super::{Split, shuffle};
use crate::FeatureError;

/// `k` splits whose test parts have no row in common and hold every row together.
///
/// | method | a row's fold |
/// | --- | --- |
/// | [`split`](Self::split) | its place in a shuffle, modulo `k` |
/// | [`split_stratified`](Self::split_stratified) | its place when rows are in order of the target's quantile bands, shuffled within each, modulo `k` |
/// | [`split_grouped`](Self::split_grouped) | its group's: shuffled groups, the largest first, each to the fold with fewest rows |
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `k` | 5 | 2 or more |
/// | `seed` | 42 | any |
///
/// ```
/// use med_features::KFold;
/// let folds = KFold::new(5, 42)?.split(10)?;
/// assert!(folds.iter().all(|fold| fold.train().len() == 8 && fold.test().len() == 2));
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Parameters")]
pub struct KFold {
    k: usize,
    seed: u64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Parameters {
    k: usize,
    seed: u64,
}

impl Default for Parameters {
    fn default() -> Self {
        let KFold { k, seed } = KFold::default();
        Self { k, seed }
    }
}

impl TryFrom<Parameters> for KFold {
    type Error = FeatureError;

    fn try_from(p: Parameters) -> Result<Self, FeatureError> {
        Self::new(p.k, p.seed)
    }
}

impl Default for KFold {
    fn default() -> Self {
        Self { k: 5, seed: 42 }
    }
}

impl KFold {
    /// So many folds with this seed.
    ///
    /// # Errors
    /// With fewer than two folds.
    pub fn new(k: usize, seed: u64) -> Result<Self, FeatureError> {
        Ok(Self { k: checked_folds(k)?, seed })
    }

    /// Folds of `rows` rows; their sizes differ by one at most.
    ///
    /// # Errors
    /// When there are fewer rows than folds.
    pub fn split(&self, rows: usize) -> Result<Vec<Split>, FeatureError> {
        let mut order: Vec<usize> = (0..rows).collect();
        shuffle(&mut order, &mut Pcg64::seed_from_u64(self.seed));
        self.deal(&order)
    }

    /// Folds with the same mix of targets; their sizes differ by one at most.
    ///
    /// # Errors
    /// When there are fewer rows than folds, no band, or a target is not a number.
    pub fn split_stratified(&self, y: &[f64], strata: usize) -> Result<Vec<Split>, FeatureError> {
        self.deal(&by_stratum(y, checked_strata(strata)?, self.seed)?)
    }

    /// Folds that keep the rows of a group together.
    ///
    /// # Errors
    /// When there are fewer groups than folds.
    pub fn split_grouped<K: Ord>(&self, groups: &[K]) -> Result<Vec<Split>, FeatureError> {
        let mut by_group: Vec<usize> = (0..groups.len()).collect();
        by_group.sort_by(|&a, &b| groups[a].cmp(&groups[b]));
        let mut runs: Vec<&[usize]> = by_group.chunk_by(|&a, &b| groups[a] == groups[b]).collect();
        self.enough(runs.len(), groups.len())?;
        shuffle(&mut runs, &mut Pcg64::seed_from_u64(self.seed));
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        let mut sizes = vec![0_usize; self.k];
        let mut fold_of = vec![0; groups.len()];
        for run in runs {
            // The first of equals; there are two folds at least.
            let fold = (0..self.k).min_by_key(|&fold| sizes[fold]).unwrap_or_default();
            sizes[fold] += run.len();
            run.iter().for_each(|&row| fold_of[row] = fold);
        }
        self.of(&fold_of)
    }

    fn deal(&self, order: &[usize]) -> Result<Vec<Split>, FeatureError> {
        self.enough(order.len(), order.len())?;
        let mut fold_of = vec![0; order.len()];
        order.iter().enumerate().for_each(|(at, &row)| fold_of[row] = at % self.k);
        self.of(&fold_of)
    }

    fn of(&self, fold_of: &[usize]) -> Result<Vec<Split>, FeatureError> {
        (0..self.k).map(|fold| Split::by(fold_of.len(), TOO_FEW, |row| fold_of[row] != fold)).collect()
    }

    fn enough(&self, things: usize, rows: usize) -> Result<(), FeatureError> {
        match things < self.k {
            true => Err(FeatureError::EmptyPart { part: "test", rows, reason: TOO_FEW }),
            false => Ok(()),
        }
    }
}

const TOO_FEW: &str = "there are more folds than rows, or groups, or moments but one";

fn checked_folds(k: usize) -> Result<usize, FeatureError> {
    match k {
        0 | 1 => Err(FeatureError::Parameter { parameter: "k", expected: "2 or more folds", found: k.to_string() }),
        _ => Ok(k),
    }
}

/// `k` splits in time, each judged on what comes after what it learns from: the moments are cut into `k + 1` blocks of about as many
/// rows; fold `i` learns from the first `i` blocks and is judged on the next. Later rows are left out, and so are those less than
/// `gap` before the block that is judged. Rows of one moment stay together.
///
/// | parameter | default | range |
/// | --- | --- | --- |
/// | `k` | 5 | 2 or more |
/// | `gap` | 0 | >= 0, in the unit of the times |
///
/// ```
/// use med_features::TimeFolds;
/// let months = [1, 1, 2, 2, 3, 3];
/// let folds = TimeFolds::new(2, 0)?.split(&months)?;
/// assert_eq!((folds[0].train(), folds[0].test(), folds[0].left_out()), (&[0, 1][..], &[2, 3][..], &[4, 5][..]));
/// assert_eq!((folds[1].train(), folds[1].test()), (&[0, 1, 2, 3][..], &[4, 5][..]));
/// # Ok::<(), med_features::FeatureError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "TimeParameters")]
pub struct TimeFolds {
    k: usize,
    gap: i64,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TimeParameters {
    k: usize,
    gap: i64,
}

impl Default for TimeParameters {
    fn default() -> Self {
        let TimeFolds { k, gap } = TimeFolds::default();
        Self { k, gap }
    }
}

impl TryFrom<TimeParameters> for TimeFolds {
    type Error = FeatureError;

    fn try_from(p: TimeParameters) -> Result<Self, FeatureError> {
        Self::new(p.k, p.gap)
    }
}

impl Default for TimeFolds {
    fn default() -> Self {
        Self { k: 5, gap: 0 }
    }
}

impl TimeFolds {
    /// So many folds with this gap.
    ///
    /// # Errors
    /// With fewer than two folds or a negative gap.
    pub fn new(k: usize, gap: i64) -> Result<Self, FeatureError> {
        Ok(Self { k: checked_folds(k)?, gap: super::time::checked_gap(gap)? })
    }

    /// Splits rows by the moment of each.
    ///
    /// # Errors
    /// When there are not more moments than folds, or the gap leaves a fold nothing to learn from.
    pub fn split(&self, times: &[i64]) -> Result<Vec<Split>, FeatureError> {
        let n = times.len();
        let mut sorted = times.to_vec();
        sorted.sort_unstable();
        let mut moments = sorted.clone();
        moments.dedup();
        if moments.len() <= self.k {
            return Err(FeatureError::EmptyPart { part: "test", rows: n, reason: TOO_FEW });
        }
        // Where blocks begin: at the moment of the row at i / (k + 1) of all, but each block has a moment at least.
        let mut starts: Vec<usize> = Vec::with_capacity(self.k);
        for block in 1..=self.k {
            let moment = sorted[block * n / (self.k + 1)];
            let wanted = moments.partition_point(|&m| m < moment);
            let first = starts.last().map_or(1, |last| last + 1);
            starts.push(wanted.clamp(first, moments.len() - (self.k + 1 - block)));
        }
        let fold = |block: usize| {
            let start = moments[starts[block]];
            let end = starts.get(block + 1).map(|&at| moments[at]);
            Split::by_time(times, start, end, self.gap)
        };
        (0..self.k).map(fold).collect()
    }
}

/// A split to judge on, and splits of its training part alone to choose by: what was chosen never saw the rows it is judged on.
///
/// Row numbers of the inner splits are those of the whole table; what is outside the outer training part is left out of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "NestedParts")]
pub struct NestedSplit {
    outer: Split,
    inner: Vec<Split>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NestedParts {
    outer: Split,
    inner: Vec<Split>,
}

impl TryFrom<NestedParts> for NestedSplit {
    type Error = FeatureError;

    fn try_from(NestedParts { outer, inner }: NestedParts) -> Result<Self, FeatureError> {
        let rows = outer.n_rows();
        for split in &inner {
            split.same_rows(rows)?;
            let learnt = split.train().iter().chain(split.test());
            if let Some(&row) = learnt.into_iter().find(|row| outer.train().binary_search(row).is_err()) {
                return Err(FeatureError::NotASplit { rows, row, reason: "of the outer test part in an inner split" });
            }
        }
        Ok(Self { outer, inner })
    }
}

impl NestedSplit {
    /// An outer split, and inner ones of its training part: their row numbers are places in `outer.train()`.
    ///
    /// ```
    /// use med_features::{KFold, NestedSplit};
    /// let outer = KFold::new(5, 1)?.split(100)?;
    /// let nested = outer
    ///     .into_iter()
    ///     .map(|outer| {
    ///         let inner = KFold::new(4, 2)?.split(outer.train().len())?;
    ///         NestedSplit::new(outer, inner)
    ///     })
    ///     .collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((nested.len(), nested[0].inner().len()), (5, 4));
    /// assert_eq!((nested[0].inner()[0].train().len(), nested[0].inner()[0].test().len()), (60, 20));
    /// # Ok::<(), med_features::FeatureError>(())
    /// ```
    ///
    /// # Errors
    /// When an inner split is of another number of rows.
    pub fn new(outer: Split, inner: Vec<Split>) -> Result<Self, FeatureError> {
        let mut outside: Vec<usize> = outer.test().iter().chain(outer.left_out()).copied().collect();
        outside.sort_unstable();
        let within = |split: Split| {
            split.same_rows(outer.train().len())?;
            let of = |places: &[usize]| places.iter().map(|&at| outer.train()[at]).collect::<Vec<usize>>();
            let mut left_out = of(split.left_out());
            left_out.extend(&outside);
            left_out.sort_unstable();
            Split::with_left_out(of(split.train()), of(split.test()), left_out)
        };
        let inner = inner.into_iter().map(within).collect::<Result<_, _>>()?;
        Ok(Self { outer, inner })
    }

    /// The split to judge on.
    pub fn outer(&self) -> &Split {
        &self.outer
    }

    /// The splits to choose by.
    pub fn inner(&self) -> &[Split] {
        &self.inner
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_of_a_seed_are_pinned() {
        let tests: Vec<Vec<usize>> =
            KFold::new(3, 1).unwrap().split(7).unwrap().iter().map(|f| f.test().to_vec()).collect();
        assert_eq!(tests, PINNED);
    }

    /// A change here changes every stored experiment.
    const PINNED: [&[usize]; 3] = [&[1, 3, 5], &[4, 6], &[0, 2]];

    #[test]
    fn strata_are_dealt_evenly() {
        let y: Vec<f64> = (0..100).map(|i| f64::from(i * 37 % 100)).collect();
        for fold in KFold::new(5, 7).unwrap().split_stratified(&y, 10).unwrap() {
            for band in 0..10 {
                assert_eq!(fold.test().iter().filter(|&&r| (y[r] / 10.0) as usize == band).count(), 2);
            }
        }
        assert!(KFold::default().split_stratified(&y[..3], 2).is_err());
    }

    #[test]
    fn groups_stay_whole_and_folds_alike() {
        let groups: Vec<u32> = (0..120).map(|i| i / 3 % 40).collect();
        let folds = KFold::new(4, 3).unwrap().split_grouped(&groups).unwrap();
        for fold in &folds {
            assert_eq!(fold.test().len(), 30);
            assert!(fold.test().iter().all(|&r| fold.train().iter().all(|&s| groups[r] != groups[s])));
        }
        assert!(KFold::new(3, 0).unwrap().split_grouped(&["a", "a", "b"]).is_err());
    }

    #[test]
    fn time_goes_forward_and_a_gap_is_left_out() {
        let times: Vec<i64> = (0..60).map(|i| i * 7 % 60).collect();
        let folds = TimeFolds::new(4, 5).unwrap().split(&times).unwrap();
        for (i, fold) in folds.iter().enumerate() {
            let first = fold.test().iter().map(|&r| times[r]).min().unwrap();
            assert_eq!((first, fold.test().len()), (12 * (i as i64 + 1), 12));
            assert!(fold.train().iter().all(|&r| times[r] < first - 5));
            assert_eq!(fold.train().len(), 12 * (i + 1) - 5);
            assert_eq!(fold.n_rows(), 60);
        }
        // One moment has most of the rows.
        let heavy = [1, 5, 5, 5, 5, 5, 5, 6, 7];
        assert_eq!(TimeFolds::new(3, 0).unwrap().split(&heavy).unwrap().len(), 3);
        assert!(TimeFolds::new(4, 0).unwrap().split(&heavy).is_err());
        assert!(TimeFolds::new(3, 9).unwrap().split(&heavy).is_err());
        assert!(TimeFolds::new(3, -1).is_err() && KFold::new(1, 0).is_err());
    }

    #[test]
    fn what_is_chosen_by_never_meets_what_is_judged() {
        let outer = KFold::new(3, 1).unwrap().split(30).unwrap().remove(0);
        let inner = KFold::new(2, 1).unwrap().split(20).unwrap();
        let nested = NestedSplit::new(outer.clone(), inner.clone()).unwrap();
        for split in nested.inner() {
            assert!(outer.test().iter().all(|r| split.left_out().contains(r)));
            assert_eq!(split.n_rows(), 30);
        }
        let json = serde_json::to_string(&nested).unwrap();
        assert_eq!(serde_json::from_str::<NestedSplit>(&json).unwrap(), nested);
        assert!(NestedSplit::new(outer, KFold::new(2, 1).unwrap().split(21).unwrap()).is_err());
        let crossed = serde_json::json!({
            "outer": {"train": [0, 1], "test": [2]},
            "inner": [{"train": [0], "test": [2], "left_out": [1]}],
        });
        assert!(serde_json::from_value::<NestedSplit>(crossed).unwrap_err().to_string().contains("outer test part"));
    }
}
