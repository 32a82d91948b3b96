//! Verdicts that look at all columns together: the false-discovery rate, missing values, new levels.
//!
//! Every column brings up to three tests: of its values, of its share of missing values and, for names, of levels that the reference does not have. Their
//! p-values are adjusted together by the step-up procedure of Benjamini and Hochberg, so that the expected share of false alarms among the alarms is at most
//! alpha, whatever the number of columns. It holds for independent tests and for those with positive regression dependence.
//!
//! Benjamini, Y. and Hochberg, Y. (1995). Controlling the false discovery rate. *J. R. Statistical Society B* 57, 289-300.

use std::collections::BTreeMap;

use crate::detect::Extent;
use crate::statistics::{chi_square_sf, ln_binomial_tail, new_levels_p_value, pearson};
use crate::{CategoricalSample, DriftReason, Pair, Sample};

/// Adjusted p-values, in the order of `p_values`: the smallest level of the false-discovery rate at which each is rejected.
///
/// The i-th smallest of k is multiplied by k / i, then none may be above a larger one's. O(k log k).
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let k = p_values.len() as f64;
    let mut adjusted = vec![1.0; p_values.len()];
    let mut least = 1.0_f64;
    for (position, &i) in order.iter().enumerate().rev() {
        least = least.min(p_values[i] * (k / (position + 1) as f64));
        adjusted[i] = least;
    }
    adjusted
}

/// How large a difference is, on one scale for all methods: the largest difference between the two shares of rows at or below a value (the Kolmogorov-Smirnov
/// distance), for names half the sum of the differences of shares (total variation). In \[0, 1\]; `None` when a side is empty.
pub(crate) fn effect_size(pair: &Pair<'_>) -> Option<f64> {
    let (reference, current) = (pair.reference(), pair.current());
    let (n, m) = (reference.rows() as f64, current.rows() as f64);
    if n == 0.0 || m == 0.0 {
        return None;
    }
    match (reference, current) {
        (Sample::Numeric(_), Sample::Numeric(_)) => pair.gaps().map(|gaps| gaps.distance),
        (Sample::Categorical(r), Sample::Categorical(c)) => {
            let counts = crate::levels::LevelTable::new(r, c).counts;
            Some(counts.iter().map(|&[r, c]| (r as f64 / n - c as f64 / m).abs()).sum::<f64>() / 2.0)
        }
        _ => None,
    }
}

/// What else of a column can drift: missing values, new levels.
pub(crate) struct Besides([Option<Beside>; 2]);

#[derive(Clone, Copy)]
pub(crate) struct Beside {
    pub(crate) reason: DriftReason,
    pub(crate) change: f64,
    pub(crate) p_value: f64,
}

impl Besides {
    pub(crate) fn of(reference: Sample<'_>, current: Sample<'_>) -> Self {
        let levels = match (reference, current) {
            (Sample::Categorical(r), Sample::Categorical(c)) => Some(new_levels(r, c)),
            _ => None,
        };
        Self::from_extents(reference.into(), current.into(), levels)
    }

    /// `new_levels`: share of the current rows with new levels, and its p-value.
    pub(crate) fn from_extents(reference: Extent, current: Extent, new_levels: Option<(f64, f64)>) -> Self {
        let beside = |reason, (change, p_value): (f64, f64)| Beside { reason, change, p_value };
        // A column without missing values on either side has nothing to test, and must not dilute the others.
        let holes = reference.missing + current.missing > 0;
        Self([
            holes.then(|| beside(DriftReason::MissingValues, missing(reference, current))),
            new_levels.map(|found| beside(DriftReason::NewLevels, found)),
        ])
    }

    pub(crate) fn tests(&self) -> impl Iterator<Item = Beside> {
        self.0.into_iter().flatten()
    }
}

