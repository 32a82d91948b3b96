//! The best split of a node, from its histogram.
//!
//! A leaf with sums `G`, `H` of first and second derivatives takes the value `v = -T(G) / (H + l2)`, where `T` moves `G`
//! by `l1` towards 0, cut to what step limit and constraints allow. It lowers the objective by half of
//! `s(G, H) = -(2 T(G) v + (H + l2) v^2)`, which is `T(G)^2 / (H + l2)` where nothing is cut. The gain of a split is
//! `s(left) + s(right) - s(node)` (Chen and Guestrin 2016, eq. 7, times two; LightGBM's `GetSplitGains`).
//!
//! - Missing values are tried on either side where a node has some.
//! - Levels are tried one against the rest where there are few; else they are sorted by `G / (H + cat_smooth)` and a run
//!   from either end goes left (Fisher 1958; LightGBM), with `cat_l2` on top of `l2`. Missing and rare levels go right.
//! - Monotone constraints: a split must not order its sides against the direction, and the middle between their values
//!   bounds all leaves behind (LightGBM's `basic` method).

use super::binning::{BinTest, FeatureBins, MISSING_BIN};
use super::histogram::{FixedPoint, Sums};

/// What a split must fulfil, and how leaves are valued.
#[derive(Debug, Clone, Copy)]
pub(super) struct SplitRules {
    pub(super) lambda_l1: f64,
    pub(super) lambda_l2: f64,
    /// 0 for none.
    pub(super) max_delta_step: f64,
    pub(super) min_data_in_leaf: usize,
    pub(super) min_sum_hessian_in_leaf: f64,
    pub(super) min_gain_to_split: f64,
    pub(super) cat_smooth: f64,
    pub(super) cat_l2: f64,
    pub(super) max_cat_threshold: usize,
    pub(super) max_cat_to_onehot: usize,
    pub(super) min_data_per_group: usize,
}

/// Least and largest value of the leaves behind a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Bounds {
    pub(super) low: f64,
    pub(super) high: f64,
}

impl Bounds {
    pub(super) const NONE: Self = Self { low: f64::NEG_INFINITY, high: f64::INFINITY };

    /// The bounds of both sides of a split with these values, on a feature of this direction.
    pub(super) fn split(self, direction: i8, left: f64, right: f64) -> (Self, Self) {
        let middle = 0.5 * left + 0.5 * right;
        let (below, above) = (Self { high: self.high.min(middle), ..self }, Self { low: self.low.max(middle), ..self });
        match direction {
            1 => (below, above),
            -1 => (above, below),
            _ => (self, self),
        }
    }
}

/// Where rows go, and what that gains.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) test: BinTest,
    pub(super) missing_left: bool,
    pub(super) left: Sums,
    /// `lambda_l2` of the values on both sides.
    pub(super) lambda_l2: f64,
}

impl Split {
    pub(super) fn goes_left(&self, bin: u8) -> bool {
        if bin == MISSING_BIN { self.missing_left } else { self.test.holds(bin) }
    }
}

/// One feature of one node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Candidate<'a> {
    pub(super) feature: usize,
    pub(super) bins: &'a FeatureBins,
    pub(super) cells: &'a [Sums],
    pub(super) total: Sums,
    pub(super) bounds: Bounds,
    pub(super) direction: i8,
    /// The only place to try, as a share of the places (`extra_trees`).
    pub(super) at: Option<f64>,
}

/// Finds splits for one tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splitter {
    pub(super) rules: SplitRules,
    pub(super) gradient_point: FixedPoint,
    pub(super) hessian_point: FixedPoint,
}

/// The best so far.
struct Best {
    gain: f64,
    split: Option<Split>,
}

impl Splitter {
    pub(super) fn hessian(&self, sums: Sums) -> f64 {
        self.hessian_point.to_float(sums.hessian)
    }

    /// The gradient after the step of `lambda_l1`, and the curvature.
    fn slope_and_curvature(&self, sums: Sums, lambda_l2: f64) -> (f64, f64) {
        let gradient = self.gradient_point.to_float(sums.gradient);
        let slope = gradient.signum() * (gradient.abs() - self.rules.lambda_l1).max(0.0);
        (slope, self.hessian(sums) + lambda_l2)
    }

