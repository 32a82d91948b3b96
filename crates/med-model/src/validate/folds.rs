//! Folds: row numbers to fit on and row numbers to judge on.
//!
//! Shuffles are those of a `Pcg64`, written out, so that no release of a library changes which rows fall where. The splits
//! of `med-features` cut a table once, with keys and dates; these repeat the cut, on rows that are already a matrix.

use rand::{Rng, SeedableRng};
use rand_pcg::Pcg64;

/// Folds that cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FoldError {
    /// Fewer than two folds, or more than there is something to divide.
    #[error("expected 2 to {most} folds ({what}), found {found}")]
    Number {
        /// Folds there can be.
        most: usize,
        /// What is divided.
        what: &'static str,
        /// Folds asked for.
        found: usize,
    },
    /// A part without rows, or a row at a wrong place.
    #[error("fold {fold}: {problem}")]
    Rows {
        /// The fold, from 0.
        fold: usize,
        /// What is wrong.
        problem: &'static str,
    },
    /// A target that cannot be ordered.
    #[error("row {row}: the target is not a number")]
    Target {
        /// The row, from 0.
        row: usize,
    },
}

/// One fold. Both parts are ascending, neither is empty, no row is in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    train: Vec<usize>,
    test: Vec<usize>,
}

impl Fold {
    /// Rows to fit on.
    pub fn train(&self) -> &[usize] {
        &self.train
    }

    /// Rows to judge on.
    pub fn test(&self) -> &[usize] {
        &self.test
    }
}

/// Folds of one table. No row is judged twice; with [`Folds::time_ordered`] the earliest rows are not judged at all.
///
/// ```
/// use med_model::Folds;
/// let folds = Folds::shuffled(10, 5, 42)?;
/// assert!(folds.iter().all(|f| f.train().len() == 8 && f.test().len() == 2));
/// let clients = ["ann", "bob", "ann", "cid", "bob", "cid"];
/// let folds = Folds::grouped(&clients, 3, 42)?;
/// assert!(folds.iter().all(|f| f.test().len() == 2 && clients[f.test()[0]] == clients[f.test()[1]]));
/// # Ok::<(), med_model::FoldError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    n_rows: usize,
    folds: Vec<Fold>,
}

fn number(k: usize, most: usize, what: &'static str) -> Result<(), FoldError> {
    if (2..=most).contains(&k) { Ok(()) } else { Err(FoldError::Number { most, what, found: k }) }
}

/// Fisher and Yates' shuffle with Lemire's draws.
fn shuffle<T>(items: &mut [T], generator: &mut Pcg64) {
    for last in (1..items.len()).rev() {
        items.swap(last, below(last as u64 + 1, generator) as usize);
    }
}

/// A number drawn evenly from `0..bound`; `bound` is positive.
pub(crate) fn below(bound: u64, generator: &mut Pcg64) -> u64 {
    let threshold = bound.wrapping_neg() % bound;
    loop {
        let product = u128::from(generator.next_u64()) * u128::from(bound);
        if product as u64 >= threshold {
            return (product >> 64) as u64;
        }
    }
}

impl Folds {
    /// From the rows to judge of each fold; all other rows are fitted on.
    ///
    /// # Errors
    /// When a row is past the end or judged twice, or a part is empty.
    pub fn of_tests(n_rows: usize, tests: Vec<Vec<usize>>) -> Result<Self, FoldError> {
        let mut owner = vec![usize::MAX; n_rows];
        for (fold, test) in tests.iter().enumerate() {
            for &row in test {
                match owner.get_mut(row) {
                    None => return Err(FoldError::Rows { fold, problem: "a row is past the end" }),
                    Some(o) if *o != usize::MAX => {
                        return Err(FoldError::Rows { fold, problem: "a row is judged twice" });
                    }
                    Some(o) => *o = fold,
                }
            }
        }
        let part = |of: &dyn Fn(usize) -> bool| (0..n_rows).filter(|&r| of(owner[r])).collect::<Vec<_>>();
        let pairs = (0..tests.len()).map(|f| (part(&|o| o != f), part(&|o| o == f)));
        Self::new(n_rows, pairs.collect())
    }

    fn new(n_rows: usize, parts: Vec<(Vec<usize>, Vec<usize>)>) -> Result<Self, FoldError> {
        for (fold, (train, test)) in parts.iter().enumerate() {
            if train.is_empty() || test.is_empty() {
                return Err(FoldError::Rows { fold, problem: "a part without rows" });
            }
        }
        Ok(Self { n_rows, folds: parts.into_iter().map(|(train, test)| Fold { train, test }).collect() })
    }