/// Change of the share of missing values, and the p-value of Pearson's chi-square with Yates' correction; 0 and 1 when neither side misses a value.
fn missing(reference: Extent, current: Extent) -> (f64, f64) {
    let share = |s: Extent| s.missing as f64 / (s.rows + s.missing).max(1) as f64;
    let change = (share(reference) - share(current)).abs();
    if change == 0.0 {
        return (0.0, 1.0);
    }
    let table = [[reference.rows as f64, current.rows as f64], [reference.missing as f64, current.missing as f64]];
    if table.iter().any(|row| row[0] + row[1] == 0.0) || (0..2).any(|side| table[0][side] + table[1][side] == 0.0) {
        return (change, 1.0);
    }
    (change, chi_square_sf(pearson(&table, true), 1))
}

/// Share of the current rows whose level the reference does not have, and its p-value: [`new_levels_p_value`] of the rows of all new levels, and of those of levels with two rows or
/// more, the smaller times two. Junk that never repeats shows in the first, another set of many rare levels in the second.
fn new_levels(reference: &CategoricalSample, current: &CategoricalSample) -> (f64, f64) {
    let table = crate::levels::LevelTable::new(reference, current);
    let (mut new, mut new_once) = (0, 0);
    let mut levels: BTreeMap<u64, u64> = BTreeMap::new();
    for &[r, c] in &table.counts {
        *levels.entry(r + c).or_default() += 1;
        if r == 0 {
            new += c;
            new_once += u64::from(c == 1);
        }
    }
    if new == 0 || reference.rows() == 0 {
        return (0.0, 1.0);
    }
    let rows = [reference.rows() as u64, current.rows() as u64];
    let levels: Vec<(u64, u64)> = levels.into_iter().collect();
    let of_all = new_levels_p_value(rows, &levels, new);
    let p_value = match levels.split_first() {
        Some((&(1, _), others)) if !others.is_empty() => {
            (2.0 * of_all.min(new_levels_p_value(rows, others, new - new_once))).min(1.0)
        }
        _ => of_all,
    };
    (new as f64 / rows[1] as f64, p_value)
}

/// The same where not all levels are listed, from the rows of both sides, the rows with new levels, those of the most frequent of them, and the number of levels on both sides. The p-value
/// is that of the most frequent new level times the number of levels (Bonferroni), as that level was picked from among all.
pub(crate) fn new_levels_of([n, m]: [u64; 2], new: u64, most: u64, levels: usize) -> (f64, f64) {
    if new == 0 || n == 0 {
        return (0.0, 1.0);
    }
    (new as f64 / m as f64, (ln_binomial_tail(n, m, most).exp() * levels as f64).min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NumericSample;

    #[test]
    fn adjusted_p_values_are_those_of_the_paper() {
        let p = [0.039, 0.001, 0.205, 0.008, 0.041];
        let expected = [0.05125, 0.005, 0.205, 0.02, 0.05125];
        for (found, expected) in benjamini_hochberg(&p).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    #[test]
    fn new_levels_and_missing_values_are_tested() {
        let levels = ["a".to_owned(), "b".to_owned()];
        let reference = CategoricalSample::new(&[0; 30], &levels).unwrap();
        let current = CategoricalSample::new(&[0, 0, 0, 1, 1, 1], &levels).unwrap();
        // All three rows of b among the 6 of 36: 6 * 5 * 4 / (36 * 35 * 34); those of a cannot be.
        let (share, p) = new_levels(&reference, &current);
        assert!((share - 0.5).abs() < 1e-15 && (p - 120.0 / 42840.0).abs() < 1e-12, "{p}");
        assert_eq!(new_levels(&reference, &reference), (0.0, 1.0));
        let whole = NumericSample::new(&[1.0; 40]);
        let mut values = [1.0; 40];
        values[..20].fill(f64::NAN);
        let half = NumericSample::new(&values);
        let (change, p) = missing(Sample::Numeric(&whole).into(), Sample::Numeric(&half).into());
        assert!(change == 0.5 && p < 1e-5, "{p}");
        assert_eq!(missing(Sample::Numeric(&whole).into(), Sample::Numeric(&whole).into()), (0.0, 1.0));
        let nothing = NumericSample::new(&[]);
        assert_eq!(missing(Sample::Numeric(&half).into(), Sample::Numeric(&nothing).into()), (0.5, 1.0));
    }
}
