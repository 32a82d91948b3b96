//! What rows add to the sums of a node, in fixed point.
//!
//! Integers add up the same in any order: a tree depends neither on the order of the rows nor on the number of threads.

use med_schema::Dataset;

use crate::input::annualised;
use crate::{FitError, InputError};

/// What a row adds to the sums of its node, in fixed point: weight, and weight times target less the mean.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::tree) struct Sums {
    pub(super) weight: i64,
    pub(super) target: i64,
}

impl Sums {
    pub(super) fn add(&mut self, other: Self) {
        self.weight += other.weight;
        self.target += other.target;
    }

    pub(super) fn less(self, other: Self) -> Self {
        Self { weight: self.weight - other.weight, target: self.target - other.target }
    }

    pub(in crate::tree) fn times(self, n: u32) -> Self {
        Self { weight: self.weight * i64::from(n), target: self.target * i64::from(n) }
    }

    /// The mean, in units of the target's fixed point by the weight's.
    pub(super) fn mean(self) -> f64 {
        self.target as f64 / self.weight as f64
    }
}

/// Power-of-two units, such that sums over `n` times the largest of these values stay below `2^61`.
fn unit(values: impl Iterator<Item = f64>, n: usize) -> f64 {
    let largest = values.fold(0.0, |m: f64, v| m.max(v.abs()));
    let exponent = ((largest.to_bits() >> 52) & 0x7ff) as i64 - 1022;
    let bits = exponent + i64::from(usize::BITS - n.leading_zeros());
    2.0_f64.powi((61 - bits).clamp(-1000, 1000) as i32)
}

/// The rows to grow trees on.
#[derive(Debug)]
pub(in crate::tree) struct Rows {
    /// By row; nothing for rows of weight 0.
    pub(in crate::tree) sums: Vec<Sums>,
    /// Cost per unit of exposure.
    pub(in crate::tree) y: Vec<f64>,
    /// `weight * exposure`.
    pub(in crate::tree) weights: Vec<f64>,
    pub(super) mean: f64,
    /// Smallest and largest cost per unit of exposure of the rows that count.
    range: (f64, f64),
    weight_unit: f64,
    target_unit: f64,
}

impl Rows {
    pub(in crate::tree) fn new(train: &Dataset, model: &'static str) -> Result<Self, FitError> {
        if train.x().n_columns() == 0 {
            return Err(InputError::NoFeatures.into());
        }
        let n = train.n_rows();
        if n >= 1 << 31 {
            return Err(FitError::Backend { model, source: "more than 2147483647 rows".into() });
        }
        let (y, weights) = annualised(train);
        let (y, weights) = (y.into_owned(), weights.map_or_else(|| vec![1.0; n], |w| w.into_owned()));
        let overflow = || FitError::Overflow { model, what: "the weighted cost" };
        if weights.iter().zip(&y).any(|(w, y)| !(w * y).is_finite() || !w.is_finite()) {
            return Err(overflow());
        }
        let weight_unit = unit(weights.iter().copied(), n);
        let weight = |w: f64| (w * weight_unit).round_ties_even() as i64;
        let mean = {
            let weighted = || y.iter().zip(&weights).map(|(y, w)| y * w);
            let unit = unit(weighted(), n);
            let sum: i64 = weighted().map(|v| (v * unit).round_ties_even() as i64).sum();
            sum as f64 / unit / (weights.iter().map(|&w| weight(w)).sum::<i64>() as f64 / weight_unit)
        };
        let target = || y.iter().zip(&weights).map(|(y, w)| (y - mean) * w);
        if !mean.is_finite() || target().any(|v| !v.is_finite()) {
            return Err(overflow());
        }
        let target_unit = unit(target(), n);
        let sums = target()
            .zip(&weights)
            .map(|(v, &w)| Sums { weight: weight(w), target: (v * target_unit).round_ties_even() as i64 })
            .collect();
        let counted = y.iter().zip(&weights).filter(|(_, w)| **w > 0.0).map(|(y, _)| *y);
        let range = counted.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), y| (low.min(y), high.max(y)));
        Ok(Self { sums, y, weights, mean, range, weight_unit, target_unit })
    }

    pub(super) fn weight(&self, sums: Sums) -> f64 {
        sums.weight as f64 / self.weight_unit
    }

    /// The mean of `n` rows that add up to `sums`, within the range of the target. What is as near to its lower end as the fixed point can
    /// tell is that end: the mean of rows without cost is 0, and not a billionth less.
    pub(super) fn value(&self, sums: Sums, n: usize) -> f64 {
        let mean = self.mean + sums.mean() * self.weight_unit / self.target_unit;
        let (low, high) = self.range;
        // Target and weight of a row, drawn once or twice, are off by a unit at most; the rest are the roundings of this sum.
        let off = n as f64 * (1.0 / self.target_unit + (low - self.mean).abs() / self.weight_unit);
        let rounding = off / self.weight(sums) + 4.0 * f64::EPSILON * self.mean.abs();
        if mean - low <= rounding { low } else { mean.min(high) }
    }

    /// Of a gain in fixed point, in weighted squares of the target.
    pub(super) fn gain(&self, gain: f64) -> f64 {
        gain / self.target_unit / self.target_unit * self.weight_unit
    }
}