    /// `k` folds of shuffled rows, whose sizes differ by one at most.
    ///
    /// # Errors
    /// When `k` is less than 2 or more than there are rows.
    pub fn shuffled(n_rows: usize, k: usize, seed: u64) -> Result<Self, FoldError> {
        number(k, n_rows, "as many as rows")?;
        let mut rows: Vec<usize> = (0..n_rows).collect();
        shuffle(&mut rows, &mut Pcg64::seed_from_u64(seed));
        let mut tests = vec![Vec::new(); k];
        rows.into_iter().enumerate().for_each(|(i, row)| tests[i % k].push(row));
        Self::of_tests(n_rows, tests)
    }

    /// `k` folds that keep the rows of a group together: a client with several years, a household, a hospital.
    ///
    /// Groups are shuffled, then dealt, largest first, each to the fold with the fewest rows. Which fold a group falls
    /// into does not depend on the order of the rows.
    ///
    /// # Errors
    /// When `k` is less than 2 or more than there are groups.
    pub fn grouped<K: Ord>(groups: &[K], k: usize, seed: u64) -> Result<Self, FoldError> {
        let mut by_group: Vec<usize> = (0..groups.len()).collect();
        by_group.sort_by(|&a, &b| groups[a].cmp(&groups[b]));
        let mut runs: Vec<&[usize]> = by_group.chunk_by(|&a, &b| groups[a] == groups[b]).collect();
        number(k, runs.len(), "as many as groups")?;
        shuffle(&mut runs, &mut Pcg64::seed_from_u64(seed));
        runs.sort_by_key(|run| std::cmp::Reverse(run.len()));
        let mut tests: Vec<Vec<usize>> = vec![Vec::new(); k];
        for run in runs {
            if let Some(least) = tests.iter_mut().min_by_key(|t| t.len()) {
                least.extend_from_slice(run);
            }
        }
        Self::of_tests(groups.len(), tests)
    }

    /// `k` folds with the same distribution of the target: rows in the order of the target are cut into runs of `k`, and
    /// each run is dealt out shuffled. So zeros, and the few very large costs, are spread evenly.
    ///
    /// # Errors
    /// When `k` is less than 2 or more than there are rows, or a target is NaN.
    pub fn stratified(target: &[f64], k: usize, seed: u64) -> Result<Self, FoldError> {
        number(k, target.len(), "as many as rows")?;
        if let Some(row) = target.iter().position(|t| t.is_nan()) {
            return Err(FoldError::Target { row });
        }
        let mut generator = Pcg64::seed_from_u64(seed);
        let mut rows: Vec<usize> = (0..target.len()).collect();
        // Equal targets in an order by chance: a column sorted by date must not end up in one fold.
        shuffle(&mut rows, &mut generator);
        rows.sort_by(|&a, &b| target[a].total_cmp(&target[b]));
        let mut tests = vec![Vec::new(); k];
        let mut places: Vec<usize> = (0..k).collect();
        for run in rows.chunks(k) {
            shuffle(&mut places, &mut generator);
            run.iter().zip(&places).for_each(|(&row, &fold)| tests[fold].push(row));
        }
        Self::of_tests(target.len(), tests)
    }

    /// `k` folds that are fitted on the past and judged on what comes next. Moments (distinct values, ascending) are cut
    /// into `k + 1` blocks of nearly equal number; fold `i` judges block `i + 1` and is fitted on all earlier blocks but
    /// the last `gap` moments before it: the months that are not yet known when the prediction is made.
    ///
    /// # Errors
    /// When `k` is less than 2, there are fewer than `k + 1` moments, or a gap leaves nothing to fit on.
    pub fn time_ordered<T: Ord>(times: &[T], k: usize, gap: usize) -> Result<Self, FoldError> {
        let mut order: Vec<usize> = (0..times.len()).collect();
        order.sort_by(|&a, &b| times[a].cmp(&times[b]));
        let moments: Vec<&[usize]> = order.chunk_by(|&a, &b| times[a] == times[b]).collect();
        number(k, moments.len().saturating_sub(1), "one less than moments")?;
        let start = |block: usize| block * moments.len() / (k + 1);
        let rows = |moments: &[&[usize]]| {
            let mut rows: Vec<usize> = moments.iter().flat_map(|m| m.iter().copied()).collect();
            rows.sort_unstable();
            rows
        };
        let fold = |i: usize| {
            let (first, end) = (start(i + 1), start(i + 2));
            (rows(&moments[..first.saturating_sub(gap)]), rows(&moments[first..end]))
        };
        Self::new(times.len(), (0..k).map(fold).collect())
    }