    /// The value of a leaf.
    pub(super) fn value(&self, sums: Sums, lambda_l2: f64, bounds: Bounds) -> f64 {
        let (slope, curvature) = self.slope_and_curvature(sums, lambda_l2);
        let value = if curvature > 0.0 { -slope / curvature } else { 0.0 };
        let limit = self.rules.max_delta_step;
        let value = if limit > 0.0 { value.clamp(-limit, limit) } else { value };
        value.max(bounds.low).min(bounds.high)
    }

    /// Twice what a leaf of this value lowers the objective by.
    fn score_at(&self, sums: Sums, lambda_l2: f64, value: f64) -> f64 {
        let (slope, curvature) = self.slope_and_curvature(sums, lambda_l2);
        -(2.0 * slope * value + curvature * value * value)
    }

    fn score(&self, sums: Sums, lambda_l2: f64, bounds: Bounds) -> f64 {
        self.score_at(sums, lambda_l2, self.value(sums, lambda_l2, bounds))
    }

    fn is_large_enough(&self, sums: Sums) -> bool {
        sums.count as usize >= self.rules.min_data_in_leaf && self.hessian(sums) >= self.rules.min_sum_hessian_in_leaf
    }

    /// Whether a leaf with these sums could be split at all.
    pub(super) fn may_split(&self, total: Sums) -> bool {
        total.count as usize >= 2 * self.rules.min_data_in_leaf
    }

    /// The split with the largest gain; of equal ones that of the first feature at its lowest value.
    pub(super) fn best<'a>(
        &self,
        total: Sums,
        bounds: Bounds,
        candidates: impl Iterator<Item = Candidate<'a>>,
    ) -> Option<Split> {
        // A gain below the rounding of its terms is none.
        let unsplit = self.score(total, self.rules.lambda_l2, bounds);
        let mut best = Best { gain: self.rules.min_gain_to_split.max(1e-12 * unsplit), split: None };
        for candidate in candidates {
            match candidate.bins {
                FeatureBins::Ranges(_) => self.ranges(&candidate, unsplit, &mut best),
                FeatureBins::Levels(levels) if levels.len() <= self.rules.max_cat_to_onehot => {
                    self.one_level(&candidate, unsplit, &mut best);
                }
                FeatureBins::Levels(_) => self.some_levels(&candidate, unsplit, &mut best),
            }
        }
        best.split
    }

    /// Takes the split if it gains more and is allowed.
    fn consider(
        &self,
        candidate: &Candidate<'_>,
        unsplit: f64,
        (left, lambda_l2): (Sums, f64),
        split: impl FnOnce() -> (BinTest, bool),
        best: &mut Best,
    ) {
        let right = candidate.total.less(left);
        let of_left = self.value(left, lambda_l2, candidate.bounds);
        let of_right = self.value(right, lambda_l2, candidate.bounds);
        if f64::from(candidate.direction) * (of_right - of_left) < 0.0 {
            return;
        }
        let gain = self.score_at(left, lambda_l2, of_left) + self.score_at(right, lambda_l2, of_right) - unsplit;
        if gain > best.gain {
            best.gain = gain;
            let (test, missing_left) = split();
            best.split = Some(Split { gain, feature: candidate.feature, test, missing_left, left, lambda_l2 });
        }
    }

    fn ranges(&self, candidate: &Candidate<'_>, unsplit: f64, best: &mut Best) {
        let (cells, total) = (candidate.cells, candidate.total);
        let missing = cells[MISSING_BIN as usize];
        let only = candidate.at.map(|share| {
            let places = cells.len() - 1;
            1 + ((share * places as f64) as usize).min(places - 1)
        });
        let sides: &[bool] = if missing.count > 0 { &[false, true] } else { &[false] };
        for &missing_left in sides {
            let mut left = if missing_left { missing } else { Sums::default() };
            for (bin, &cell) in cells.iter().enumerate().skip(1) {
                left.add(cell);
                if only.is_some_and(|only| only != bin)
                    || (only.is_none() && cell.count == 0)
                    || !self.is_large_enough(left)
                {
                    continue;
                }
                let right = total.less(left);
                if !self.is_large_enough(right) {
                    break;
                }
                let split = || {
                    // Where the node has no missing value, later ones go with the majority.
                    let missing_left = if missing.count > 0 { missing_left } else { left.count >= right.count };
                    (BinTest::AtMost(bin as u8), missing_left)
                };
                self.consider(candidate, unsplit, (left, self.rules.lambda_l2), split, best);
            }
        }
    }

    fn one_level(&self, candidate: &Candidate<'_>, unsplit: f64, best: &mut Best) {
        for (bin, &left) in candidate.cells.iter().enumerate().skip(1) {
            if self.is_large_enough(left) && self.is_large_enough(candidate.total.less(left)) {
                let split = || (BinTest::OneOf(set([bin as u8].into_iter())), false);
                self.consider(candidate, unsplit, (left, self.rules.lambda_l2), split, best);
            }
        }
    }

    fn some_levels(&self, candidate: &Candidate<'_>, unsplit: f64, best: &mut Best) {
        let rules = &self.rules;
        let mean = |sums: Sums| self.gradient_point.to_float(sums.gradient) / (self.hessian(sums) + rules.cat_smooth);
        let mut levels: Vec<(f64, u8, Sums)> = (0..=u8::MAX)
            .zip(candidate.cells)
            .skip(1)
            .filter(|(_, cell)| cell.count > 0 && f64::from(cell.count) >= rules.cat_smooth)
            .map(|(bin, &cell)| (mean(cell), bin, cell))
            .collect();
        levels.sort_by(|a, b| a.0.total_cmp(&b.0));
        let most = rules.max_cat_threshold.min(levels.len().div_ceil(2));
        let group = rules.min_data_per_group;
        for from_end in [false, true] {
            if from_end {
                levels.reverse();
            }
            let (mut left, mut in_group) = (Sums::default(), 0);
            for (k, &(_, _, cell)) in levels.iter().enumerate().take(most) {
                left.add(cell);
                in_group += cell.count as usize;
                if !self.is_large_enough(left) || in_group < group {
                    continue;
                }
                let right = candidate.total.less(left);
                if !self.is_large_enough(right) || (right.count as usize) < group {
                    break;
                }
                in_group = 0;
                let split = || (BinTest::OneOf(set(levels[..=k].iter().map(|l| l.1))), false);
                self.consider(candidate, unsplit, (left, rules.lambda_l2 + rules.cat_l2), split, best);
            }
        }
    }
}

