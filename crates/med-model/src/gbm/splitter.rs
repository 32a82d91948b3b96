//! The best split of a leaf, from its histogram.
//!
//! With `G`, `H` the sums of first and second derivatives, the gain of a split is
//! `G_l^2 / (H_l + lambda) + G_r^2 / (H_r + lambda) - G^2 / (H + lambda)` (Chen and Guestrin 2016, eq. 7, times two).
//! Where a leaf has missing values of a feature, they are tried on either side.

use super::binning::{BinnedMatrix, MISSING_BIN};
use super::histogram::{FixedPoint, Histogram, Sums};

/// What a split must fulfil.
#[derive(Debug, Clone, Copy)]
pub(super) struct SplitRules {
    pub(super) lambda_l2: f64,
    pub(super) min_data_in_leaf: usize,
    pub(super) min_sum_hessian_in_leaf: f64,
    pub(super) min_gain_to_split: f64,
}

/// Bins up to `bin` go left, the rest goes right; missing values go where `missing_left` says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub(super) gain: f64,
    pub(super) feature: usize,
    pub(super) bin: u8,
    pub(super) missing_left: bool,
    pub(super) left: Sums,
}

impl Split {
    pub(super) fn goes_left(&self, bin: u8) -> bool {
        if bin == MISSING_BIN { self.missing_left } else { bin <= self.bin }
    }
}

/// Finds splits in the histograms of one tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Splitter<'a> {
    pub(super) binned: &'a BinnedMatrix,
    pub(super) rules: SplitRules,
    pub(super) gradient_point: FixedPoint,
    pub(super) hessian_point: FixedPoint,
}

impl Splitter<'_> {
    /// `-G / (H + lambda)`, the step that lowers the loss of these rows most.
    pub(super) fn leaf_value(&self, sums: Sums) -> f64 {
        let denominator = self.hessian_point.to_float(sums.hessian) + self.rules.lambda_l2;
        if denominator > 0.0 { -self.gradient_point.to_float(sums.gradient) / denominator } else { 0.0 }
    }

    fn score(&self, sums: Sums) -> f64 {
        let gradient = self.gradient_point.to_float(sums.gradient);
        let denominator = self.hessian_point.to_float(sums.hessian) + self.rules.lambda_l2;
        if denominator > 0.0 { gradient * gradient / denominator } else { 0.0 }
    }

    fn is_large_enough(&self, sums: Sums) -> bool {
        sums.count as usize >= self.rules.min_data_in_leaf
            && self.hessian_point.to_float(sums.hessian) >= self.rules.min_sum_hessian_in_leaf
    }

    /// Whether a leaf with these sums could be split at all.
    pub(super) fn may_split(&self, total: Sums) -> bool {
        total.count as usize >= 2 * self.rules.min_data_in_leaf
    }

    /// The split with the largest gain; of equal ones that of the first feature at its lowest value.
    pub(super) fn best(&self, histogram: &Histogram, total: Sums) -> Option<Split> {
        if !self.may_split(total) {
            return None;
        }
        let unsplit = self.score(total);
        // A gain below the rounding of its terms is none.
        let mut best_gain = self.rules.min_gain_to_split.max(1e-12 * unsplit);
        let mut best = None;
        for feature in 0..self.binned.features.len() {
            let bins = histogram.of_feature(self.binned, feature);
            let missing = bins[MISSING_BIN as usize];
            let sides: &[bool] = if missing.count > 0 { &[false, true] } else { &[false] };
            for &missing_left in sides {
                let mut left = if missing_left { missing } else { Sums::default() };
                for (bin, &cell) in bins.iter().enumerate().skip(1) {
                    left.add(cell);
                    if cell.count == 0 || !self.is_large_enough(left) {
                        continue;
                    }
                    let right = total.less(left);
                    if !self.is_large_enough(right) {
                        break;
                    }
                    let gain = self.score(left) + self.score(right) - unsplit;
                    if gain > best_gain {
                        best_gain = gain;
                        // Where the leaf has no missing value, later ones go with the majority.
                        let missing_left = if missing.count > 0 { missing_left } else { left.count >= right.count };
                        best = Some(Split { gain, feature, bin: bin as u8, missing_left, left });
                    }
                }
            }
        }
        best
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gbm::histogram::GradientPair;

    /// The best split of `columns` for the residuals of `y`, with unit weights.
    fn best(columns: &[&[f64]], y: &[f64], min_data_in_leaf: usize) -> Option<Split> {
        let binned = BinnedMatrix::new(columns, 255);
        let mean = y.iter().sum::<f64>() / y.len() as f64;
        let gradients: Vec<f64> = y.iter().map(|y| mean - y).collect();
        let gradient_point = FixedPoint::for_sums_of(&gradients, y.len());
        let hessian_point = FixedPoint::for_sums_of(&[1.0], y.len());
        let pairs: Vec<GradientPair> = gradients
            .iter()
            .map(|&g| GradientPair { gradient: gradient_point.to_integer(g), hessian: hessian_point.to_integer(1.0) })
            .collect();
        let rows: Vec<u32> = (0..y.len() as u32).collect();
        let mut histogram = Histogram::empty(&binned);
        histogram.fill(&binned, &rows, &pairs);
        let rules =
            SplitRules { lambda_l2: 0.0, min_data_in_leaf, min_sum_hessian_in_leaf: 1e-3, min_gain_to_split: 0.0 };
        let splitter = Splitter { binned: &binned, rules, gradient_point, hessian_point };
        splitter.best(&histogram, Sums::of(&rows, &pairs))
    }

    #[test]
    fn the_gain_is_the_squared_error_saved() {
        let noise = [5.0, 1.0, 4.0, 2.0, 3.0, 6.0];
        let split = best(&[&noise, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]], &[0.0, 0.0, 9.0, 9.0, 9.0, 9.0], 1).unwrap();
        assert_eq!((split.feature, split.bin, split.left.count), (1, 2, 2));
        // Total sum of squares about the mean 6: 2 * 36 + 4 * 9.
        assert!((split.gain - 108.0).abs() < 1e-9, "{}", split.gain);
    }

    #[test]
    fn missing_values_go_to_the_side_they_resemble() {
        let x = [1.0, 2.0, 3.0, 4.0, f64::NAN, f64::NAN];
        let split = best(&[&x], &[0.0, 0.0, 8.0, 8.0, 0.0, 0.0], 1).unwrap();
        assert_eq!((split.bin, split.missing_left, split.left.count), (2, true, 4));
        let split = best(&[&x], &[0.0, 0.0, 0.0, 0.0, 8.0, 8.0], 1).unwrap();
        assert_eq!((split.bin, split.missing_left, split.left.count), (4, false, 4));
    }

    #[test]
    fn leaves_keep_their_minimum_of_rows() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let y = [9.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(best(&[&x], &y, 1).unwrap().left.count, 1);
        assert_eq!(best(&[&x], &y, 2).unwrap().left.count, 2);
        assert_eq!(best(&[&x], &y, 4), None);
    }

    #[test]
    fn nothing_to_gain_is_no_split() {
        assert_eq!(best(&[&[1.0, 2.0, 3.0, 4.0]], &[7.0; 4], 1), None);
        assert_eq!(best(&[&[1.0; 4]], &[1.0, 2.0, 3.0, 4.0], 1), None);
    }
}