    /// The folds, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Fold> {
        self.folds.iter()
    }

    /// Number of folds.
    pub fn len(&self) -> usize {
        self.folds.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.folds.is_empty()
    }

    /// Rows of the table.
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The same folds, fitted on a share of their rows: the first of them in an order by chance, at least two.
    pub(crate) fn with_train_share(&self, share: f64, seed: u64) -> Self {
        let reduce = |(place, fold): (usize, &Fold)| {
            let mut train = fold.train.clone();
            let rows = ((train.len() as f64 * share).ceil() as usize).max(2).min(train.len());
            if rows < train.len() {
                shuffle(&mut train, &mut Pcg64::seed_from_u64(seed.wrapping_add(place as u64)));
                train.truncate(rows);
                train.sort_unstable();
            }
            Fold { train, test: fold.test.clone() }
        };
        Self { n_rows: self.n_rows, folds: self.folds.iter().enumerate().map(reduce).collect() }
    }

    pub(crate) fn as_slice(&self) -> &[Fold] {
        &self.folds
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each_row_once(folds: &Folds) {
        let mut judged: Vec<usize> = folds.iter().flat_map(|f| f.test().to_vec()).collect();
        judged.sort_unstable();
        assert_eq!(judged, (0..folds.n_rows()).collect::<Vec<_>>());
        for fold in folds.iter() {
            assert_eq!(fold.train().len() + fold.test().len(), folds.n_rows());
            assert!(fold.test().iter().all(|r| fold.train().binary_search(r).is_err()));
        }
    }

    #[test]
    fn every_row_is_judged_once_and_seeds_matter() {
        let folds = Folds::shuffled(23, 5, 1).unwrap();
        each_row_once(&folds);
        assert_eq!(folds, Folds::shuffled(23, 5, 1).unwrap());
        assert_ne!(folds, Folds::shuffled(23, 5, 2).unwrap());
        assert!(Folds::shuffled(3, 4, 0).is_err() && Folds::shuffled(3, 1, 0).is_err());
    }

    #[test]
    fn groups_stay_whole_whatever_the_order_of_rows() {
        let groups: Vec<u32> = (0..100).map(|i| i * i % 17).collect();
        let folds = Folds::grouped(&groups, 4, 3).unwrap();
        each_row_once(&folds);
        for fold in folds.iter() {
            assert!(fold.test().iter().all(|&t| fold.train().iter().all(|&r| groups[r] != groups[t])));
        }
        let backwards: Vec<u32> = groups.iter().rev().copied().collect();
        let of = |groups: &[u32]| -> Vec<Vec<u32>> {
            let folds = Folds::grouped(groups, 4, 3).unwrap();
            let sorted = |f: &Fold| {
                let mut own: Vec<u32> = f.test().iter().map(|&r| groups[r]).collect();
                own.sort_unstable();
                own
            };
            folds.iter().map(sorted).collect()
        };
        assert_eq!(of(&groups), of(&backwards));
        assert!(Folds::grouped(&["a", "a", "b"], 3, 0).is_err());
    }

    #[test]
    fn zeros_and_large_costs_are_spread() {
        let target: Vec<f64> = (0..100).map(|i| if i < 76 { 0.0 } else { f64::from(i * i * i) }).collect();
        let folds = Folds::stratified(&target, 4, 9).unwrap();
        each_row_once(&folds);
        for fold in folds.iter() {
            assert_eq!(fold.test().iter().filter(|&&r| r < 76).count(), 19);
            assert_eq!(fold.test().iter().filter(|&&r| r >= 96).count(), 1);
        }
        assert_eq!(Folds::stratified(&[1.0, f64::NAN], 2, 0), Err(FoldError::Target { row: 1 }));
    }

    #[test]
    fn the_future_is_never_fitted_on() {
        let months: Vec<u32> = (0..120).map(|i| (i * 7) % 12).collect();
        for gap in 0..3 {
            let folds = Folds::time_ordered(&months, 3, gap).unwrap();
            assert_eq!(folds.len(), 3);
            for fold in folds.iter() {
                let latest = fold.train().iter().map(|&r| months[r]).max().unwrap();
                let earliest = fold.test().iter().map(|&r| months[r]).min().unwrap();
                assert_eq!(earliest - latest, gap as u32 + 1);
            }
        }
        assert!(Folds::time_ordered(&months, 3, 3).is_err());
        assert!(Folds::time_ordered(&[1, 1, 2], 2, 0).is_err());
    }

    #[test]
    fn tests_given_by_hand_are_checked() {
        assert!(Folds::of_tests(3, vec![vec![0], vec![1, 2]]).is_ok());
        assert!(Folds::of_tests(3, vec![vec![0], vec![0]]).is_err());
        assert!(Folds::of_tests(3, vec![vec![3]]).is_err());
        assert!(Folds::of_tests(3, vec![vec![]]).is_err());
    }
}