fn set(bins: impl Iterator<Item = u8>) -> [u64; 4] {
    let mut words = [0; 4];
    bins.for_each(|bin| words[bin as usize / 64] |= 1 << (bin % 64));
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: SplitRules = SplitRules {
        lambda_l1: 0.0,
        lambda_l2: 0.0,
        max_delta_step: 0.0,
        min_data_in_leaf: 1,
        min_sum_hessian_in_leaf: 1e-3,
        min_gain_to_split: 0.0,
        cat_smooth: 0.0,
        cat_l2: 0.0,
        max_cat_threshold: 32,
        max_cat_to_onehot: 4,
        min_data_per_group: 1,
    };

    /// The best split of cells given as mean target, number of rows, for the residuals of the mean.
    fn best(features: &[(FeatureBins, Vec<(f64, u32)>)], rules: SplitRules, direction: i8) -> Option<Split> {
        let (_, first) = &features[0];
        let n: u32 = first.iter().map(|c| c.1).sum();
        let mean = first.iter().map(|&(y, n)| y * f64::from(n)).sum::<f64>() / f64::from(n);
        let point = FixedPoint::for_sums_of(&[100.0], 1000);
        let splitter = Splitter { rules, gradient_point: point, hessian_point: point };
        let cell = |&(y, n): &(f64, u32)| Sums {
            gradient: point.to_integer(f64::from(n) * (mean - y)),
            hessian: point.to_integer(f64::from(n)),
            count: n,
        };
        let cells: Vec<Vec<Sums>> = features.iter().map(|(_, cells)| cells.iter().map(cell).collect()).collect();
        let mut total = Sums::default();
        cells[0].iter().for_each(|&c| total.add(c));
        let bounds = Bounds::NONE;
        let candidates = features.iter().zip(&cells).enumerate().map(|(feature, ((bins, _), cells))| Candidate {
            feature,
            bins,
            cells,
            total,
            bounds,
            direction,
            at: None,
        });
        splitter.best(total, bounds, candidates)
    }

    fn ranges(n: usize) -> FeatureBins {
        FeatureBins::Ranges((1..n).map(|c| c as f64).collect())
    }

    #[test]
    fn the_gain_is_the_squared_error_saved() {
        let split = best(&[(ranges(3), vec![(0.0, 0), (0.0, 2), (9.0, 1), (9.0, 3)])], RULES, 0).unwrap();
        assert_eq!((split.feature, split.test, split.left.count), (0, BinTest::AtMost(1), 2));
        // Total sum of squares about the mean 6: 2 * 36 + 4 * 9.
        assert!((split.gain - 108.0).abs() < 1e-6, "{}", split.gain);
    }

    #[test]
    fn missing_values_go_to_the_side_they_resemble() {
        let split = best(&[(ranges(2), vec![(0.0, 2), (0.0, 2), (8.0, 2)])], RULES, 0).unwrap();
        assert_eq!((split.test, split.missing_left, split.left.count), (BinTest::AtMost(1), true, 4));
        let split = best(&[(ranges(2), vec![(8.0, 2), (0.0, 2), (0.0, 2)])], RULES, 0).unwrap();
        assert_eq!((split.test, split.missing_left, split.left.count), (BinTest::AtMost(2), false, 4));
    }

    #[test]
    fn leaves_keep_their_minimum_of_rows_and_nothing_to_gain_is_no_split() {
        let cells = vec![(0.0, 0), (9.0, 1), (0.0, 1), (0.0, 4)];
        let with = |min_data_in_leaf| best(&[(ranges(3), cells.clone())], SplitRules { min_data_in_leaf, ..RULES }, 0);
        assert_eq!(with(1).unwrap().left.count, 1);
        assert_eq!(with(2).unwrap().left.count, 2);
        assert_eq!(with(4), None);
        assert_eq!(best(&[(ranges(2), vec![(0.0, 0), (7.0, 2), (7.0, 2)])], RULES, 0), None);
    }

    #[test]
    fn a_direction_forbids_splits_against_it() {
        let falling = [(ranges(2), vec![(0.0, 0), (9.0, 2), (1.0, 2)])];
        assert!(best(&falling, RULES, -1).is_some() && best(&falling, RULES, 1).is_none());
        let (low, high) = Bounds::NONE.split(1, -4.0, 2.0);
        assert_eq!((low.high, high.low), (-1.0, -1.0));
    }

    #[test]
    fn levels_split_one_by_one_or_in_sorted_runs() {
        let means = [3.0, 9.0, 3.0, 9.0, 3.0, 9.0];
        let cells: Vec<(f64, u32)> = [(0.0, 0)].into_iter().chain(means.map(|m| (m, 5))).collect();
        let feature = [(FeatureBins::Levels((0..6).collect()), cells)];
        let run = best(&feature, RULES, 0).unwrap();
        assert!((run.gain - 30.0 * 9.0).abs() < 1e-6 && run.left.count == 15, "{run:?}");
        let single = best(&feature, SplitRules { max_cat_to_onehot: 6, ..RULES }, 0).unwrap();
        assert_eq!((single.left.count, single.test), (5, BinTest::OneOf([0b10, 0, 0, 0])));
        let grouped = best(&feature, SplitRules { min_data_per_group: 16, ..RULES }, 0);
        assert_eq!(grouped, None);
    }

    #[test]
    fn penalties_and_limits_hold_leaves_down() {
        let point = FixedPoint::for_sums_of(&[100.0], 10);
        let value = |rules: SplitRules, bounds| {
            let splitter = Splitter { rules, gradient_point: point, hessian_point: point };
            let sums = Sums { gradient: point.to_integer(-12.0), hessian: point.to_integer(4.0), count: 4 };
            splitter.value(sums, rules.lambda_l2, bounds)
        };
        assert_eq!(value(RULES, Bounds::NONE), 3.0);
        assert_eq!(value(SplitRules { lambda_l1: 4.0, ..RULES }, Bounds::NONE), 2.0);
        assert_eq!(value(SplitRules { lambda_l2: 2.0, ..RULES }, Bounds::NONE), 2.0);
        assert_eq!(value(SplitRules { max_delta_step: 0.5, ..RULES }, Bounds::NONE), 0.5);
        assert_eq!(value(RULES, Bounds { low: -1.0, high: 1.0 }), 1.0);
    }
}
