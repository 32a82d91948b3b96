//! The predictive power score of one column for a target: how much better it predicts than a constant.
//!
//! After ppscore as deepchecks uses it: rows with both values, at most 5,000 evenly spaced ones; four folds after a seeded shuffle; a
//! decision tree on the one column, grown out. Such a tree needs no growing: on numbers it predicts the mean target of the nearest
//! value seen (cut half way between neighbours, the cut belonging to the lower), on categories the mean of the same category, or of all
//! rows where the category was not seen.
//!
//! ```text
//! numeric targets  max(0, 1 - MAE / MAE of the median)           MAE: mean of the four folds
//! classes          max(0, (F1 - F1 of the mode) / (1 - F1 of the mode))   F1 weighted by class
//! ```
//!
//! 0 for constant targets and for texts that all differ; none of fewer than four rows. The original's shuffle is not seeded and its
//! scores vary in the second digit; ours are the same every time.

use std::collections::HashMap;

use super::values::{Codes, spread_rows};

/// Rows looked at.
const MOST_ROWS: usize = 5_000;
const FOLDS: usize = 4;

/// A column or target as the score reads it. Not-a-number and code 0 are missing.
#[derive(Debug)]
pub(super) enum Side {
    Numbers(Vec<f64>),
    Categories(Codes),
}

impl Side {
    fn has(&self, row: usize) -> bool {
        match self {
            Self::Numbers(values) => values[row].is_finite(),
            Self::Categories(codes) => codes.codes[row] != 0,
        }
    }
}

/// The score of a column for a target.
pub(super) fn predictive_power(column: &Side, target: &Side, rows: usize) -> Option<f64> {
    let both: Vec<usize> = (0..rows).filter(|row| column.has(*row) && target.has(*row)).collect();
    let mut rows: Vec<usize> = spread_rows(both.len(), MOST_ROWS).into_iter().map(|i| both[i]).collect();
    if rows.len() < FOLDS {
        return None;
    }
    shuffle(&mut rows);
    match target {
        Side::Numbers(y) => Some(of_numbers(column, y, &rows)),
        Side::Categories(y) => Some(of_classes(column, &y.codes, &rows)),
    }
}

/// Fisher and Yates, by splitmix64 from 0.
fn shuffle(rows: &mut [usize]) {
    let mut state = 0_u64;
    for i in (1..rows.len()).rev() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        rows.swap(i, ((bits ^ (bits >> 31)) % (i as u64 + 1)) as usize);
    }
}

/// Train and test rows of each fold.
fn folds(rows: &[usize]) -> impl Iterator<Item = (Vec<usize>, &[usize])> {
    (0..FOLDS).map(|fold| {
        let (from, until) = (fold * rows.len() / FOLDS, (fold + 1) * rows.len() / FOLDS);
        ([&rows[..from], &rows[until..]].concat(), &rows[from..until])
    })
}

/// Groups of training rows by value: for numbers in order of the value, for categories by code.
struct Groups<T> {
    bounds: Vec<f64>,
    by_code: HashMap<u32, usize>,
    predictions: Vec<T>,
    of_all: T,
}

impl<T: Copy> Groups<T> {
    fn learn(column: &Side, train: &[usize], predict: impl Fn(&[usize]) -> T) -> Self {
        let mut sorted = train.to_vec();
        let mut groups =
            Self { bounds: Vec::new(), by_code: HashMap::new(), predictions: Vec::new(), of_all: predict(train) };
        match column {
            Side::Numbers(x) => {
                sorted.sort_by(|a, b| x[*a].total_cmp(&x[*b]));
                for group in sorted.chunk_by(|a, b| x[*a] == x[*b]) {
                    groups.bounds.push(x[group[0]]);
                    groups.predictions.push(predict(group));
                }
            }
            Side::Categories(codes) => {
                sorted.sort_by_key(|row| codes.codes[*row]);
                for group in sorted.chunk_by(|a, b| codes.codes[*a] == codes.codes[*b]) {
                    groups.by_code.insert(codes.codes[group[0]], groups.predictions.len());
                    groups.predictions.push(predict(group));
                }
            }
        }
        groups
    }

    fn predict(&self, column: &Side, row: usize) -> T {
        match column {
            Side::Numbers(x) => {
                let above = self.bounds.partition_point(|bound| *bound < x[row]);
                let nearest = match (above.checked_sub(1), self.bounds.get(above)) {
                    (Some(below), Some(high)) => {
                        let cut = 0.5 * self.bounds[below] + 0.5 * high;
                        if x[row] <= cut { below } else { above }
                    }
                    (Some(below), None) => below,
                    (None, _) => 0,
                };
                self.predictions[nearest]
            }
            Side::Categories(codes) => {
                self.by_code.get(&codes.codes[row]).map_or(self.of_all, |group| self.predictions[*group])
            }
        }
    }
}

