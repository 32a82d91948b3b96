//! Derivatives of the objective, and the integers they are summed as.
//!
//! Integers add up the same in any order, and differences of sums are exact. A derivative is counted in units of a power
//! of two so small that the sum of the absolute values of all of them just fits: heavy tails lose nothing, for the units
//! follow the sum and not a share of the largest value.

use rayon::prelude::*;

use crate::kernel::vectorised;

/// First and second derivatives of the objective, one a row.
#[derive(Debug, Clone)]
pub(crate) struct Derivatives {
    pub(crate) gradients: Vec<f32>,
    pub(crate) hessians: Hessians,
}

/// Second derivatives.
#[derive(Debug, Clone)]
pub(crate) enum Hessians {
    /// One for every row.
    One,
    /// The same in all rounds: weights.
    Fixed(Vec<f32>),
    /// New in each round.
    Each(Vec<f32>),
}

impl Derivatives {
    pub(super) fn hessians(&self) -> Option<&[f32]> {
        match &self.hessians {
            Hessians::One => None,
            Hessians::Fixed(h) | Hessians::Each(h) => Some(h),
        }
    }
}

/// `1.5 * 2^52`: adding this rounds a number below `2^51` to a whole one, which then stands in the last bits.
const ROUND: f64 = 6_755_399_441_055_744.0;

/// Rounds to a whole number, `|value| < 2^51`.
#[inline(always)]
pub(super) fn to_integer(value: f64) -> i64 {
    (value + ROUND).to_bits().wrapping_sub(ROUND.to_bits()) as i64
}

/// Units of derivatives: integers per one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Units {
    pub(super) gradient: f64,
    pub(super) hessian: f64,
    /// Bits that the number of rows takes.
    pub(super) count_bits: u32,
}

impl Units {
    /// For sums over any of these rows; `None` when all gradients are zero.
    pub(super) fn new(derivatives: &Derivatives) -> Option<Self> {
        let n = derivatives.gradients.len();
        let count_bits = (usize::BITS - n.leading_zeros()).max(16);
        // Half of the range is for the terms, half for their rounding.
        let bits = 61 - count_bits as i32;
        let gradient = per_unit(bound(&derivatives.gradients), bits)?;
        let hessian = match derivatives.hessians() {
            None => 1.0,
            Some(hessians) => per_unit(bound(hessians), bits)?,
        };
        Some(Self { gradient, hessian, count_bits })
    }
}

/// The power of two that takes `bound` below `2^bits`.
fn per_unit(bound: f64, bits: i32) -> Option<f64> {
    (bound > 0.0 && bound.is_finite()).then(|| 2.0_f64.powi((bits - exponent(bound)).min(1000)))
}

/// The `e` with `2^(e-1) <= value < 2^e`, from the bits.
fn exponent(value: f64) -> i32 {
    ((value.to_bits() >> 52) & 0x7ff) as i32 - 1022
}

/// A little above the sum of absolute values, the same in any order.
fn bound(values: &[f32]) -> f64 {
    const TASK: usize = 1 << 15;
    let parallel = values.len() >= 4 * TASK;
    let largest_of = |values: &[f32]| {
        vectorised(
            #[inline(always)]
            || {
                let mut lanes = [0_u32; 32];
                let whole = values.chunks_exact(32);
                let rest = whole.remainder().iter().fold(0, |m: u32, v| m.max(v.abs().to_bits()));
                for chunk in whole {
                    // Positive floats are in the order of their bits.
                    lanes.iter_mut().zip(chunk).for_each(|(m, v)| *m = (*m).max(v.abs().to_bits()));
                }
                lanes.into_iter().fold(rest, u32::max)
            },
        )
    };
    let largest =
        if parallel { values.par_chunks(TASK).map(largest_of).reduce(|| 0, u32::max) } else { largest_of(values) };
    let largest = f64::from(f32::from_bits(largest));
    if !(largest > 0.0 && largest.is_finite()) {
        return largest;
    }
    let unit = 2.0_f64.powi(exponent(largest) - 20);
    let per_unit = 1.0 / unit;
    let sum_of = |values: &[f32]| {
        vectorised(
            #[inline(always)]
            || values.iter().fold(0_i64, |sum, &v| sum + to_integer(f64::from(v.abs()) * per_unit) + 1),
        )
    };
    let sum: i64 = if parallel { values.par_chunks(TASK).map(sum_of).sum() } else { sum_of(values) };
    sum as f64 * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_is_to_the_nearest() {
        for (value, expected) in
            [(0.0, 0), (1.4, 1), (-1.4, -1), (1.5, 2), (2.5, 2), (-7.9, -8), (1e15, 1_000_000_000_000_000)]
        {
            assert_eq!(to_integer(value), expected, "{value}");
        }
    }

    #[test]
    fn sums_of_all_rows_fit_and_small_ones_count_beside_large_ones() {
        let mut gradients = vec![0.5_f32; 100_000];
        gradients[17] = 7e6;
        let derivatives = Derivatives { gradients, hessians: Hessians::One };
        let units = Units::new(&derivatives).unwrap();
        let sum: i64 = derivatives.gradients.iter().map(|&g| to_integer(f64::from(g) * units.gradient)).sum();
        assert!(sum.unsigned_abs() < 1 << (63 - units.count_bits));
        assert_eq!(sum as f64 / units.gradient, 7e6 + 99_999.0 * 0.5);
        let still = Derivatives { gradients: vec![0.0; 9], hessians: Hessians::One };
        assert!(Units::new(&still).is_none());
    }

    #[test]
    fn tiny_and_huge_values_have_units() {
        for size in [1e-38_f32, 1e-44, 1.0, 3e38] {
            let derivatives = Derivatives { gradients: vec![size, -size], hessians: Hessians::Each(vec![size; 2]) };
            let units = Units::new(&derivatives).unwrap();
            let back = to_integer(f64::from(size) * units.gradient) as f64 / units.gradient;
            assert_eq!(back as f32, size);
        }
    }
}