fn of_numbers(column: &Side, y: &[f64], rows: &[usize]) -> f64 {
    let mut sorted: Vec<f64> = rows.iter().map(|row| y[*row]).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.len() % 2 == 1 { sorted[middle] } else { 0.5 * (sorted[middle - 1] + sorted[middle]) };
    let naive = sorted.iter().map(|v| (v - median).abs()).sum::<f64>() / sorted.len() as f64;
    if naive == 0.0 || all_differ(column, rows) {
        return 0.0;
    }
    let mean = |group: &[usize]| group.iter().map(|row| y[*row]).sum::<f64>() / group.len() as f64;
    let error = |(train, test): (Vec<usize>, &[usize])| {
        let groups = Groups::learn(column, &train, mean);
        test.iter().map(|row| (groups.predict(column, *row) - y[*row]).abs()).sum::<f64>() / test.len() as f64
    };
    let error = folds(rows).map(error).sum::<f64>() / FOLDS as f64;
    let score = 1.0 - error / naive;
    if score.is_finite() { score.max(0.0) } else { 0.0 }
}

fn of_classes(column: &Side, y: &[u32], rows: &[usize]) -> f64 {
    let mode = |group: &[usize]| {
        let mut classes: Vec<u32> = group.iter().map(|row| y[*row]).collect();
        classes.sort_unstable();
        let longest = classes.chunk_by(|a, b| a == b).rev().max_by_key(|run| run.len());
        longest.map_or(0, |run| run[0])
    };
    let most = mode(rows);
    let naive = weighted_f1(rows.iter().map(|row| (y[*row], most)));
    if naive >= 1.0 || all_differ(column, rows) {
        return 0.0;
    }
    let score = |(train, test): (Vec<usize>, &[usize])| {
        let groups = Groups::learn(column, &train, mode);
        weighted_f1(test.iter().map(|row| (y[*row], groups.predict(column, *row))))
    };
    let score = folds(rows).map(score).sum::<f64>() / FOLDS as f64;
    ((score - naive) / (1.0 - naive)).max(0.0)
}

/// Texts of which no two are equal predict nothing.
fn all_differ(column: &Side, rows: &[usize]) -> bool {
    let Side::Categories(codes) = column else { return false };
    let mut seen: Vec<u32> = rows.iter().map(|row| codes.codes[*row]).collect();
    seen.sort_unstable();
    seen.windows(2).all(|pair| pair[0] != pair[1])
}

/// The mean over classes, weighted by how often each is true, of the harmonic mean of precision and recall.
fn weighted_f1(pairs: impl Iterator<Item = (u32, u32)>) -> f64 {
    let mut classes: HashMap<u32, [f64; 3]> = HashMap::new();
    let mut all = 0.0;
    for (truth, guess) in pairs {
        all += 1.0;
        classes.entry(truth).or_default()[0] += 1.0;
        classes.entry(guess).or_default()[1] += 1.0;
        if truth == guess {
            classes.entry(truth).or_default()[2] += 1.0;
        }
    }
    let mut classes: Vec<(u32, [f64; 3])> = classes.into_iter().collect();
    classes.sort_unstable_by_key(|class| class.0);
    let part = |(_, [truth, guess, hit]): (u32, [f64; 3])| truth * 2.0 * hit / (truth + guess);
    if all == 0.0 { 0.0 } else { classes.into_iter().map(part).sum::<f64>() / all }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: impl Iterator<Item = f64>) -> Side {
        Side::Numbers(values.collect())
    }

    #[test]
    fn a_function_of_the_column_scores_one_and_noise_none() {
        let n = 400;
        let x = || numbers((0..n).map(|i| f64::from(i % 20)));
        let square = numbers((0..n).map(|i| f64::from((i % 20) * (i % 20))));
        assert_eq!(predictive_power(&x(), &square, n as usize), Some(1.0));
        let noise = numbers((0..n).map(|i| f64::from(i * 7919 % 101)));
        assert!(predictive_power(&x(), &noise, n as usize).unwrap() < 0.05);
        let classes = Side::Categories(Codes { codes: (0..n as u32).map(|i| 1 + i % 4).collect(), levels: 4 });
        assert_eq!(predictive_power(&x(), &classes, n as usize), Some(1.0));
        let constant = numbers((0..n).map(|_| 2.0));
        assert_eq!(predictive_power(&x(), &constant, n as usize), Some(0.0));
        assert_eq!(predictive_power(&x(), &square, 3), None);
    }

    #[test]
    fn weighted_f1_by_hand() {
        // Class 1: truth 3, guessed 3, hit 2; class 2: truth 1, guessed 1, hit 0.
        let f1 = weighted_f1([(1, 1), (1, 1), (1, 2), (2, 1)].into_iter());
        assert!((f1 - 0.5).abs() < 1e-12, "{f1}");
    }
}
